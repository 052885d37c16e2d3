package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
)

// seen is a view that notes what it was shown.
type seen struct{ lines []string }

func (s *seen) Run(i event.RunInfo) { s.lines = append(s.lines, "run "+i.Run) }
func (s *seen) Status(st event.Status) {
	s.lines = append(s.lines, fmt.Sprintf("%s %d %s", st.Task, st.Seq, st.Code))
}
func (s *seen) Progress(p event.Progress) {
	s.lines = append(s.lines, fmt.Sprintf("progress %d", p.Bytes))
}
func (s *seen) Log(l event.Log) { s.lines = append(s.lines, "log "+l.Text) }
func (s *seen) Summary(e event.Summary) {
	line := fmt.Sprintf("summary %s %d of %d", e.Code, e.Succeeded, len(e.Tasks))
	if e.Evidence != nil {
		line += fmt.Sprintf(", record %d", e.Evidence.Sequence)
	}
	s.lines = append(s.lines, line)
}
func (s *seen) Settled(e event.Settled) { s.lines = append(s.lines, "settled "+e.Device) }

// fake is a server that runs one plan: what its stream gives each time it is
// asked, and whether the run is over.
type fake struct {
	mu      sync.Mutex
	streams [][]report.LiveEvent // one for each connection; the last one is held open
	starts  int                  // how many requests to start are cut before one is answered
	ended   report.Started       // what the request says

	keys, after []string
	cancelled   int
	waits       string // the ID of the request, where a second person has to approve it
	refuses     int    // with which status it refuses to cancel; 0: it does not
}

func (f *fake) status(task string, seq int, code string) report.LiveEvent {
	return report.LiveEvent{Seq: int64(10*seq + 1), Kind: "status", Run: "R1", Status: &event.Status{Run: "R1", Task: task, Seq: seq, Code: code, Final: code == "SUCCESS", Time: time.Unix(int64(seq), 0)}}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	locked := true
	defer func() {
		if locked {
			f.mu.Unlock()
		}
	}()
	reply := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch r.Method + " " + strings.TrimPrefix(r.URL.Path, base) {
	case "GET /plans":
		reply(map[string]any{"items": []report.ServedPlan{{Plan: "nightly", File: "/p.hcl", Quiesces: []string{"secure"}}}})
	case "GET /plans/nightly/preview":
		tasks := []report.PreviewTask{{Activity: "export", Device: "gw2"}}
		if r.FormValue("only") == "" {
			tasks = append(tasks, report.PreviewTask{Activity: "secure", Device: "gw1"})
		}
		reply(report.Preview{Tasks: tasks})
	case "POST /runs":
		f.keys = append(f.keys, r.Header.Get("Idempotency-Key"))
		if f.starts--; f.starts >= 0 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusAccepted)
		if f.waits != "" {
			reply(report.Approval{ID: f.waits, Action: report.ActionStart, Plan: "nightly", By: "anna", State: report.ApprovalWaits, Until: time.Unix(1800, 0).UTC()})
			return
		}
		reply(report.Started{Run: "R1", Plan: "nightly"})
	case "POST /runs/R1/cancel":
		f.cancelled++
		if f.refuses != 0 {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(f.refuses)
			reply(problem{Detail: "no", ExitCode: 1})
			return
		}
		w.WriteHeader(http.StatusAccepted)
		if f.waits != "" {
			reply(map[string]any{"waits": report.Approval{ID: f.waits, Action: report.ActionCancel, Run: "R1", State: report.ApprovalWaits}})
		}
	case "GET /runs/R1/request":
		reply(f.ended)
	case "GET /runs/R1":
		exit := 3
		reply(map[string]any{"run": "R1", "plan": "nightly", "code": "PLAN_PARTLY_FAILED", "final": !f.ended.Ended.IsZero(), "exit_code": exit, "succeeded": 1, "history": []event.Status{*f.status("", 1, "PLAN_STARTED").Status}})
	case "GET /runs/R1/tasks":
		var history []event.Status
		for i, code := range []string{"EXECUTION_STARTED", "EXECUTION_STORE_STARTED", "SUCCESS"} {
			history = append(history, *f.status("t", i+1, code).Status)
		}
		reply(page[report.Task]{Items: []report.Task{{Run: "R1", Task: "t", Code: "SUCCESS", Final: true, History: history}}})
	case "GET /evidence/R1":
		reply(event.Evidence{Sequence: 4})
	case "GET /pending":
		reply(report.Pending{Owed: []report.Owed{{Device: "gw1"}}})
	case "GET /events", "GET /runs/R1/events":
		f.after = append(f.after, r.Header.Get("Last-Event-ID"))
		if len(f.streams) == 0 {
			http.NotFound(w, r)
			return
		}
		events := f.streams[0]
		last := len(f.streams) == 1
		if !last {
			f.streams = f.streams[1:]
		}
		locked = false
		f.mu.Unlock()
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, ": hello\n\n")
		for _, e := range events {
			text, _ := json.Marshal(e)
			fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", e.Seq, e.Kind, text)
			w.(http.Flusher).Flush()
		}
		if last {
			<-r.Context().Done()
		}
	default:
		http.NotFound(w, r)
	}
}

// apply runs the plan of a fake server. told gets what a person is told.
func apply(t *testing.T, f *fake, q ApplyRequest) (*report.Result, *seen, []string, error) {
	t.Helper()
	client := to(t, f.ServeHTTP)
	s := &seen{}
	var told []string
	q.Name, q.Sink, q.Say = "nightly", s, func(text string) { told = append(told, text) }
	if q.Asked == nil {
		q.Asked = t.Context()
	}
	res, err := client.Apply(t.Context(), q)
	return res, s, told, err
}

func done(exit int) []report.LiveEvent {
	return []report.LiveEvent{{Seq: 90, Kind: "end", Run: "R1", End: &report.RunEnd{ExitCode: exit}}, {Kind: "summary", Run: "R1", Summary: &event.Summary{Code: "FROM_EVENT", Succeeded: 1, Tasks: make([]event.TaskResult, 1)}},
		{Kind: "result", Run: "R1", Result: &report.Result{ExitCode: exit}}}
}

func began() report.LiveEvent {
	return report.LiveEvent{Seq: 5, Kind: "run", Run: "R1", Begun: &event.RunInfo{Run: "R1"}}
}

// A run is shown as it happens; a connection that is cut goes on after the last
// event, and what comes twice is shown once.
func TestARunIsFollowedOverDisconnects(t *testing.T) {
	t.Parallel()
	f := &fake{starts: 1}
	f.streams = [][]report.LiveEvent{
		{began(), f.status("t", 1, "EXECUTION_STARTED"), {Kind: "progress", Run: "R1", Progress: &event.Progress{Run: "R1", Bytes: 7}}},
		append([]report.LiveEvent{began(), f.status("t", 1, "EXECUTION_STARTED"), f.status("t", 2, "EXECUTION_STORE_STARTED"), {Kind: "log", Run: "R1", Log: &event.Log{Text: "x"}}, f.status("t", 3, "SUCCESS")}, done(0)...),
	}
	res, s, _, err := apply(t, f, ApplyRequest{Only: []string{"device=gw2"}, Confirm: func(d report.Disruption) error { t.Errorf("asked about %+v", d); return nil }})
	if err != nil || res.ExitCode != 0 {
		t.Fatalf("%+v, %v", res, err)
	}
	want := []string{"run R1", "t 1 EXECUTION_STARTED", "progress 7", "t 2 EXECUTION_STORE_STARTED", "log x", "t 3 SUCCESS", " 1 PLAN_STARTED", "summary FROM_EVENT 1 of 1"}
	if d := cmp.Diff(want, s.lines); d != "" {
		t.Error(d)
	}
	if len(f.keys) != 2 || f.keys[0] != f.keys[1] || len(f.keys[0]) < 20 {
		t.Errorf("the start was asked with the keys %q", f.keys)
	}
	if d := cmp.Diff([]string{"", "11"}, f.after); d != "" {
		t.Error(d)
	}
}

func TestAStartThatWaitsForASecondPersonSaysSo(t *testing.T) {
	t.Parallel()
	res, s, _, err := apply(t, &fake{waits: "01WAITS"}, ApplyRequest{})
	if res != nil || len(s.lines) != 0 || runner.CodeOf(err) != runner.ExitWaits {
		t.Fatalf("%+v, %q, %v", res, s.lines, err)
	}
	for _, want := range []string{"nothing is done yet", "request 01WAITS until 1970-01-01T00:30:00Z", "start plan nightly"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("without %q: %v", want, err)
		}
	}
}

// Where events are missing, or there are none, the journal has what was; the exit
// code is the run's, and what is owed is told.
func TestARunWhoseEventsAreLostIsLookedAt(t *testing.T) {
	t.Parallel()
	all := []string{"run R1", " 1 PLAN_STARTED", "t 1 EXECUTION_STARTED", "t 2 EXECUTION_STORE_STARTED", "t 3 SUCCESS", "summary PLAN_PARTLY_FAILED 1 of 1, record 4"}
	end := report.LiveEvent{Seq: 90, Kind: "end", Run: "R1", End: &report.RunEnd{ExitCode: 3}}
	gap := &fake{ended: report.Started{Run: "R1", Ended: time.Unix(9, 0), ExitCode: 16}}
	gap.streams = [][]report.LiveEvent{{{Kind: "gap"}, gap.status("t", 3, "SUCCESS"), end}}
	res, s, _, err := apply(t, gap, ApplyRequest{})
	if err != nil || res.ExitCode != 16 || len(res.Owed) != 1 {
		t.Errorf("%+v, %v", res, err)
	}
	slices.Sort(s.lines)
	slices.Sort(all)
	if d := cmp.Diff(all, s.lines); d != "" {
		t.Error(d)
	}
}

func TestTheFirstSignalCancelsAndTheSecondLeaves(t *testing.T) {
	t.Parallel()
	f := &fake{}
	f.streams = [][]report.LiveEvent{{began()}}
	signals := make(chan string, 2)
	signals <- "SIGINT"
	signals <- "SIGTERM"
	_, _, told, err := apply(t, f, ApplyRequest{Signals: signals})
	if runner.CodeOf(err) != runner.ExitSIGTERM || !strings.Contains(err.Error(), "runs show R1") || f.cancelled != 1 || len(told) != 1 || !strings.Contains(told[0], "is asked to cancel run R1") {
		t.Errorf("%d, %v; cancelled %d; told %q", runner.CodeOf(err), err, f.cancelled, told)
	}
}

// TestWhoeverCannotCancelCanLeave: somebody else has cancelled the run, or the server takes no request.
func TestWhoeverCannotCancelCanLeave(t *testing.T) {
	t.Parallel()
	for status, cancelled := range map[int]int{http.StatusConflict: 1, http.StatusForbidden: 2} {
		f := &fake{refuses: status}
		f.streams = [][]report.LiveEvent{{began()}}
		signals := make(chan string, cancelled+1)
		for range cap(signals) {
			signals <- "SIGINT"
		}
		ctx, late := context.WithTimeout(t.Context(), 30*time.Second)
		if _, _, told, err := apply(t, f, ApplyRequest{Signals: signals, Asked: ctx}); runner.CodeOf(err) != runner.ExitSIGINT || f.cancelled != cancelled {
			t.Errorf("%d: %v; asked %d times; told %q", status, err, f.cancelled, told)
		}
		late()
	}
}

// TestWhatBecameOfNoRunIsNotTheEndOfThisOne: another plan may be due and not begin.
func TestWhatBecameOfNoRunIsNotTheEndOfThisOne(t *testing.T) {
	t.Parallel()
	f := &fake{}
	f.streams = [][]report.LiveEvent{append([]report.LiveEvent{began(), {Kind: "result", Result: &report.Result{ExitCode: 11}}}, done(3)...)}
	if res, _, _, err := apply(t, f, ApplyRequest{}); err != nil || res.ExitCode != 3 {
		t.Errorf("%+v, %v", res, err)
	}
}

// TestNobodyWhoStopsBeforeTheStartStartsSomething, also while it is waited for events.
func TestNobodyWhoStopsBeforeTheStartStartsSomething(t *testing.T) {
	t.Parallel()
	asked, stop := context.WithCancelCause(t.Context())
	var f fake
	started := false
	client := to(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/events"):
			stop(runner.Stopped("SIGINT"))
			<-r.Context().Done()
		case r.Method == http.MethodPost:
			started = true
			http.NotFound(w, r)
		default:
			f.ServeHTTP(w, r)
		}
	})
	if _, err := client.Apply(t.Context(), ApplyRequest{PlanRef: PlanRef{Name: "nightly"}, Asked: asked}); runner.CodeOf(err) != runner.ExitSIGINT || started {
		t.Errorf("%v; started: %t", err, started)
	}
}

func TestWhatQuiescesIsAskedAboutBeforeTheStart(t *testing.T) {
	t.Parallel()
	f := &fake{}
	no := &runner.Error{ExitCode: 1, Err: context.Canceled}
	var asked report.Disruption
	_, _, _, err := apply(t, f, ApplyRequest{Confirm: func(d report.Disruption) error { asked = d; return no }})
	if d := cmp.Diff(report.Disruption{Plan: "nightly", Activities: []string{"secure"}, Devices: []string{"gw1"}}, asked); d != "" || err != no || len(f.keys) != 0 {
		t.Errorf("%s; %v; started %q", d, err, f.keys)
	}
	stopped, stop := context.WithCancelCause(t.Context())
	stop(runner.Stopped("SIGINT"))
	if _, _, _, err := apply(t, f, ApplyRequest{Asked: stopped}); runner.CodeOf(err) != runner.ExitSIGINT || len(f.keys) != 0 {
		t.Errorf("stopped before: %v; started %q", err, f.keys)
	}
}

func TestAStreamOfEventsIsRead(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		text string
		want []string
		says string
	}{
		"events and comments":  {": beat\n\nid: 1\nevent: a\ndata: {1}\n\ndata:{2}\r\n\r\n", []string{"{1}", "{2}"}, "has ended"},
		"data of two lines":    {"data: a\ndata: b\n\n", []string{"a\nb"}, "has ended"},
		"one that is cut":      {"data: a\n\ndata: b\n", []string{"a"}, "has ended"},
		"a line without end":   {"data: " + strings.Repeat("x", lineAtMost), nil, "too long"},
		"nothing":              {"", nil, "has ended"},
		"what is not known":    {"retry: 5\nfoo\ndata: a\n\n", []string{"a"}, "has ended"},
		"what cannot be taken": {"data: bad\n\ndata: a\n\n", nil, "bad"},
	} {
		var got []string
		err := readEvents(strings.NewReader(c.text), func() {}, func(data []byte) error {
			if string(data) == "bad" {
				return fmt.Errorf("%s", data)
			}
			got = append(got, string(data))
			return nil
		})
		if d := cmp.Diff(c.want, got); d != "" || err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %s %v", what, d, err)
		}
	}
}
