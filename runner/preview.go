package runner

import (
	"context"
	"fmt"
	"log/slog"
	"path"
	"sync"
	"time"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/recipient"
	"github.com/dprun/dprun/plan/window"
	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/permit"
	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// stampShown stands for the start of a task that has not started.
const stampShown = "yyyy-MM-dd-HH-mm-ss-SSS"

// Preview says what a run would do now. It only reads from destinations and
// devices; offline, it contacts nothing.
func (r *Runner) Preview(ctx context.Context, q PreviewRequest) (*report.Preview, *report.Result, error) {
	res := &report.Result{}
	loaded, p, spec, err := r.foresee(ctx, q, res)
	if err != nil || p == nil {
		return nil, res, err
	}
	v := &report.Preview{Plan: p.Name, Only: spec.Only, Contacted: !q.Offline}
	v.Window, v.WindowOpen = windowStands(spec.Window, r.Clock.Now())
	if q.Offline {
		for _, u := range lifecycle.Uncontacted(spec) {
			t := u.Spec
			task := report.PreviewTask{Task: t.ID, Activity: t.Activity.Name, Device: t.Device, Domain: t.Domain, Code: string(u.Code), Message: u.Message}
			if u.Code == "" {
				task.Disruptive = disruptive(t)
			}
			v.Tasks = append(v.Tasks, task)
		}
		res.ExitCode = exitForeseen(v)
		return v, res, nil
	}
	l, err := r.startLook(ctx, r.begin(Operation{}), loaded, p, &spec)
	if err != nil {
		return nil, res, err
	}
	defer l.close()
	contact := l.upToTasks
	if q.DryNight {
		contact, v.DryNight = l.dryNight, true
	}
	machine, told := contact(ctx, spec)
	v.Destinations = told.destinations
	if v.Retention, err = r.foreseePrune(ctx, p, originOf(loaded, p), told.destinations); err != nil {
		return nil, res, err
	}
	if v.Encrypted, err = encryptedFor(p); err != nil {
		return nil, res, err
	}
	if verdict := machine.Verdict(); verdict != nil && len(machine.Tasks()) == 0 && verdict.Code != string(status.RunAllTasksSkipped) {
		return v, res, errorf(1, "%s: %s", verdict.Code, verdict.Message)
	}
	for _, u := range machine.Unusable() {
		if v.Unusable == nil {
			v.Unusable = map[string]report.PreviewUnusable{}
		}
		e, _ := status.Lookup(u.Code)
		v.Unusable[u.Name] = report.PreviewUnusable{Code: string(u.Code), Message: u.Message, Action: e.Action}
	}
	var meant []lifecycle.TaskSpec
	for _, t := range machine.Tasks() {
		v.Tasks = append(v.Tasks, r.previewTask(ctx, l.plan, t))
		if t.Final() == nil {
			meant = append(meant, t.Spec())
		}
	}
	v.TooShort = spec.Overrun(r.Clock.Now(), meant)
	res.ExitCode = exitForeseen(v)
	if code, done := machine.Done(); done {
		res.ExitCode = code
	}
	return v, res, nil
}

// look contacts destinations and devices without a run. It only reads from
// devices, and writes and removes a few bytes at destinations.
type look struct {
	*Runner
	plan *record.CompiledPlan
	exec *execute.Executor
	host *pluginhost.Host
}

// startLook adds to the spec what the state directory knows, and starts a look.
func (r *Runner) startLook(ctx context.Context, op *operation, loaded *Loaded, p *plan.Plan, spec *lifecycle.RunSpec) (*look, error) {
	if err := op.remember(ctx, originOf(loaded, p), spec); err != nil {
		return nil, err
	}
	others, err := op.peers(ctx, loaded, spec)
	if err != nil {
		return nil, err
	}
	credentials, err := r.credentials(op.journal)
	if err != nil {
		return nil, &Error{ExitBug, err}
	}
	l := &look{Runner: r, plan: record.NewCompiledPlan(loaded.Config, p, loaded.secrets, &r.redact), host: r.startUnlockedHost()}
	l.plan.Know(others, op.fresh())
	l.exec = r.beside(loaded, p, execute.Options{Run: "preview", Plan: l.plan, Plugins: l.host, Staging: r.staging, Credentials: credentials,
		Locks: deviceLocks{r.locks, "preview"}, Permits: asking{&permit.Desk{Journal: op.journal, Pending: r.pending, Clock: r.Clock, Log: r.Log}}, Output: func(string, string, string) {}})
	return l, nil
}

// asking says what would forbid a permit. It grants none and enters nothing in
// the journal.
type asking struct{ *permit.Desk }

// Grant implements [execute.Permits].
func (a asking) Grant(ctx context.Context, c execute.Claim, _ func(string)) (*event.Denial, error) {
	return a.Confirm(ctx, c)
}

func (l *look) close() {
	l.exec.Close()
	_ = l.host.Close()
}

// upToTasks does the steps of a run that come before its tasks. It ignores the
// window and the scripts, so that a preview can be made at noon.
func (l *look) upToTasks(ctx context.Context, spec lifecycle.RunSpec) (*lifecycle.Run, *answers) {
	spec.Window, spec.PreScript, spec.PostScript = nil, nil, nil
	spec.AwaitDestinations = true
	machine := lifecycle.NewRun(spec)
	w := newAnswers()
	engine.New(engine.Options{Run: machine, Executor: l.exec, Journal: w, Clock: l.Clock, Sink: previewing{log: l.Log}, Log: l.Log,
		Until: (*lifecycle.Run).Expanded}).Run(ctx, event.Event{Kind: event.RunStarted})
	return machine, w
}

// foresee reads a plan and selects the part that is meant. It returns neither a
// plan nor an error if the diagnostics say what is wrong.
func (r *Runner) foresee(ctx context.Context, q PreviewRequest, res *report.Result) (loaded *Loaded, p *plan.Plan, spec lifecycle.RunSpec, err error) {
	only, err := ParseOnly(q.Only)
	if err != nil {
		return nil, nil, spec, &Error{ExitUsage, err}
	}
	if q.Offline {
		loaded, res.Diagnostics, err = Load(ctx, q.Source, r.plugins)
		if err == nil && !res.Diagnostics.HasErrors() {
			p, err = Pick(loaded.Config, q.Plan)
		}
	} else {
		loaded, p, err = r.load(ctx, q.Source, q.Plan, only, res)
	}
	if err != nil {
		return nil, nil, spec, err
	}
	if p == nil {
		res.ExitCode = ExitInvalid
		return nil, nil, spec, nil
	}
	spec, ds := specOf(p, "preview", only, 0)
	if res.Diagnostics = append(res.Diagnostics, ds...); ds.HasErrors() {
		res.ExitCode = ExitInvalid
		return nil, nil, spec, nil
	}
	return loaded, p, spec, only.check(p, spec)
}

// exitForeseen returns the exit code that a run would probably have. It takes
// tasks that would run as successes, unless a destination cannot be used: a task
// succeeds only with all its copies.
func exitForeseen(v *report.Preview) int {
	var n lifecycle.Tally
	for _, t := range v.Tasks {
		switch {
		case t.Code != "":
			n.Add(status.Code(t.Code))
		case len(v.Unusable) == 0:
			n.Good++
		default:
			n.Bad++
		}
	}
	return n.Exit()
}

func (r *Runner) previewTask(ctx context.Context, x *record.CompiledPlan, t *lifecycle.Task) report.PreviewTask {
	s := t.Spec()
	out := report.PreviewTask{Task: s.ID, Activity: s.Activity.Name, Device: s.Device, Domain: s.Domain}
	if f := t.Final(); f != nil && f.Code != string(status.Success) { // of a dry night
		out.Code, out.Message = f.Code, f.Message
		return out
	}
	out.Disruptive = disruptive(s)
	out.Paths = map[string]string{}
	for _, d := range s.Destinations {
		dir, name, err := x.Set(ctx, d.Name, execute.Scope{Run: "preview", Plan: s.Plan, Activity: s.Activity.Name, Device: s.Device, Domain: s.Domain, Stamp: stampShown})
		if err != nil {
			out.Paths[d.Name] = err.Error()
			continue
		}
		out.Paths[d.Name] = path.Join(dir, name)
	}
	return out
}

// encryptedFor returns the recipients of each encrypted destination of a plan.
func encryptedFor(p *plan.Plan) (map[string][]string, error) {
	out := map[string][]string{}
	for _, d := range p.Destinations {
		set, err := recipient.ParseSet(d.Recipients)
		if err != nil {
			return nil, &Error{ExitBug, err}
		}
		if len(set) > 0 {
			out[d.Address] = set.Fingerprints()
		}
	}
	return out, nil
}

// disruptive says what a task takes out of service; empty: nothing.
func disruptive(s lifecycle.TaskSpec) string {
	switch {
	case !s.Quiesces():
		return ""
	case s.Activity.Quiesce == lifecycle.QuiesceDevice:
		return "quiesces the whole device"
	}
	return "quiesces the domain"
}

// windowStands says in words whether a window is open now.
func windowStands(w *window.Window, now time.Time) (string, bool) {
	if w == nil {
		return "", true
	}
	if w.Open(now) {
		if closes, ok := w.ClosesAt(now); ok {
			return fmt.Sprintf("%s is open until %s", w.Name, w.Say(closes)), true
		}
		return w.Name + " is open", true
	}
	if opens, ok := w.OpensAt(now); ok {
		return fmt.Sprintf("%s is closed; it opens on %s", w.Name, w.Say(opens)), false
	}
	return w.Name + " is closed and never opens", false
}

// answers keeps the answers of destinations and devices in memory, and writes
// nothing.
type answers struct {
	destinations map[string]*sdk.DestinationReport
	inspections  map[string]*sdk.Inspection
	failures     map[string]*failure.Error // why a device could not be inspected
}

func newAnswers() *answers {
	return &answers{destinations: map[string]*sdk.DestinationReport{}, inspections: map[string]*sdk.Inspection{}, failures: map[string]*failure.Error{}}
}

func (w *answers) Owe(engine.Batch) error { return nil }
func (w *answers) Paid(engine.Batch)      {}

func (w *answers) Append(_ context.Context, b engine.Batch) error {
	for _, e := range b.Events {
		if e.Kind != event.Finished || e.Action == "" {
			continue
		}
		id, err := lifecycle.ParseActionID(e.Action)
		if err != nil {
			return err
		}
		switch id.Kind {
		case lifecycle.ActCheckDestination:
			if e.Result != nil && e.Result.Destination != nil {
				w.destinations[id.Target] = e.Result.Destination
			}
		case lifecycle.ActInspect:
			delete(w.failures, id.Target)
			if e.Failure != nil {
				w.failures[id.Target] = e.Failure
			} else if e.Result != nil {
				w.inspections[id.Target] = e.Result.Inspection
			}
		}
	}
	return nil
}

// previewing is the sink of a preview. It shows only what the preview waits for.
type previewing struct {
	unwatched
	log *slog.Logger
}

// Status logs the statuses of the run itself, except the first and the last.
func (p previewing) Status(s event.Status) {
	if s.Task == "" && !s.Final && s.Message != "" && s.Code != string(status.RunStarted) {
		p.log.Warn(s.Message)
	}
}

// dryExecutor does the reads of a run, and answers all other actions as if they
// had succeeded: it quiesces, captures and stores nothing, and runs no script. Of
// a permit it asks only what would forbid it. An action that is not listed as a
// read is not done.
type dryExecutor struct {
	real engine.Executor

	mu   sync.Mutex
	down map[string]bool // by task: the task would have quiesced its target
}

// Do implements [engine.Executor].
func (x *dryExecutor) Do(ctx context.Context, j engine.Job) (*event.Result, error) {
	task := ""
	if j.Task != nil {
		task = j.Task.ID
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch j.Action.Kind {
	case lifecycle.ActQuiesce:
		x.down[task] = true
	case lifecycle.ActUnquiesce:
		delete(x.down, task)
	case lifecycle.ActQuiesceState, lifecycle.ActUnquiesceState:
		state := sdk.StateNormal
		if x.down[task] {
			state = sdk.StateQuiesced
		}
		return &event.Result{Quiesce: &sdk.QuiesceReport{State: state}}, nil
	case lifecycle.ActCapture:
		return &event.Result{Capture: &event.Captured{Variant: j.Action.Variant, Artifacts: []event.Artifact{{Name: "none", File: "none"}}}}, nil
	case lifecycle.ActStore, lifecycle.ActManifest:
		return &event.Result{Store: &sdk.StoreReport{}}, nil
	case lifecycle.ActScript:
		return &event.Result{Script: &sdk.RunReport{}}, nil
	case lifecycle.ActInspect, lifecycle.ActCheckDestination, lifecycle.ActPrepare, lifecycle.ActProbe, lifecycle.ActValidate, lifecycle.ActCheck, lifecycle.ActRecheck,
		lifecycle.ActPermit, lifecycle.ActConfirm, lifecycle.ActPeers, lifecycle.ActHealth, lifecycle.ActHealthAgain, lifecycle.ActHealthBack:
		x.mu.Unlock()
		defer x.mu.Lock()
		return x.real.Do(ctx, j)
	}
	return &event.Result{}, nil
}

// dryNight does a whole run without the actions that change something. It ignores
// the window, so that a dry night can be made at noon.
func (l *look) dryNight(ctx context.Context, spec lifecycle.RunSpec) (*lifecycle.Run, *answers) {
	spec.Window = nil
	machine, told := lifecycle.NewRun(spec), newAnswers()
	engine.New(engine.Options{Run: machine, Executor: &dryExecutor{real: l.exec, down: map[string]bool{}}, Journal: told, Clock: l.Clock, Sink: previewing{log: l.Log}, Log: l.Log}).
		Run(ctx, event.Event{Kind: event.RunStarted})
	return machine, told
}
