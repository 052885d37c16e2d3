package api

import (
	"context"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

// nights registers the routes that cover more than one run.
func (a *api) nights() {
	type nightsQuery struct {
		Nights int    `query:"nights" minimum:"1" maximum:"400" default:"30" doc:"How many, the present one among them"`
		Plan   string `query:"plan" maxLength:"200" doc:"Only this plan"`
	}
	get(a, access.Viewer, quick(), "/nights", "listNights", "What the last nights of the plans came to", func(ctx context.Context, s sees, q *nightsQuery) (report.Nights, error) {
		n, err := a.Reads.Nights(ctx, runner.NightsRequest{Nights: q.Nights, Plan: q.Plan})
		all := n.Plans
		n.Plans = []report.NightsPlan{}
		for _, p := range all {
			if s.Plan(p.Plan) {
				n.Plans = append(n.Plans, p)
			}
		}
		return n, err
	})
	type historyQuery struct {
		Page
		Device string `path:"device" minLength:"1" maxLength:"200"`
		Domain string `query:"domain" maxLength:"200" doc:"Only of this domain; absent: of all, and of the device itself"`
	}
	get(a, access.Viewer, quick(), "/devices/{device}/history", "getDeviceHistory", "What runs came to for a device, the newest first; what belongs to one run stays together",
		func(ctx context.Context, s sees, q *historyQuery) (List[report.TaskOutcome], error) {
			out := List[report.TaskOutcome]{Items: []report.TaskOutcome{}}
			from, err := q.where("history/" + q.Device + "/" + q.Domain)
			if err != nil {
				return out, err
			}
			found, err := a.Reads.Outcomes(ctx, runner.OutcomesRequest{Device: q.Device, Domain: q.Domain, After: from.After, Limit: q.Limit})
			for _, x := range found.Items {
				if s.device(x.Plan, x.Device) {
					out.Items = append(out.Items, x)
				}
			}
			if found.Next != "" {
				out.Next = at{List: from.List, After: found.Next}.String()
			}
			return out, err
		})
	type timelineQuery struct {
		RunPath
		Page
	}
	get(a, access.Viewer, quick(), "/runs/{run}/timeline", "getTimeline", "What a run did when, and what it took out of service", func(ctx context.Context, s sees, q *timelineQuery) (report.Timeline, error) {
		d, err := a.run(ctx, s, q.Run)
		if err != nil {
			return report.Timeline{}, err
		}
		from, err := q.where("timeline/" + d.ID)
		if err != nil {
			return report.Timeline{}, err
		}
		whole, err := s.wholeRun(d)
		if err != nil {
			return report.Timeline{}, err
		}
		asked := runner.TimelineRequest{Run: d.ID, After: from.After, Limit: q.Limit}
		if !whole {
			asked.Sees = s.device
		}
		t, err := a.Reads.Timeline(ctx, asked)
		if err != nil {
			return t, err
		}
		if t.Next != "" {
			t.Next = at{List: from.List, After: t.Next}.String()
		}
		for i := range t.Steps {
			if !whole {
				t.Steps[i].Message = ""
			}
		}
		return t, nil
	})
}
