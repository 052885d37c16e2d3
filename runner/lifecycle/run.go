package lifecycle

import (
	"fmt"
	"slices"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// inspectAtOnce bounds how many devices are inspected at the same time.
const inspectAtOnce = 16

// Run is the machine of one run: expansion of activities into tasks, plan
// gate, window, error policy, order, limits, breaker and exit code.
type Run struct {
	spec  RunSpec
	stage stage
	now   time.Time
	start time.Time
	out   []event.Status
	seq   int

	dests       []*runDestination
	devices     []*device
	byName      map[string]*device
	inspecting  []*device // their inspections are under way
	uninspected []*device // and of these not yet begun

	shared      map[place]*sharedSpec
	tasks       []*Task
	byID        map[string]*Task
	validating  []*Task        // their devices are being asked
	unvalidated []*Task        // and those of these not yet
	waiting     *waiting       // not dispatched
	open        map[string]int // unfinished tasks by activity and device, for depends_on
	living      int            // tasks without a final status
	freed       bool           // something was freed since the last dispatch
	slots       slots
	backlog     backlog
	gates       map[string]*gate

	pre, post script
	stop      stop
	halted    string // why, of the error policy
	cancelled string // the signal
	fault     string // the internal error
	broken    string // the device that did not return

	gateFailed  string // why the plan's pre-script stopped it
	postFailure string
	interrupted bool
	ran         bool // a task was dispatched
	verdict     *event.Status
	exit        int

	dirty map[string]bool
}

// place is an activity on a device.
type place struct{ activity, device string }

// device is one device of the run: its inspection.
type device struct {
	name       string
	spec       Device
	globs      []string // of the domains that the run may have tasks for
	call       call
	inspection *sdk.Inspection
}

// onlyDefault reports whether the device is known to have only the domain
// default. A device that reported no domains at all has said nothing.
func (d *device) onlyDefault() bool {
	if d == nil || d.inspection == nil || len(d.inspection.Domains) == 0 {
		return false
	}
	return !slices.ContainsFunc(d.inspection.Domains, func(dom sdk.Domain) bool { return dom.Name != defaultDomain })
}

// runDestination is the run's own check of a destination.
type runDestination struct {
	spec  Destination
	call  call
	short string
	// warnings are what it cannot do.
	warnings []string
}

// NewRun returns the machine of a run; its first event is RunStarted.
func NewRun(spec RunSpec) *Run {
	r := &Run{
		spec: spec, shared: map[place]*sharedSpec{}, byName: map[string]*device{}, byID: map[string]*Task{}, open: map[string]int{}, waiting: newWaiting(),
		gates: map[string]*gate{}, dirty: map[string]bool{"": true},
	}
	r.slots.init(spec.Limits)
	for _, d := range spec.Destinations {
		r.dests = append(r.dests, &runDestination{spec: d})
		r.gates[d.Name] = newGate(d.Name, d.Parallel)
	}
	for _, a := range spec.Activities {
		for _, name := range a.Devices {
			if r.byName[name] == nil {
				d := &device{name: name, spec: spec.Devices[name]}
				r.byName[name] = d
				r.devices = append(r.devices, d)
				if d.spec.Blocked == "" {
					r.uninspected = append(r.uninspected, d)
				}
			}
			r.byName[name].mayWant(a)
		}
	}
	return r
}

// mayWant adds the domains that an activity may have tasks for.
func (d *device) mayWant(a Activity) {
	if a.Scope == schema.ScopeDevice {
		return
	}
	set := a.domainsOf(d.name)
	if a.Only != nil {
		set = *a.Only
	}
	for _, p := range set {
		for _, g := range p.Match {
			if !slices.Contains(d.globs, g) {
				d.globs = append(d.globs, g)
			}
		}
	}
}

// Spec is what the run was made from.
func (r *Run) Spec() RunSpec { return r.spec }

// Tasks lists the tasks in creation order.
func (r *Run) Tasks() []*Task { return r.tasks }

// Task returns a task by its ID, or nil.
func (r *Run) Task(id string) *Task { return r.byID[id] }

// Facts is what the inspection of a device told, or nil.
func (r *Run) Facts(device string) *sdk.Facts {
	if d := r.byName[device]; d != nil && d.inspection != nil {
		return &d.inspection.Facts
	}
	return nil
}

// Done reports whether the run has ended, and with which exit code.
func (r *Run) Done() (exit int, done bool) { return r.exit, r.stage == stageDone }

// Expanded reports whether the tasks are known, and those that cannot work have
// ended.
func (r *Run) Expanded() bool { return r.stage > stageValidate }

// Cancelled is the signal by which the run was asked to stop, or empty.
func (r *Run) Cancelled() string { return r.cancelled }

// Verdict is the run's final status, or nil.
func (r *Run) Verdict() *event.Status { return r.verdict }

// Apply folds one event and returns the statuses that it led to, of the run
// and of its tasks, in order.
func (r *Run) Apply(e event.Event) []event.Status {
	r.out = nil
	if r.stage == stageDone {
		if e.Kind == event.JournalFailed && r.exit == exitOK {
			r.exit = exitInternal // how it ended is written down nowhere
		}
		return nil
	}
	if e.Time.After(r.now) {
		r.now = e.Time
	}
	if e.Task != "" {
		if t := r.byID[e.Task]; t != nil {
			r.take(t, t.Apply(e))
		}
	} else {
		r.dirty[""] = true
		r.applyRun(e)
	}
	r.advance()
	return r.out
}

func (r *Run) applyRun(e event.Event) {
	switch e.Kind {
	case event.RunStarted:
		r.onStart()
	case event.Started:
		switch id, _ := ParseActionID(e.Action); id.Target {
		case hookPlanPre:
			r.pre.on(scriptStarted)
		case hookPlanPost:
			r.post.on(scriptStarted)
		}
	case event.Finished:
		if a, ok := actionOf(r.pendingRun(), e); ok {
			r.onFinished(a, e)
		}
	case event.CancelRequested:
		r.cancelled = e.Reason
		r.toStop(stopCancels)
		r.each(func(t *Task) []event.Status { return t.Apply(e) })
	case event.JournalFailed:
		r.toStop(stopFaults)
		r.fault = "the journal cannot be written; nothing more was begun. Make room in the state directory"
		r.each(func(t *Task) []event.Status { return t.Apply(e) })
	case event.Interrupted:
		r.onInterrupted(e)
	case event.Faulted:
		r.toStop(stopFaults)
		r.fault = "internal error"
		if e.Failure != nil {
			r.fault = e.Failure.Error()
		}
		r.dismissWaiting(status.FailedWithInternalException, r.fault)
	}
}

// each applies f to every living task.
func (r *Run) each(f func(*Task) []event.Status) {
	for _, t := range r.tasks {
		if t.Final() == nil {
			r.take(t, f(t))
		}
	}
}

// take accounts for the results of a task's step: slots, error policy, breaker.
func (r *Run) take(t *Task, out []event.Status) {
	r.out = append(r.out, out...)
	r.dirty[t.id] = true
	if t.phase >= PhaseDispatch {
		r.waiting.leave(t)
	}
	if t.phase >= PhaseStore { // a store holds nobody up
		r.leaveDevice(t)
		r.leaveRun(t)
		r.backlog.note(t)
	}
	if len(out) > 0 && out[len(out)-1].Final {
		r.living--
		r.freed = true
		r.leaveActivity(t)
	}
	r.regate(t)
	for _, s := range out {
		if entry, _ := status.Lookup(status.Code(s.Code)); entry.Halts(!t.started.IsZero()) && r.policy(t) == Halt {
			r.toStop(stopHalts)
			if r.halted == "" {
				r.halted = fmt.Sprintf("task %s: %s", t.id, s.Code)
			}
		}
		switch status.Code(s.Code) {
		case status.UnquiesceTimeoutOccurred, status.UnquiesceOnErrorTimeoutOccurred, status.UnquiesceNotHealthy:
			if r.broken == "" {
				r.broken = t.spec.Device
				r.each(func(o *Task) []event.Status {
					return o.Forbid(r.now, status.CanceledDeviceDidNotReturn, fmt.Sprintf("%s; nothing more is quiesced until it is (dprun recover)", t.notBack()))
				})
			}
		}
	}
}

// policy is the error policy of a task.
func (r *Run) policy(t *Task) ErrorPolicy {
	if p := t.spec.Activity.ErrorPolicy; p != "" {
		return p
	}
	return r.spec.ErrorPolicy
}

// enter appends a status to the run's own history.
func (r *Run) enter(c status.Code, message string) *event.Status {
	r.seq++
	r.out = append(r.out, event.Status{V: event.Version, Run: r.spec.ID, Plan: r.spec.Plan, Seq: r.seq, Code: string(c), Message: message, Time: r.now})
	return &r.out[len(r.out)-1]
}

// onStart: is the window open? Outside it nothing is contacted.
func (r *Run) onStart() {
	if r.stage != stageNew {
		return
	}
	r.start = r.now
	r.enter(status.WaitingForPreValidation, "")
	if w := r.spec.Window; w != nil && !w.Open(r.now) {
		message := fmt.Sprintf("window %s is closed now, %s", w.Name, w.Say(r.now))
		if opens, ok := w.OpensAt(r.now); ok {
			message += ", and opens next on " + w.Say(opens)
		}
		r.expandUncontacted(status.CanceledBecauseMaintenanceWindow, message+"; nothing was contacted")
		r.end(status.RunOutOfMaintenanceWindow, message, exitOutsideWindow)
		return
	}
	r.to(stageNext)
}

// advance goes on as far as possible without a new event.
func (r *Run) advance() {
	for r.stage != stageDone && r.stage != stageNew {
		before := r.stage
		switch r.stage {
		case stageDestinations:
			r.advanceDestinations()
		case stageInspect:
			r.advanceInspect()
		case stageValidate:
			r.advanceValidate()
		case stagePreScript:
			r.advancePreScript()
		case stageTasks:
			r.dispatch()
			if r.allFinal() {
				r.to(stageNext)
			}
		case stagePostScript:
			r.advancePostScript()
		}
		if r.stage == before {
			return
		}
		r.dirty[""] = true
	}
}

// stopped reports whether the run goes no further before its tasks.
func (r *Run) stopped() bool { return r.stop != stopNot }

func (r *Run) to(e stageEvent) { r.stage = stages.after(r.stage, e) }

func (r *Run) toStop(e stopEvent) { r.stop = stops.after(r.stop, e) }

// advanceInspect inspects every device, then expands.
func (r *Run) advanceInspect() {
	if r.stopped() {
		r.to(stageStops)
		return
	}
	r.inspecting = slices.DeleteFunc(r.inspecting, func(d *device) bool { return d.call.done() })
	for len(r.inspecting) < inspectAtOnce && len(r.uninspected) > 0 {
		d := r.uninspected[0]
		r.inspecting, r.uninspected = append(r.inspecting, d), r.uninspected[1:]
		d.call.begin(r.now)
	}
	if len(r.inspecting) > 0 {
		return
	}
	r.expand()
	if r.waiting.len() == 0 {
		r.to(stageStops)
		return
	}
	r.to(stageNext)
}

// advancePreScript is the plan gate: once, only if a task is still waiting.
func (r *Run) advancePreScript() {
	if r.stopped() {
		r.dismissForStop()
		r.to(stageStops)
		return
	}
	if s := r.spec.PreScript; s != nil && !r.pre.ended() {
		if r.pre.state == scriptIdle {
			r.pre.on(scriptDue)
			r.enter(status.RunWaitingForPreScript, "script "+s.Address)
		}
		return
	}
	r.to(stageNext)
	r.freed = true
	started := r.enter(status.RunStarted, fmt.Sprintf("%d task(s), %d to run", len(r.tasks), r.waiting.len()))
	for _, d := range r.dests {
		for _, w := range d.warnings {
			started.Warnings = append(started.Warnings, fmt.Sprintf("destination %s: %s", d.spec.Name, w))
		}
	}
	for _, t := range r.waiting.all() {
		r.take(t, t.Ready(r.now))
	}
}

// onFinished folds the result of one of the run's own actions.
func (r *Run) onFinished(a Action, e event.Event) {
	switch a.Kind {
	case ActCheckDestination:
		var report *sdk.DestinationReport
		if e.Result != nil {
			report = e.Result.Destination
		}
		r.onDestinationChecked(a, report, e.Failure)
	case ActInspect:
		d := r.byName[a.Device]
		f := e.Failure
		if f == nil {
			if e.Result == nil || e.Result.Inspection == nil {
				f = failure.New(failure.Internal, failure.Protocol, "inspection of %s ended without a result", d.name)
			} else {
				d.inspection = e.Result.Inspection
			}
		}
		d.call.settle(f, r.now, r.spec.Seed, a.String())
	case ActScript:
		r.onScript(a, e)
	case ActWindowTimer, ActQueueTimer, ActDestinationTimer:
		if !r.now.Before(a.NotBefore) {
			r.onTimer(a)
		}
	}
}

func (r *Run) onScript(a Action, e event.Event) {
	message := ""
	switch {
	case e.Failure != nil:
		message = fmt.Sprintf("script %s: %s", a.Script, e.Failure.Error())
	case e.Result != nil && e.Result.Script != nil && e.Result.Script.ExitCode != 0:
		message = scriptReturned(a, e.Result.Script)
	}
	if a.Hook == hookPlanPost {
		r.post.finish(message != "")
		if message != "" {
			r.enter(status.RunPostScriptError, message)
			r.postFailure = message
		}
		return
	}
	r.pre.finish(message != "")
	if message != "" {
		r.gateFailed = message
		r.dismissWaiting(status.PlanFailedPreScript, message)
		r.to(stageStops)
	}
}

func (r *Run) onTimer(a Action) {
	switch a.Kind {
	case ActDestinationTimer:
		r.admit(r.gates[a.Destination])
	case ActWindowTimer:
		r.dismissWaiting(status.CanceledBecauseMaintenanceWindow, fmt.Sprintf("window %s closed while the task was waiting", r.spec.Window.Name))
	case ActQueueTimer:
		r.dismissWaiting(status.CanceledBecauseADayPassed, fmt.Sprintf("the task waited longer than %s", r.spec.Timeouts.Queue))
	}
}

// onInterrupted ends the tasks that had not begun; tasks under way undo and
// finish.
func (r *Run) onInterrupted(e event.Event) {
	r.interrupted = true
	r.now = e.Time
	for _, g := range r.gates { // what was known of it is old
		g.on(doorInterrupted)
		g.failures, g.trying, g.dead, g.checking, g.refused = 0, nil, nil, nil, nil
	}
	r.each(func(t *Task) []event.Status { return t.Apply(e) })
	r.waiting = newWaiting()
	r.pre.interrupt()
	r.post.interrupt() // its outcome is unknown, and it is not run twice
	if !r.post.ended() && !r.owesPostScript() {
		r.post.on(scriptDrops) // its configuration was not kept
	}
	if r.stage < stageTasks {
		r.to(stageStops)
	}
}

// dismissWaiting ends every task that was not dispatched.
func (r *Run) dismissWaiting(c status.Code, message string) {
	r.dismissEach(func(*Task) status.Code { return c }, message)
}

func (r *Run) dismissEach(code func(*Task) status.Code, message string) {
	if r.waiting.len() == 0 {
		return // a run that is stopped comes here after every event
	}
	ended := r.waiting.all()
	r.waiting = newWaiting()
	for _, t := range ended {
		r.take(t, t.Dismiss(r.now, code(t), message))
	}
}

// dismissForStop ends the waiting tasks for the reason that stopped the run.
func (r *Run) dismissForStop() {
	switch r.stop {
	case stopFaulted:
		r.dismissWaiting(status.FailedWithInternalException, r.fault)
	case stopCancelled:
		r.dismissWaiting(status.CanceledByUser, "cancelled by "+r.cancelled)
	default:
		r.dismissHalted()
	}
}

func (r *Run) dismissHalted() {
	r.dismissEach(func(t *Task) status.Code {
		if t.phase == PhaseReady {
			return status.CanceledBecauseErrorPolicy
		}
		return status.SkippedBecauseErrorPolicy
	}, "error policy halt: "+r.halted)
}

func (r *Run) allFinal() bool { return r.living == 0 }
