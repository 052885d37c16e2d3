package lifecycle

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dprun/dprun/runner/status"
)

// slots counts what runs at once.
type slots struct {
	labels    []string // those with a limit, in order: who waits for what does not depend on chance
	run       int
	perDevice map[string]int
	perLabel  map[[2]string]int
	held      map[*Task]bool // in the run
	onDevice  map[*Task][][2]string
}

func (s *slots) init(l Limits) {
	s.labels = slices.Sorted(maps.Keys(l.PerLabel))
	s.perDevice, s.perLabel = map[string]int{}, map[[2]string]int{}
	s.held, s.onDevice = map[*Task]bool{}, map[*Task][][2]string{}
}

// lacking returns the first resource that has no slot left for a task on a
// device, if there is one.
func (s *slots) lacking(l Limits, device string, labels map[string]string) (resource, bool) {
	if at := (resource{ofDevice, device, ""}); !s.free(l, at) {
		return at, true
	}
	for _, k := range s.labels {
		if v, ok := labels[k]; ok {
			if at := (resource{ofLabel, k, v}); !s.free(l, at) {
				return at, true
			}
		}
	}
	return resource{}, false
}

// free reports whether a slot of a device or a label is left.
func (s *slots) free(l Limits, of resource) bool {
	switch of.kind {
	case ofDevice:
		return l.PerDevice <= 0 || s.perDevice[of.name] < l.PerDevice
	case ofLabel:
		n := l.PerLabel[of.name]
		return n <= 0 || s.perLabel[[2]string{of.name, of.value}] < n
	}
	return false
}

func (s *slots) enter(t *Task, labels map[string]string) {
	s.run++
	s.held[t] = true
	s.perDevice[t.spec.Device]++
	var keys [][2]string
	for _, k := range s.labels {
		if v, ok := labels[k]; ok {
			key := [2]string{k, v}
			s.perLabel[key]++
			keys = append(keys, key)
		}
	}
	s.onDevice[t] = keys
}

// leaveDevice frees the device's and labels' slots. It returns what was freed.
func (s *slots) leaveDevice(t *Task) []resource {
	keys, ok := s.onDevice[t]
	if !ok {
		return nil
	}
	delete(s.onDevice, t)
	s.perDevice[t.spec.Device]--
	freed := []resource{{ofDevice, t.spec.Device, ""}}
	for _, k := range keys {
		s.perLabel[k]--
		freed = append(freed, resource{ofLabel, k[0], k[1]})
	}
	return freed
}

// leave frees the run's slot. It reports whether the task held it.
func (s *slots) leave(t *Task) bool {
	if !s.held[t] {
		return false
	}
	delete(s.held, t)
	s.run--
	return true
}

// leaveDevice gives back the slots of the task's device and labels, and wakes
// others that may use them.
func (r *Run) leaveDevice(t *Task) {
	for _, of := range r.slots.leaveDevice(t) {
		r.freed = true
		r.waiting.wake(of)
	}
}

// leaveRun gives back the run's slot: another task may begin.
func (r *Run) leaveRun(t *Task) {
	if r.slots.leave(t) {
		r.freed = true
	}
}

// leaveActivity notes the end of a task for those that depend on its activity.
func (r *Run) leaveActivity(t *Task) {
	activity, device := t.spec.Activity.Name, t.spec.Device
	r.open[dependency(activity, device)]--
	if r.open[dependency(activity, device)] > 0 {
		return
	}
	for more := true; more; { // all of them may go on
		more = r.waiting.wake(resource{ofActivity, activity, device})
	}
}

// dispatch starts what may start, in creation order.
func (r *Run) dispatch() {
	if r.stopped() {
		r.dismissForStop()
		return
	}
	if r.waiting.len() == 0 || !r.freed || r.full() {
		return
	}
	r.freed = false
	var closes time.Time
	if w := r.spec.Window; w != nil {
		if !w.Open(r.now) {
			r.dismissWaiting(status.CanceledBecauseMaintenanceWindow, fmt.Sprintf("window %s closed while the task was waiting", w.Name))
			return
		}
		closes, _ = w.ClosesAt(r.now)
	}
	for !r.full() {
		l := r.waiting.next()
		if l == nil {
			return
		}
		r.consider(l, closes)
	}
}

// consider starts or dismisses the first task of a line, or parks the line.
func (r *Run) consider(l *line, closes time.Time) {
	if len(l.tasks) == 0 {
		r.pass(l)
		return
	}
	t := l.tasks[0].Task
	if !closes.IsZero() {
		if why := t.Spec().tooShort(closes.Sub(r.now), 0, t.target()); why != "" {
			r.waiting.put(l)
			r.take(t, t.Dismiss(r.now, status.CanceledBecauseMaintenanceWindow, why))
			return
		}
	}
	labels := r.spec.Devices[t.spec.Device].Labels
	if at, ok := r.obstacle(t, labels); ok {
		r.waiting.park(l, at)
		r.pass(l)
		return
	}
	l.woken = resource{} // and takes what it was woken for
	r.waiting.put(l)
	r.ran = true
	r.slots.enter(t, labels)
	r.backlog.expect(t)
	r.take(t, t.Dispatch(r.now))
}

// pass wakes the next line for a slot that this one was woken for and did not
// take.
func (r *Run) pass(l *line) {
	woken := l.woken
	if l.woken = (resource{}); r.slots.free(r.spec.Limits, woken) {
		r.waiting.wake(woken)
	}
}

// storesAtMost is how many tasks may wait to be stored when captures are faster
// than stores. Each of them has files in staging and its state in memory.
const storesAtMost = 4096

// full reports whether the run has as many tasks as may run, or as much in
// staging as may wait there. While a destination does not answer, captures go
// on.
func (r *Run) full() bool {
	l := r.spec.Limits
	return l.Parallel > 0 && r.slots.run >= l.Parallel || r.spec.Staging > 0 && r.backlog.full(r.spec.Staging) ||
		len(r.backlog.stored) >= storesAtMost && !r.anyAway()
}

// anyAway reports whether a destination does not answer.
func (r *Run) anyAway() bool {
	for _, g := range r.gates {
		if g.away() {
			return true
		}
	}
	return false
}

// backlog counts what waits in staging for a destination.
type backlog struct {
	coming map[*Task]int64 // what those that capture are expected to bring
	stored map[*Task]int64 // what those that store have brought
	bytes  int64           // of both
}

// expect counts a task that was dispatched. A capture is seldom much larger
// than the last one.
func (b *backlog) expect(t *Task) {
	if b.coming == nil {
		b.coming, b.stored = map[*Task]int64{}, map[*Task]int64{}
	}
	b.coming[t] = t.lastSize * 3 / 2
	b.bytes += b.coming[t]
}

// note counts what a task has in staging when it has come to its stores or to
// its end.
func (b *backlog) note(t *Task) {
	if n, ok := b.coming[t]; ok {
		delete(b.coming, t)
		b.bytes -= n
		if t.phase == PhaseStore {
			b.stored[t] = t.Bytes()
			b.bytes += b.stored[t]
		}
	}
	if n, ok := b.stored[t]; ok && t.final != nil {
		delete(b.stored, t)
		b.bytes -= n
	}
}

// full reports whether no more may come. If nothing is being stored, waiting
// would not help.
func (b *backlog) full(limit int64) bool { return len(b.stored) > 0 && b.bytes >= limit }

func dependency(activity, device string) string { return activity + "\x00" + device }

// obstacle returns what the task has to wait for, if anything: an activity that
// it depends on has living tasks on its device (whatever their result will be),
// or there is no slot.
func (r *Run) obstacle(t *Task, labels map[string]string) (resource, bool) {
	for _, a := range t.spec.Activity.DependsOn {
		if r.open[dependency(a, t.spec.Device)] > 0 {
			return resource{ofActivity, a, t.spec.Device}, true
		}
	}
	return r.slots.lacking(r.spec.Limits, t.spec.Device, labels)
}

// Dirty returns the tasks ("" for the run itself) whose pending actions may
// have changed since the last call.
func (r *Run) Dirty() []string {
	ids := slices.Sorted(maps.Keys(r.dirty))
	r.dirty = map[string]bool{} // a map that was large once would be slow to walk for ever
	return ids
}

// PendingOf is what should be in flight now of one task ("" for the run itself).
func (r *Run) PendingOf(id string) []Action {
	if id == "" {
		return r.pendingRun()
	}
	t := r.byID[id]
	if t == nil {
		return nil
	}
	return slices.DeleteFunc(t.Pending(), func(a Action) bool {
		if a.Kind != ActStore && a.Kind != ActManifest {
			return false
		}
		g := r.gates[a.Destination]
		return g != nil && !g.holders[t]
	})
}

func (r *Run) pendingRun() []Action {
	var as []Action
	if r.waiting.len() > 0 && !r.stopped() {
		if w := r.spec.Window; w != nil {
			if at, ok := w.ClosesAt(r.now); ok {
				as = append(as, Action{ActionID: ActionID{Kind: ActWindowTimer}, NotBefore: at})
			}
		}
		if q := r.spec.Timeouts.Queue; q > 0 {
			as = append(as, Action{ActionID: ActionID{Kind: ActQueueTimer}, NotBefore: r.start.Add(q)})
		}
	}
	as = append(as, r.pendingGates()...)
	if r.stage < stagePostScript && !r.stopped() {
		as = append(as, r.pendingDestinations()...)
	}
	switch r.stage {
	case stageInspect:
		for _, d := range r.inspecting {
			if d.call.asking() {
				as = append(as, Action{ActionID: ActionID{Kind: ActInspect, Target: d.name, Attempt: d.call.attempt}, Device: d.name, Domains: d.globs, NotBefore: d.call.notBefore})
			}
		}
	case stagePreScript:
		if s := r.spec.PreScript; s != nil && r.pre.pending() {
			as = append(as, Action{ActionID: ActionID{Kind: ActScript, Target: hookPlanPre}, Script: s.Address, Hook: hookPlanPre, Timeout: s.Timeout})
		}
	case stagePostScript:
		if s := r.spec.PostScript; s != nil && r.post.pending() {
			code, message, _ := r.judge()
			as = append(as, Action{ActionID: ActionID{Kind: ActScript, Target: hookPlanPost}, Script: s.Address, Hook: hookPlanPost, Timeout: s.Timeout, Outcome: code, OutcomeMessage: message})
		}
	}
	return as
}

// Obligations is what the run and its living tasks owe now.
func (r *Run) Obligations(id string) []Obligation {
	if id != "" {
		if t := r.byID[id]; t != nil {
			return t.Obligations()
		}
		return nil
	}
	if r.owesPostScript() && r.stage != stageDone {
		return []Obligation{{ID: OwedPlanPostScript, Kind: OwePostScript, Script: r.spec.PostScript.Address}}
	}
	return nil
}

// owesPostScript reports whether the plan's post-script must run even if the run is interrupted.
func (r *Run) owesPostScript() bool {
	s := r.spec.PostScript
	return s != nil && s.When != OnSuccess && r.pre.ran() && !r.post.ended()
}
