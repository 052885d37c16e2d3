package e2e

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// feed is the sink of one run: what is published goes to whoever watches it.
type feed struct {
	recorder
	events chan event.Status
}

func (f *feed) Status(s event.Status) { f.events <- s }

// server runs plans of a site over HTTP, all over one runner: POST starts a
// plan and answers with its events, one a line, then with its result; DELETE
// cancels it.
func server(r *runner.Runner, s *site) http.Handler {
	var stops sync.Map
	mux := http.NewServeMux()
	mux.HandleFunc("POST /runs/{plan}", func(w http.ResponseWriter, q *http.Request) {
		f := &feed{events: make(chan event.Status)}
		stop := runner.NewStop(q.Context())
		stops.Store(q.PathValue("plan"), stop)
		answer := json.NewEncoder(w)
		go func() {
			defer close(f.events)
			res, err := r.Apply(q.Context(), runner.ApplyRequest{Operation: runner.Operation{Sink: f, Stop: stop}, Source: s.source(), Plan: q.PathValue("plan")})
			if err != nil {
				f.events <- event.Status{Code: err.Error()}
			}
			f.events <- event.Status{Final: true, Seq: res.ExitCode}
		}()
		for e := range f.events {
			_ = answer.Encode(e)
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("DELETE /runs/{plan}", func(w http.ResponseWriter, q *http.Request) {
		stop, _ := stops.Load(q.PathValue("plan"))
		stop.(*runner.Stop).Ask("SIGTERM")
	})
	return mux
}

const twoPlans = `
plan "hangs" {
  destinations = [destination.file.local]
  activity "export_domain" "x" {
    devices = ["gw-1"]
    domains = ["app01"]
    quiesce = "domain"
  }
}
plan "works" {
  destinations = [destination.file.local]
  activity "export_domain" "x" {
    devices = ["gw-2"]
    domains = ["app01"] # in service: while gw-1 is quiesced no other gateway would be
  }
}
`

// watched reads the events of a run up to one with a code; "": to its end,
// and then gives the exit code.
func watched(t *testing.T, d *json.Decoder, plan, until string) (exit int) {
	t.Helper()
	for {
		var e event.Status
		if err := d.Decode(&e); err != nil {
			t.Errorf("%s: the events end before %q: %v", plan, until, err)
			return -1
		}
		switch {
		case e.Plan == "" && e.Final:
			return e.Seq
		case e.Plan != plan:
			t.Errorf("%s: got an event of another: %+v", plan, e)
		case e.Code == until:
			return 0
		}
	}
}

// Two runs of one process, side by side over one runner: each is watched and
// cancelled alone.
func TestOneRunnerRunsWatchesAndCancelsSeveralPlansSideBySide(t *testing.T) {
	t.Parallel()
	s := startSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw-1", AppDomains: 1}, {Name: "gw-2", AppDomains: 1}}})
	need.Done(t, s.fleet.AddFault(dpsim.Fault{Kind: "hang", Device: "gw-1", Operation: "do-export"}))
	s.write("plan.hcl", devices+twoPlans)
	r := s.open(nil)
	web := httptest.NewServer(server(r, s))
	t.Cleanup(func() { web.Close(); _ = r.Close() })
	call := func(method, plan string) io.Reader {
		q, err := http.NewRequestWithContext(t.Context(), method, web.URL+"/runs/"+plan, nil)
		res, err2 := web.Client().Do(q)
		need.Done(t, errors.Join(err, err2))
		t.Cleanup(func() { _ = res.Body.Close() })
		return res.Body
	}
	hangs := json.NewDecoder(call("POST", "hangs"))
	watched(t, hangs, "hangs", "EXECUTION_EXPORT_DOMAIN_PERSISTED_STARTED")
	if down := s.down(); !slices.ContainsFunc(down, func(d string) bool { return d[:10] == "gw-1/app01" }) {
		t.Errorf("the run that hangs has quiesced %v", down)
	}
	if exit := watched(t, json.NewDecoder(call("POST", "works")), "works", ""); exit != 0 {
		t.Errorf("the run beside it ended with %d", exit)
	}
	call("DELETE", "hangs")
	if exit := watched(t, hangs, "hangs", ""); exit != runner.ExitSIGTERM {
		t.Errorf("the run that was cancelled ended with %d", exit)
	}
	if down := s.down(); len(down) > 0 {
		t.Errorf("left out of service: %v", down)
	}
	if left := r.Owed(t.Context()); len(left.Owed) > 0 || left.Unknown != nil {
		t.Errorf("still owed: %+v", left)
	}
}
