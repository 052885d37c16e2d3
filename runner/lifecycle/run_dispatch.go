package lifecycle

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// slots counts what runs at once.
type slots struct {
	run       int
	perDevice map[string]int
	perLabel  map[[2]string]int
	held      map[*Task]bool // in the run
	onDevice  map[*Task][][2]string
}

func (s *slots) init() {
	s.perDevice, s.perLabel = map[string]int{}, map[[2]string]int{}
	s.held, s.onDevice = map[*Task]bool{}, map[*Task][][2]string{}
}

// free reports whether a task on a device may start within the limits.
func (s *slots) free(l Limits, device string, labels map[string]string) bool {
	if l.Parallel > 0 && s.run >= l.Parallel || l.PerDevice > 0 && s.perDevice[device] >= l.PerDevice {
		return false
	}
	for k, n := range l.PerLabel {
		if v, ok := labels[k]; ok && n > 0 && s.perLabel[[2]string{k, v}] >= n {
			return false
		}
	}
	return true
}

func (s *slots) enter(t *Task, l Limits, labels map[string]string) {
	s.run++
	s.held[t] = true
	s.perDevice[t.spec.Device]++
	var keys [][2]string
	for k := range l.PerLabel {
		if v, ok := labels[k]; ok {
			key := [2]string{k, v}
			s.perLabel[key]++
			keys = append(keys, key)
		}
	}
	s.onDevice[t] = keys
}

// leaveDevice frees the device's and labels' slots; the run's stays taken. It
// reports whether there was one to free.
func (s *slots) leaveDevice(t *Task) bool {
	keys, ok := s.onDevice[t]
	if !ok {
		return false
	}
	delete(s.onDevice, t)
	s.perDevice[t.spec.Device]--
	for _, k := range keys {
		s.perLabel[k]--
	}
	return true
}

// leave frees every slot that the task holds.
func (s *slots) leave(t *Task) {
	if !s.held[t] {
		return
	}
	s.leaveDevice(t)
	delete(s.held, t)
	s.run--
}

// gate bounds the stores at one destination.
type gate struct {
	capacity int
	holders  map[*Task]bool
	queue    []*Task
}

// regate takes, queues or gives back the task's places at its destinations.
func (r *Run) regate(t *Task) {
	if len(r.gates) == 0 {
		return
	}
	wants := map[string]bool{}
	if t.phase == PhaseStore {
		for _, a := range t.Pending() {
			if a.Kind == ActStore || a.Kind == ActManifest {
				wants[a.Destination] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.gates)) {
		g := r.gates[name]
		queued := slices.Index(g.queue, t)
		switch {
		case wants[name] && !g.holders[t] && queued < 0:
			g.queue = append(g.queue, t)
		case !wants[name] && g.holders[t]:
			delete(g.holders, t)
		case !wants[name] && queued >= 0:
			g.queue = slices.Delete(g.queue, queued, queued+1)
		}
		for len(g.queue) > 0 && len(g.holders) < g.capacity {
			next := g.queue[0]
			g.queue = g.queue[1:]
			g.holders[next] = true
			r.dirty[next.spec.ID] = true
		}
	}
}

// dispatch starts what may start, in creation order.
func (r *Run) dispatch() {
	if r.stopped() {
		r.dismissForStop()
		return
	}
	if len(r.waiting) == 0 || !r.freed || r.full() {
		return
	}
	r.freed = false
	if w := r.spec.Window; w != nil && !w.Open(r.now) {
		r.dismissWaiting(CanceledBecauseMaintenanceWindow, fmt.Sprintf("window %s closed while the task was waiting", w.Name))
		return
	}
	var closes time.Time
	if w := r.spec.Window; w != nil {
		closes, _ = w.ClosesAt(r.now)
	}
	waiting := r.waiting
	kept := 0
	for i, t := range waiting {
		if t.Final() != nil {
			continue
		}
		if r.full() {
			kept += copy(waiting[kept:], waiting[i:])
			break
		}
		if !closes.IsZero() && closes.Sub(r.now) < t.spec.needs() {
			r.take(t, t.Dismiss(r.now, CanceledBecauseMaintenanceWindow, fmt.Sprintf(
				"window %s closes in %s, and quiesce and unquiesce of %s may take %s", r.spec.Window.Name, closes.Sub(r.now).Round(time.Second), t.target(), t.spec.needs())))
			continue
		}
		labels := r.spec.Devices[t.spec.Device].Labels
		if r.blockedBy(t) || !r.slots.free(r.spec.Limits, t.spec.Device, labels) {
			waiting[kept] = t
			kept++
			continue
		}
		r.ran = true
		r.slots.enter(t, r.spec.Limits, labels)
		r.take(t, t.Dispatch(r.now))
	}
	r.waiting = waiting[:kept]
}

// full reports whether as many tasks run as may run at all.
func (r *Run) full() bool {
	l := r.spec.Limits
	return l.Parallel > 0 && r.slots.run >= l.Parallel
}

func dependency(activity, device string) string { return activity + "\x00" + device }

// blockedBy reports whether an activity that the task depends on has living
// tasks on the task's own device. Their result does not matter.
func (r *Run) blockedBy(t *Task) bool {
	for _, a := range t.spec.Activity.DependsOn {
		if r.open[dependency(a, t.spec.Device)] > 0 {
			return true
		}
	}
	return false
}

// Dirty returns the tasks ("" for the run itself) whose pending actions may
// have changed since the last call.
func (r *Run) Dirty() []string {
	ids := slices.Sorted(maps.Keys(r.dirty))
	clear(r.dirty)
	return ids
}

// Pending is every action of the run and its tasks that should be in flight now.
func (r *Run) Pending() []Action {
	as := r.PendingOf("")
	for _, t := range r.tasks {
		as = append(as, r.PendingOf(t.spec.ID)...)
	}
	return as
}

// PendingOf is the part of Pending that belongs to one task ("" for the run itself).
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
	if len(r.waiting) > 0 && !r.stopped() {
		if w := r.spec.Window; w != nil {
			if at, ok := w.ClosesAt(r.now); ok {
				as = append(as, Action{ID: "timer/window", Kind: ActTimer, NotBefore: at})
			}
		}
		if q := r.spec.Timeouts.Queue; q > 0 {
			as = append(as, Action{ID: "timer/queue", Kind: ActTimer, NotBefore: r.start.Add(q)})
		}
	}
	switch r.stage {
	case stageDestinations:
		for _, d := range r.dests {
			if d.call.attempt > 0 && !d.call.done {
				as = append(as, Action{ID: fmt.Sprintf("check_destination/%s/%d", d.spec.Name, d.call.attempt), Kind: ActCheckDestination, Destination: d.spec.Name, NotBefore: d.call.notBefore})
			}
		}
	case stageInspect:
		for _, d := range r.devices {
			if d.call.attempt > 0 && !d.call.done {
				as = append(as, Action{ID: fmt.Sprintf("inspect/%s/%d", d.name, d.call.attempt), Kind: ActInspect, Device: d.name, NotBefore: d.call.notBefore})
			}
		}
	case stagePreScript:
		if s := r.spec.PreScript; s != nil && r.pre.begun && !r.pre.done {
			as = append(as, Action{ID: "script/plan_pre", Kind: ActScript, Script: s.Address, Hook: "plan_pre", Timeout: s.Timeout})
		}
	case stagePostScript:
		if s := r.spec.PostScript; s != nil && r.post.begun && !r.post.done {
			code, message, _ := r.judge()
			as = append(as, Action{ID: "script/plan_post", Kind: ActScript, Script: s.Address, Hook: "plan_post", Timeout: s.Timeout, Outcome: code, OutcomeMessage: message})
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
		return []Obligation{{ID: "plan_post_script", Kind: OwePostScript, Script: r.spec.PostScript.Address}}
	}
	return nil
}

// owesPostScript reports whether the plan's post-script must run even if the run is interrupted.
func (r *Run) owesPostScript() bool {
	s := r.spec.PostScript
	return s != nil && s.When != OnSuccess && r.pre.started && !r.post.done
}
