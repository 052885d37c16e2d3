package page

import (
	"net/http"
	"slices"
	"strings"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

// nightsShown is how many nights are shown beside each other.
const nightsShown = 14

func (p *pages) nights(r *http.Request, who access.Sight) (answer, error) {
	n, err := p.Reads.Nights(r.Context(), runner.NightsRequest{Nights: nightsShown})
	n.Plans = slices.DeleteFunc(n.Plans, func(x report.NightsPlan) bool { return !who.Plan(x.Plan) })
	return answer{Title: "Nights", page: "nights.html", Data: n, Events: events}, err
}

// nightTone is the tone of a night.
func nightTone(s report.NightState) tone {
	switch s {
	case report.NightGood:
		return good
	case report.NightPartly:
		return warn
	case report.NightFailed, report.NightMissed:
		return bad
	}
	return calm
}

// devicePage shows the results of a device or domain, run by run.
type devicePage struct {
	Device, Domain string
	Items          []report.TaskOutcome
	Next           string
}

func (p *pages) device(r *http.Request, who access.Sight) (answer, error) {
	v := devicePage{Device: r.FormValue("device"), Domain: r.FormValue("domain")}
	if v.Device == "" {
		return answer{}, notFound("say which device")
	}
	out, err := p.Reads.Outcomes(r.Context(), runner.OutcomesRequest{Device: v.Device, Domain: v.Domain, After: r.FormValue("after"), Limit: rowsShown})
	if err != nil {
		return answer{}, err
	}
	v.Items = slices.DeleteFunc(out.Items, func(o report.TaskOutcome) bool { return !who.Device(o.Plan, o.Device) })
	if out.Next != "" {
		v.Next = at("/device", "device", v.Device, "domain", v.Domain, "after", out.Next)
	}
	return answer{Title: "History of " + strings.TrimSuffix(v.Device+" "+v.Domain, " "), page: "device.html", Data: v}, nil
}
