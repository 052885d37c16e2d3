package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/testfixtures/need"
)

// desk is a server with two plans: night backs up gw-1 (site fra) and gw-2 (site
// ber), other backs up gw-3 (site ber).
type desk struct {
	runs      []report.Run
	tasks     map[string][]report.Task
	logs      []event.Log
	sets      []report.Backup
	owed      report.Pending
	records   []report.EvidenceRecord
	firings   report.Firings
	started   []runner.StartRequest
	cancelled []runner.CancelRequest
	did       []string
	followed  []runner.EventsRequest
	events    []report.LiveEvent
	waits     []report.Approval
	waiting   error // what mutations answer with
	fail      error // what every use case answers with
}

var began = time.Date(2026, 11, 28, 2, 30, 0, 0, time.UTC)

func newDesk() *desk {
	d := &desk{tasks: map[string][]report.Task{}}
	for i, plan := range []string{"night", "other", "night"} {
		id := fmt.Sprintf("01JDRUN%d", 3-i)
		d.runs = append(d.runs, report.Run{ID: id, Plan: plan, Started: began, Tasks: 2})
		for _, device := range map[string][]string{"night": {"gw-1", "gw-2"}, "other": {"gw-3"}}[plan] {
			d.tasks[id] = append(d.tasks[id], report.Task{Run: id, Task: "all/" + device, Activity: "all", Device: device, Code: "SUCCESS", Final: true})
			d.sets = append(d.sets, report.Backup{Set: fmt.Sprintf("01JDSET%d%s", 3-i, device[3:]), Plan: plan, Run: id, Device: device, Captured: began})
			d.owed.Owed = append(d.owed.Owed, report.Owed{Run: id, Task: "all/" + device, Plan: plan, Kind: "unquiesce", Device: device, Since: began})
		}
		d.records = append(d.records, report.EvidenceRecord{Sequence: int64(3 - i), Plan: plan, Run: id, Kind: "apply", Written: began})
		d.firings.Due = append(d.firings.Due, report.Firing{Plan: plan, Due: began, Decided: began, Verdict: "run"})
	}
	slices.SortFunc(d.sets, func(a, b report.Backup) int { return strings.Compare(b.Set, a.Set) })
	d.owed.ExitCode = runner.ExitOwed
	d.owed.Stops = []report.Stop{{Since: began, Reason: "change freeze", By: "anna@host"}, {Device: "gw-2", Since: began}}
	for _, of := range []string{"", "all/gw-1", "all/gw-2"} {
		for n := range 3 {
			d.logs = append(d.logs, event.Log{Run: "01JDRUN3", Task: of, Time: began, Stream: "stdout", Text: fmt.Sprintf("line %d of %q\x1b[2J", n+1, of)})
		}
	}
	d.firings.Server = &report.Server{Host: "h", Plans: "/etc/dprun/plans", Started: began, Beat: began, Broken: []report.BrokenPlan{{Path: "/etc/dprun/plans/b.hcl", Why: "syntax"}}}
	return d
}

func items[T any](all []T, err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, x := range all {
			if !yield(x, nil) {
				return
			}
		}
		if err != nil {
			var none T
			yield(none, err)
		}
	}
}

func (d *desk) Runs(_ context.Context, q runner.RunsRequest) iter.Seq2[report.Run, error] {
	var out []report.Run
	for _, r := range d.runs {
		if (q.Plan == "" || r.Plan == q.Plan) && (q.After == "" || r.ID < q.After) {
			out = append(out, r)
		}
	}
	return items(out, d.fail)
}

func (d *desk) Run(_ context.Context, ref string) (report.RunDetail, error) {
	for _, r := range d.runs {
		if r.ID == ref {
			return report.RunDetail{Run: r, Details: items(d.tasks[ref], nil), Stops: []report.Stop{{Device: "gw-1", Since: began}, {Device: "gw-2", Since: began}},
				Staged: []report.Staged{{Run: ref, Task: "all/gw-1", Path: "p"}, {Run: ref, Task: "all/gw-2", Path: "q"}}}, d.fail
		}
	}
	return report.RunDetail{}, &runner.Error{ExitCode: runner.ExitUsage, Err: fmt.Errorf("there is no run %s", ref)}
}

func (d *desk) Logs(_ context.Context, q runner.LogsRequest) iter.Seq2[event.Log, error] {
	var out []event.Log
	for _, l := range d.logs {
		if l.Run == q.Run && (q.Task == "" || q.Task == l.Task) {
			out = append(out, l)
		}
	}
	return items(out, d.fail)
}

func (d *desk) Backups(_ context.Context, q runner.BackupsRequest) iter.Seq2[report.Backup, error] {
	var out []report.Backup
	for _, b := range d.sets {
		if (q.Device == "" || q.Device == b.Device) && (q.Plan == "" || q.Plan == b.Plan) && (q.After == "" || b.Set < q.After) {
			out = append(out, b)
		}
	}
	return items(out, d.fail)
}

func (d *desk) Backup(_ context.Context, ref string) (report.BackupDetail, error) {
	for _, b := range d.sets {
		if b.Set == ref {
			return report.BackupDetail{Backup: b, Facts: json.RawMessage(`{"firmware":"10.6"}`)}, d.fail
		}
	}
	return report.BackupDetail{}, &runner.Error{ExitCode: runner.ExitUsage, Err: fmt.Errorf("there is no set %s", ref)}
}

func (d *desk) Owed(context.Context) report.Pending { return d.owed }

func (d *desk) Firings(context.Context, int) (report.Firings, error) { return d.firings, d.fail }

func (d *desk) Evidence() iter.Seq2[report.EvidenceRecord, error] { return items(d.records, d.fail) }

func (d *desk) EvidenceRecord(ref string) (report.EvidenceDetail, error) {
	for _, r := range d.records {
		if fmt.Sprint(r.Sequence) == ref {
			out := report.EvidenceDetail{Digest: "d"}
			out.Plan, out.Sequence = r.Plan, r.Sequence
			return out, d.fail
		}
	}
	return report.EvidenceDetail{}, &runner.Error{ExitCode: runner.ExitUsage, Err: fmt.Errorf("there is no record %s", ref)}
}

func (d *desk) Plans(context.Context) ([]report.ServedPlan, error) {
	return []report.ServedPlan{{Plan: "night", File: "/plans/night.hcl", Devices: map[string]map[string]string{"gw-1": {"site": "fra"}, "gw-2": {"site": "ber"}}},
		{Plan: "other", File: "/plans/other.hcl", Devices: map[string]map[string]string{"gw-3": {"site": "ber"}}},
		{File: "/plans/broken.hcl", Broken: &report.BrokenPlan{Path: "/plans/broken.hcl", Why: "syntax"}}}, d.fail
}

func (d *desk) OverviewFor(_ context.Context, sees func(plan, device string) bool) report.Overview {
	o := report.Overview{At: began, State: report.OverviewGood}
	for _, r := range d.owed.Owed {
		if sees == nil || sees(r.Plan, r.Device) {
			o.Down.Owed = append(o.Down.Owed, report.OverviewOwed{Owed: r})
		}
	}
	return o
}

func (d *desk) Nights(context.Context, runner.NightsRequest) (report.Nights, error) {
	return report.Nights{Zone: "UTC", Nights: []time.Time{began}, Plans: []report.NightsPlan{{Plan: "night", Cells: []report.Night{{State: report.NightGood}}}, {Plan: "other"}}}, d.fail
}

func (d *desk) Outcomes(_ context.Context, q runner.OutcomesRequest) (report.Outcomes, error) {
	out := report.Outcomes{Next: map[bool]string{true: "01JDRUN2"}[q.After == ""]}
	for id, tasks := range d.tasks {
		for _, x := range tasks {
			if x.Device == q.Device && (id == "01JDRUN3") == (q.After == "") {
				out.Items = append(out.Items, report.TaskOutcome{Run: id, Plan: map[bool]string{true: "other", false: "night"}[x.Device == "gw-3"], Device: x.Device})
			}
		}
	}
	return out, d.fail
}

func (d *desk) Timeline(_ context.Context, q runner.TimelineRequest) (report.Timeline, error) {
	t := report.Timeline{Run: report.Run{ID: q.Run}, Steps: []report.Step{{Code: "PLAN_STARTED", Message: "gw-2 is slow"}}}
	for _, device := range []string{"gw-1", "gw-2"} {
		if q.Sees == nil || q.Sees("night", device) {
			t.Tasks, t.Out = append(t.Tasks, report.TimelineTask{Task: "all/" + device, Device: device}), append(t.Out, report.OutOfService{Device: device, Begin: began})
		}
	}
	return t, d.fail
}

func (d *desk) Events(_ context.Context, q runner.EventsRequest) iter.Seq2[report.LiveEvent, error] {
	d.followed = append(d.followed, q)
	return items(d.events, d.fail)
}

func (d *desk) Source(string) (runner.Source, error) { return runner.Source{}, d.fail }

func (d *desk) Start(_ context.Context, q runner.StartRequest) (report.Started, error) {
	d.started = append(d.started, q)
	return report.Started{Run: "01JDNEW", Plan: q.Plan, File: q.File, By: q.By, At: began}, cmp.Or(d.fail, d.waiting)
}

func (d *desk) Started(_ context.Context, run string) (report.Started, error) {
	if run != "01JDNEW" && run != "01JDRUN3" {
		return report.Started{}, &runner.Error{ExitCode: runner.ExitUsage, Err: report.NotServed}
	}
	return report.Started{Run: run, Plan: "night", At: began}, d.fail
}

func (d *desk) Cancel(_ context.Context, q runner.CancelRequest) error {
	d.cancelled = append(d.cancelled, q)
	return cmp.Or(d.fail, d.waiting)
}

func (d *desk) BringBack(_ context.Context, by string) (*report.Result, error) {
	d.did = append(d.did, "recover by "+by)
	return &report.Result{}, d.fail
}

func (d *desk) Hold(_ context.Context, q runner.HoldRequest) (report.Hold, error) {
	d.did = append(d.did, fmt.Sprintf("hold %v by %s: %s %s", !q.Release, q.By, q.Reason, q.Change))
	return report.Hold{Stops: []report.Stop{{Since: began, By: q.By}}}, cmp.Or(d.fail, d.waiting)
}

func (d *desk) Pause(_ context.Context, q runner.PauseRequest) (*report.Pause, error) {
	d.did = append(d.did, fmt.Sprintf("pause %v by %s: %s %s", !q.Release, q.By, q.Reason, q.Change))
	if q.Release {
		return nil, d.fail
	}
	return &report.Pause{Since: began, By: q.By, Reason: q.Reason, Change: q.Change}, d.fail
}

func (d *desk) Approvals(context.Context) ([]report.Approval, error) { return d.waits, d.fail }

func (d *desk) Decide(_ context.Context, q runner.DecideRequest) (report.Approval, error) {
	d.did = append(d.did, fmt.Sprintf("decide %v %s by %s: %s", q.Approve, q.ID, q.Who, q.Reason))
	a := report.Approval{Run: "01JDNEW", State: "approved"}
	for _, x := range d.waits {
		if a.ID = q.ID; x.ID == q.ID {
			a.Plans = x.Plans
		}
	}
	return a, cmp.Or(d.fail, d.waiting)
}

func (d *desk) Acknowledge(_ context.Context, q runner.AcknowledgeRequest) (report.Acknowledged, error) {
	d.did = append(d.did, fmt.Sprintf("acknowledge %s by %s: %s %s", q.Target, q.By, q.Reason, q.Change))
	return report.Acknowledged{Device: q.Target, Obligations: 1}, cmp.Or(d.fail, d.waiting)
}

func (d *desk) Coverage(_ context.Context, q runner.CoverageRequest) (*report.Coverage, *report.Result, error) {
	c := &report.Coverage{Plan: q.Plan, At: began, Subjects: []report.CoverageSubject{{Device: "gw-1", State: report.CoverageFresh}, {Device: "gw-2", State: report.CoverageNone}}}
	c.Count()
	return c, &report.Result{}, d.fail
}

func (d *desk) Preview(_ context.Context, q runner.PreviewRequest) (*report.Preview, *report.Result, error) {
	if q.Only != "" {
		return nil, &report.Result{Diagnostics: diag.List{{Severity: diag.Error, Code: diag.FunctionCall, Summary: "Function call", Detail: "It is wrong."}}}, nil
	}
	return &report.Preview{Plan: q.Plan, Tasks: []report.PreviewTask{{Task: "all/gw-1", Device: "gw-1"}, {Task: "all/gw-2", Device: "gw-2"}}}, &report.Result{}, d.fail
}

func (d *desk) Close() error { return nil }

func (d *desk) api(t testing.TB) http.Handler {
	return need.Value(New(Options{Reads: d, Desk: d, Open: func() (Fresh, error) { return d, nil },
		Check: func(_ context.Context, text string) (report.Posted, error) {
			return report.Posted{Validation: report.Validation{Valid: text == "good"}}, d.fail
		}}))(t)
}

var admin = access.Principal{Name: "token all", Key: "token all", Role: access.Admin}

// described is somebody else's reading of the description, made once.
var described = sync.OnceValues(func() (validator.Validator, error) {
	text, _, err := Describe()
	if err != nil {
		return nil, err
	}
	doc, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		return nil, errs[0]
	}
	if ok, errs := v.ValidateDocument(); !ok {
		return nil, fmt.Errorf("the description is no OpenAPI: %v", errs[0])
	}
	return v, nil
})

// ask makes a request as somebody, and holds the reply against the description.
func ask(t testing.TB, h http.Handler, who *access.Principal, method, target, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if who != nil {
		r = r.WithContext(access.With(r.Context(), *who))
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	conforms(t, r, w)
	return w
}

// conforms holds a reply against the description.
func conforms(t testing.TB, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code == http.StatusNotModified || w.Code == http.StatusMethodNotAllowed || strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream") {
		return
	}
	reply := w.Result()
	text := w.Body.Bytes()
	reply.Body = io.NopCloser(bytes.NewReader(text))
	ok, errs := need.Value(described())(t).ValidateHttpResponse(r, reply)
	if !ok && !strings.Contains(errs[0].Message, "Path '") { // of what is not there, the description says nothing
		t.Errorf("%s %s: the reply %d is not as described: %s: %s %+v\n%s", r.Method, r.URL, w.Code, errs[0].Message, errs[0].Reason, errs[0].SchemaValidationErrors, text)
	}
	if w.Code >= 400 && w.Header().Get("Content-Type") != problemType {
		t.Errorf("%s %s: the error %d has the type %s", r.Method, r.URL, w.Code, w.Header().Get("Content-Type"))
	}
}

// read decodes a reply, which must have the status.
func read[T any](t testing.TB, w *httptest.ResponseRecorder, status int) T {
	t.Helper()
	var v T
	if w.Code != status {
		t.Fatalf("status %d, want %d: %s", w.Code, status, w.Body)
	}
	need.Done(t, json.Unmarshal(w.Body.Bytes(), &v))
	return v
}

// sample is a target for a route, with things that are there.
func sample(r Route) string {
	return strings.NewReplacer("{run}", "01JDRUN3", "{set}", "01JDSET31", "{record}", "3", "{plan}", "night", "{device}", "gw-1", "{target}", "gw-1", "{reference}", "night").Replace(r.Path)
}

func TestARouteWithoutARoleDoesNotStart(t *testing.T) {
	t.Parallel()
	a := assemble(Options{})
	get(a, access.Role(""), quick(), "/open", "open", "Open", func(context.Context, sees, *struct{}) (report.Run, error) { return report.Run{}, nil })
	if len(a.wrong) != 1 || !strings.Contains(a.wrong[0].Error(), "/open has no role") {
		t.Errorf("without a role: %v", a.wrong)
	}
}

func TestEveryRouteAnswersOnlyToWhomItsRoleAllows(t *testing.T) {
	t.Parallel()
	_, routes, err := Describe()
	need.Done(t, err)
	if len(routes) < 10 {
		t.Fatalf("only %d routes", len(routes))
	}
	for _, r := range routes {
		t.Run(r.Method+" "+r.Path, func(t *testing.T) {
			t.Parallel()
			h := newDesk().api(t)
			if w := ask(t, h, nil, r.Method, sample(r), ""); w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("without saying who: %d", w.Code)
			}
			for _, role := range append([]access.Role{"", "root"}, access.Roles()...) {
				who := access.Principal{Name: "x", Key: "x", Role: role}
				w := ask(t, h, &who, r.Method, sample(r), "")
				refused := w.Code == http.StatusForbidden || w.Code == http.StatusUnauthorized
				if allowed := slices.Index(access.Roles(), role) >= slices.Index(access.Roles(), r.Least); allowed == refused {
					t.Errorf("role %q, which needs %s: %d %s", role, r.Least, w.Code, w.Body)
				}
				if w.Code == http.StatusInternalServerError {
					t.Errorf("role %q: %s", role, w.Body)
				}
			}
		})
	}
}

func TestWhoIsLimitedSeesWhatIsHis(t *testing.T) {
	t.Parallel()
	h := newDesk().api(t)
	night := access.Principal{Name: "n", Key: "n", Role: access.Admin, Plans: []string{"ni*"}}
	fra := access.Principal{Name: "f", Key: "f", Role: access.Admin, Labels: map[string]string{"site": "fra"}}
	for _, c := range []struct {
		who    access.Principal
		target string
		has    []string
		lacks  []string
	}{
		{night, "/runs", []string{"night"}, []string{"other"}},
		{fra, "/runs", []string{"night"}, []string{"other"}},
		{night, "/runs/01JDRUN3/tasks", []string{"gw-1", "gw-2"}, nil},
		{fra, "/runs/01JDRUN3/tasks", []string{"gw-1"}, []string{"gw-2"}},
		{fra, "/runs/01JDRUN3", []string{"01JDRUN3", "gw-1"}, []string{"gw-2"}},
		{fra, "/runs/01JDRUN3/logs", []string{"all/gw-1"}, []string{"gw-2", `\"\"`}},
		{night, "/backups", []string{"gw-1"}, []string{"gw-3"}},
		{fra, "/backups", []string{"gw-1"}, []string{"gw-2", "gw-3"}},
		{night, "/pending", []string{"gw-1", "change freeze"}, []string{"gw-3"}},
		{fra, "/pending", []string{"gw-1", "change freeze", `"hidden_stops":1`}, []string{"gw-2", "gw-3"}},
		{fra, "/hold", []string{"change freeze", `"hidden_stops":1`}, []string{"gw-2"}},
		{admin, "/hold", []string{"change freeze", "gw-2"}, []string{"hidden"}},
		{night, "/overview", []string{"gw-1"}, []string{"gw-3"}},
		{fra, "/overview", []string{"gw-1"}, []string{"gw-2", "gw-3"}},
		{night, "/nights", []string{"night"}, []string{"other"}},
		{fra, "/runs/01JDRUN3/timeline", []string{"gw-1"}, []string{"gw-2"}},
		{night, "/devices/gw-1/history", []string{"gw-1"}, nil},
		{night, "/devices/gw-3/history", nil, []string{"gw-3"}},
		{fra, "/devices/gw-2/history", nil, []string{"gw-2"}},
		{night, "/schedules", []string{"night"}, []string{"other", "/etc/dprun"}},
		{night, "/evidence", []string{"night"}, []string{"other"}},
		{fra, "/evidence", nil, []string{"night", "other"}},
	} {
		w := ask(t, h, &c.who, http.MethodGet, Base+c.target, "")
		if w.Code != http.StatusOK {
			t.Errorf("%s %s: %d %s", c.who.Name, c.target, w.Code, w.Body)
		}
		for _, x := range c.has {
			if !strings.Contains(w.Body.String(), x) {
				t.Errorf("%s %s lacks %s: %s", c.who.Name, c.target, x, w.Body)
			}
		}
		for _, x := range c.lacks {
			if strings.Contains(w.Body.String(), x) {
				t.Errorf("%s %s has %s: %s", c.who.Name, c.target, x, w.Body)
			}
		}
	}
	for _, c := range []struct {
		who    access.Principal
		target string
	}{{night, "/runs/01JDRUN2"}, {night, "/runs/01JDRUN2/tasks"}, {night, "/runs/01JDRUN2/logs"}, {night, "/backups/01JDSET23"}, {night, "/evidence/2"},
		{fra, "/runs/01JDRUN2"}, {fra, "/runs/01JDRUN3/logs?task=all/gw-2"}, {fra, "/backups/01JDSET32"}, {fra, "/evidence/3"}} {
		hidden := read[Problem](t, ask(t, h, &c.who, http.MethodGet, Base+c.target, ""), http.StatusNotFound)
		if strings.Contains(hidden.Detail, "gw-") && !strings.Contains(c.target, "gw-") {
			t.Errorf("%s %s tells: %s", c.who.Name, c.target, hidden.Detail)
		}
	}
}

func TestPagesGiveEveryThingOnceWhileNewOnesCome(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		target string
		want   int
	}{{"/runs", 3}, {"/runs?plan=night", 2}, {"/backups", 5}, {"/backups?latest=true", 5}, {"/runs/01JDRUN3/tasks", 2}, {"/runs/01JDRUN3/logs", 9},
		{"/runs/01JDRUN3/logs?task=all/gw-1", 3}, {"/evidence", 3}, {"/devices/gw-1/history", 2}} {
		d := newDesk()
		h := d.api(t)
		seen, next := map[string]bool{}, ""
		for page := range 20 {
			sep := "?"
			if strings.Contains(c.target, "?") {
				sep = "&"
			}
			got := read[List[json.RawMessage]](t, ask(t, h, &admin, http.MethodGet, Base+c.target+sep+"limit=1"+next, ""), http.StatusOK)
			for _, x := range got.Items {
				if seen[string(x)] {
					t.Errorf("%s: twice: %s", c.target, x)
				}
				seen[string(x)] = true
			}
			if got.Next == "" {
				break
			}
			if next = "&cursor=" + got.Next; page == 0 {
				d.runs = slices.Insert(d.runs, 0, report.Run{ID: "01JDRUN9", Plan: "night"})
				d.sets = slices.Insert(d.sets, 0, report.Backup{Set: "01JDSET9", Plan: "night"})
				d.records = slices.Insert(d.records, 0, report.EvidenceRecord{Sequence: 9})
			}
		}
		if len(seen) != c.want {
			t.Errorf("%s: %d things, want %d", c.target, len(seen), c.want)
		}
	}
}

func TestACursorOfAnotherListIsRefused(t *testing.T) {
	t.Parallel()
	h := newDesk().api(t)
	got := read[List[report.Run]](t, ask(t, h, &admin, http.MethodGet, Base+"/runs?limit=1", ""), http.StatusOK)
	for _, target := range []string{"/backups?cursor=" + got.Next, "/runs?plan=night&cursor=" + got.Next, "/runs?cursor=x", "/runs?limit=501", "/runs?limit=0", "/runs?unknown=1"} {
		p := read[Problem](t, ask(t, h, &admin, http.MethodGet, Base+target, ""), http.StatusUnprocessableEntity)
		if p.ExitCode != runner.ExitUsage || p.Action == "" {
			t.Errorf("%s: %+v", target, p)
		}
	}
}

func TestWhatATerminalObeysIsEscapedAndNoListIsNull(t *testing.T) {
	t.Parallel()
	h := newDesk().api(t)
	logs := ask(t, h, &admin, http.MethodGet, Base+"/runs/01JDRUN3/logs", "").Body.String()
	if strings.Contains(logs, "\x1b") || !strings.Contains(logs, `\u001b[2J`) {
		t.Errorf("the escape of a terminal: %s", logs)
	}
	for _, target := range []string{"/runs/01JDRUN3", "/runs/01JDRUN3/tasks", "/backups", "/backups/01JDSET31", "/pending"} {
		if text := ask(t, h, &admin, http.MethodGet, Base+target, "").Body.String(); strings.Contains(text, "null") {
			t.Errorf("%s: %s", target, text)
		}
	}
}

func TestAReplyThatTheCallerHasIsNotSentAgain(t *testing.T) {
	t.Parallel()
	d := newDesk()
	h := d.api(t)
	first := ask(t, h, &admin, http.MethodGet, Base+"/runs", "")
	again := ask(t, h, &admin, http.MethodGet, Base+"/runs", "", "If-None-Match", first.Header().Get("ETag"))
	if again.Code != http.StatusNotModified || again.Body.Len() > 0 {
		t.Errorf("%d %s", again.Code, again.Body)
	}
	d.runs = d.runs[1:]
	if changed := ask(t, h, &admin, http.MethodGet, Base+"/runs", "", "If-None-Match", first.Header().Get("ETag")); changed.Code != http.StatusOK {
		t.Errorf("after a change: %d", changed.Code)
	}
}

func TestAnErrorTellsItsExitCodeAndAnInternalOneOnlyWhereToLook(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		exit   int
		says   string
	}{
		{&runner.Error{ExitCode: runner.ExitRunning, Err: fmt.Errorf("plan night is already running")}, 409, runner.ExitRunning, "already running"},
		{&runner.Error{ExitCode: runner.ExitBug, Err: fmt.Errorf("the journal is damaged")}, 500, runner.ExitBug, "journal is damaged"},
		{fmt.Errorf("password=hunter2"), 500, runner.ExitBug, "Something went wrong"},
		{context.DeadlineExceeded, 503, 1, "too long"},
	} {
		d := newDesk()
		d.fail = c.err
		p := read[Problem](t, ask(t, d.api(t), &admin, http.MethodGet, Base+"/runs/01JDRUN3", ""), c.status)
		if p.ExitCode != c.exit || !strings.Contains(p.Detail, c.says) || p.Action == "" || (p.ID == "") != (c.status != 500) {
			t.Errorf("%v: %+v", c.err, p)
		}
	}
}

func TestAPathThatIsNotThereSaysSoAndAMethodWhichOnesAre(t *testing.T) {
	t.Parallel()
	h := newDesk().api(t)
	read[Problem](t, ask(t, h, &admin, http.MethodGet, Base+"/nothing", ""), http.StatusNotFound)
	if w := ask(t, h, &admin, http.MethodPut, Base+"/runs", ""); w.Code != http.StatusMethodNotAllowed || !strings.Contains(w.Header().Get("Allow"), "GET") {
		t.Errorf("another method: %d %v", w.Code, w.Header())
	}
}
