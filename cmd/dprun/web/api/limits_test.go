package api

import (
	"context"
	"encoding/base64"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"testing"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/evidence"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/testfixtures/need"
)

// hidden is a desk that names the device gw-9, which no served plan has any more, or
// which belongs to somebody else, wherever something is said of a whole run or plan.
type hidden struct{ *desk }

func (h hidden) Run(ctx context.Context, ref string) (report.RunDetail, error) {
	d, err := h.desk.Run(ctx, ref)
	d.Only = "device=gw-9"
	d.History = []event.Status{{Code: "PLAN_PARTLY_FAILED", Message: "gw-9 owes", Warnings: []string{"gw-9"}, Causes: []event.Cause{{Message: "gw-9"}}}}
	d.Asked = &report.Started{Run: ref, Only: "device=gw-9", Message: "gw-9 owes"}
	d.Details = items(append([]report.Task{{Run: ref, Task: "all/gw-9", Device: "gw-9"}}, h.tasks[ref]...), nil)
	return d, err
}

func (h hidden) Started(ctx context.Context, run string) (report.Started, error) {
	st, err := h.desk.Started(ctx, run)
	st.Only, st.Message = "device=gw-9", "gw-9 owes"
	return st, err
}

func (h hidden) Logs(context.Context, runner.LogsRequest) iter.Seq2[event.Log, error] {
	return items([]event.Log{{Text: "gw-9 is away"}, {Task: "all/gw-3", Text: "mine"}}, nil)
}

func (h hidden) EvidenceRecord(ref string) (report.EvidenceDetail, error) {
	d, err := h.desk.EvidenceRecord(ref)
	d.Tasks = []evidence.Task{{Task: "all/gw-9", Device: "gw-9"}}
	return d, err
}

func (h hidden) Firings(context.Context, int) (report.Firings, error) {
	return report.Firings{Due: []report.Firing{{Plan: "night", Due: began, Verdict: "run", Message: "gw-9 owes"}}}, nil
}

func (h hidden) Plans(ctx context.Context) ([]report.ServedPlan, error) {
	all, err := h.desk.Plans(ctx)
	all[0].Broken = &report.BrokenPlan{Path: "/plans/night.hcl", Why: "the device gw-9 has no credential", LastGood: true}
	return all, err
}

func (h hidden) Preview(_ context.Context, q runner.PreviewRequest) (*report.Preview, *report.Result, error) {
	return &report.Preview{Plan: q.Plan, TooShort: "gw-9 takes an hour"}, &report.Result{}, nil
}

func (h hidden) Coverage(context.Context, runner.CoverageRequest) (*report.Coverage, *report.Result, error) {
	return nil, &report.Result{Diagnostics: diag.List{{Severity: diag.Error, Summary: "gw-9 is wrong"}}}, nil
}

func (h hidden) api(t *testing.T) http.Handler {
	return need.Value(New(Options{Reads: h, Desk: h, Open: func() (Fresh, error) { return h, nil }}))(t)
}

// TestNoWordOfAWholeTellsWhatIsHidden: what is said of a run or a plan as a whole is
// said to whom sees all of it, also where its devices were others then.
func TestNoWordOfAWholeTellsWhatIsHidden(t *testing.T) {
	t.Parallel()
	h := hidden{newDesk()}
	h.events = []report.LiveEvent{
		{Seq: 1, Kind: "status", Run: "01JDRUN2", Status: &event.Status{Code: "PLAN_PARTLY_FAILED", Message: "gw-9 owes"}},
		{Seq: 2, Kind: "status", Run: "01JDRUN2", Status: &event.Status{Task: "all/gw-9", Device: "gw-9", Code: "SUCCESS"}},
		{Kind: "log", Run: "01JDRUN2", Log: &event.Log{Text: "gw-9 is away"}},
		{Seq: 3, Kind: "run", Run: "01JDRUN2", Begun: &event.RunInfo{Plan: "other", Only: "device=gw-9"}},
		{Kind: "summary", Run: "01JDRUN2", Summary: &event.Summary{Owed: []string{"gw-9"}}},
	}
	fra := access.Principal{Name: "f", Key: "f", Role: access.Admin, Labels: map[string]string{"site": "fra"}} // a part of night
	ber := access.Principal{Name: "b", Key: "b", Role: access.Admin, Labels: map[string]string{"site": "ber"}} // all of other, as it is now
	for target, c := range map[string]struct {
		who    access.Principal
		status int
	}{
		"/runs/01JDRUN3": {fra, 200}, "/runs/01JDRUN3/request": {fra, 200}, "/runs/01JDRUN3/timeline": {fra, 200}, "/schedules": {fra, 200}, "/plans": {fra, 200}, "/plans/night": {fra, 200},
		"/plans/night/preview": {fra, 200}, "/plans/night/coverage": {fra, 422},
		"/runs/01JDRUN2": {ber, 200}, "/runs/01JDRUN2/tasks": {ber, 200}, "/runs/01JDRUN2/logs": {ber, 200}, "/evidence/2": {ber, 404}, "/events": {ber, 200},
	} {
		w := ask(t, h.api(t), &c.who, http.MethodGet, Base+target, "")
		if body := w.Body.String(); w.Code != c.status || strings.Contains(body, "gw-9") || strings.Contains(body, "is slow") {
			t.Errorf("%s %s: %d\n%s", c.who.Name, target, w.Code, body)
		}
		all := ask(t, h.api(t), &admin, http.MethodGet, Base+target, "")
		if body := all.Body.String(); !strings.Contains(body, "gw-9") && !strings.Contains(body, "is slow") {
			t.Errorf("who sees all is not told at %s: %s", target, body)
		}
	}
}

// TestACursorNamesNothingThatIsHidden: it holds where a list goes on in plain sight.
func TestACursorNamesNothingThatIsHidden(t *testing.T) {
	t.Parallel()
	d := newDesk()
	for i := range looked + 5 {
		d.tasks["01JDRUN3"] = append(d.tasks["01JDRUN3"], report.Task{Task: fmt.Sprintf("all/secret-%d", i), Device: "gw-2"})
	}
	fra := access.Principal{Name: "f", Key: "f", Role: access.Viewer, Labels: map[string]string{"site": "fra"}}
	got := read[List[report.Task]](t, ask(t, d.api(t), &fra, http.MethodGet, Base+"/runs/01JDRUN3/tasks", ""), http.StatusOK)
	if text, err := base64.RawURLEncoding.DecodeString(got.Next); err != nil || strings.Contains(string(text), "secret") || len(got.Items) != 1 {
		t.Errorf("%v %s: %+v", err, text, got.Items)
	}
}

// changing is a desk whose plan gives a device to another site while it is followed.
type changing struct {
	*desk
	moved bool
}

func (c *changing) Plans(ctx context.Context) ([]report.ServedPlan, error) {
	all, err := c.desk.Plans(ctx)
	if c.moved {
		all[0].Devices["gw-1"] = map[string]string{"site": "ber"}
	}
	return all, err
}

func (c *changing) Events(context.Context, runner.EventsRequest) iter.Seq2[report.LiveEvent, error] {
	return func(yield func(report.LiveEvent, error) bool) {
		status := func(seq int64, run string) report.LiveEvent {
			return report.LiveEvent{Seq: seq, Kind: "status", Run: run, Status: &event.Status{Run: run, Task: "all/gw-1", Device: "gw-1", Code: "SUCCESS"}}
		}
		for i, e := range []report.LiveEvent{status(7, "01JDRUN3"), {Seq: 8, Kind: "run", Run: "01JDNEXT", Begun: &event.RunInfo{Plan: "night"}}, status(9, "01JDNEXT")} {
			if c.moved = i > 0; !yield(e, nil) {
				return
			}
		}
	}
}

// TestAStreamDoesNotOutliveALabel: the next run is told by what counts then.
func TestAStreamDoesNotOutliveALabel(t *testing.T) {
	t.Parallel()
	c := &changing{desk: newDesk()}
	fra := access.Principal{Name: "f", Key: "f", Role: access.Viewer, Labels: map[string]string{"site": "fra"}}
	text := ask(t, need.Value(New(Options{Reads: c, Desk: c}))(t), &fra, http.MethodGet, Base+"/events", "").Body.String()
	if !strings.Contains(text, "id: 7\n") || strings.Contains(text, "id: 9\n") {
		t.Errorf("after the label has changed:\n%s", text)
	}
}
