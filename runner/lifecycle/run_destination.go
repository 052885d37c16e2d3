package lifecycle

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// gate is what the run knows about one destination: who stores there, and
// whether it answers. While it does not answer, one store at a time tries it,
// with growing pauses. The others wait, and their time-outs do not run. Captures
// and the other destinations go on.
type gate struct {
	name     string
	capacity int // stores at once; zero: no bound
	holders  map[*Task]bool
	queue    []ticket // those that gave up are passed over when it is their turn
	queued   map[*Task]int
	drawn    int

	door     door
	failures int       // of stores in a row, because it did not answer
	until    time.Time // when the next one may try
	trying   *Task     // the one that does

	// dead is why the checks of the destination were given up, and checkAfter
	// when a task may check it again. Until then new tasks go on without it.
	dead       *failure.Error
	checks     int
	checkAfter time.Time
	checking   *Task

	// refused is the login that was refused. It is not tried again in this run:
	// an account may be locked after a few.
	refused *failure.Error
}

// ticket is a place in a gate's queue; the task holds it while queued has its number.
type ticket struct {
	task   *Task
	number int
}

func newGate(name string, capacity int) *gate {
	return &gate{name: name, capacity: capacity, holders: map[*Task]bool{}, queued: map[*Task]int{}}
}

func (g *gate) on(e doorEvent) { g.door = doors.after(g.door, e) }

// away reports whether the destination did not answer, and has not answered
// since.
func (g *gate) away() bool { return g.door == doorAway || g.door == doorTrying }

// want queues a task that neither holds a place nor waits for one.
func (g *gate) want(t *Task) {
	if g.holders[t] || g.queued[t] > 0 {
		return
	}
	g.drawn++
	g.queued[t] = g.drawn
	g.queue = append(g.queue, ticket{t, g.drawn})
}

// leave gives back the task's place, or its ticket.
func (g *gate) leave(t *Task) {
	delete(g.holders, t)
	delete(g.queued, t)
	if g.door == doorTrying && g.trying == t {
		g.on(doorLeaves)
	}
}

func (g *gate) room() bool { return g.capacity <= 0 || len(g.holders) < g.capacity }

// next admits the task whose turn it is, or returns nil.
func (g *gate) next(now time.Time) *Task {
	for len(g.queue) > 0 && g.room() {
		if g.door == doorTrying || g.door == doorAway && now.Before(g.until) {
			return nil
		}
		first := g.queue[0]
		g.queue = g.queue[1:]
		if g.queued[first.task] == first.number {
			delete(g.queued, first.task)
			g.holders[first.task] = true
			if g.door == doorAway {
				g.on(doorTries)
				g.trying = first.task
			}
			return first.task
		}
	}
	return nil
}

// fail notes that a store got no answer. If several were under way together, the
// first failure counts.
func (g *gate) fail(t *Task, now time.Time, seed uint64) {
	if g.door == doorAway || g.door == doorTrying && g.trying != t {
		return
	}
	g.on(doorFails)
	g.failures++
	g.until = now.Add(growing(seed, g.name, g.failures, storeMost))
}

// answers reports whether the failure came from the destination itself.
func answers(f *failure.Error) bool {
	return f == nil || !f.Kind.Retryable() && f.Kind != failure.Internal && f.Kind != failure.Cancelled
}

// listen notes what a task learned about its destinations.
func (r *Run) listen(t *Task) {
	news := t.heard
	t.heard = nil
	for _, n := range news {
		g := r.gates[n.destination]
		switch {
		case g == nil:
		case n.failure != nil && credentialRefused(n.failure):
			r.shut(g, n.failure)
		case n.from == ActCheckDestination:
			r.checkedDestination(g, t, n.failure)
		case answers(n.failure):
			r.reopen(g)
		case mayPass(n.failure, maxAttempts):
			g.fail(t, r.now, r.spec.Seed)
			r.freed = true       // nobody waits for a destination that is away
			if g.failures == 1 { // the time of those that wait counts from here
				for o := range g.queued {
					o.away(g.name, r.now)
					r.dirty[o.id] = true
				}
			}
		}
	}
}

// checkedDestination notes the result of a check: of the run's own, or of a
// task's.
func (r *Run) checkedDestination(g *gate, t *Task, f *failure.Error) {
	if g.checking == t {
		g.checking = nil
	}
	if f == nil || !f.Kind.Retryable() {
		g.dead, g.checks = nil, 0
		return
	}
	g.dead = f
	g.checks++
	g.checkAfter = r.now.Add(growing(r.spec.Seed, g.name+"/check", g.checks, storeMost))
}

// reopen lets everybody store at a destination that answered.
func (r *Run) reopen(g *gate) {
	g.dead, g.checks = nil, 0
	away := g.away()
	g.on(doorAnswers)
	if !away {
		return
	}
	g.failures = 0
	for t := range g.queued {
		t.back(g.name)
		r.dirty[t.id] = true
	}
}

// shut ends what tasks still want of a destination that refused the login.
func (r *Run) shut(g *gate, f *failure.Error) {
	if g.door == doorShut {
		return
	}
	g.on(doorRefuses)
	g.refused = f
	for _, t := range r.tasks {
		if t.Final() == nil && t.stores(g.name) {
			r.take(t, t.refuseStore(r.now, g.name, f))
		}
	}
}

// regate takes, queues or gives back the task's places at its destinations.
func (r *Run) regate(t *Task) {
	r.listen(t)
	for _, name := range slices.Sorted(maps.Keys(r.gates)) {
		g := r.gates[name]
		if t.phase == PhasePreChecks {
			r.spareCheck(g, t)
			continue
		}
		switch {
		case !t.stores(name):
			g.leave(t)
		case g.door == doorShut:
			r.take(t, t.refuseStore(r.now, name, g.refused))
			return // that came here again
		default:
			g.want(t)
			if g.away() && g.queued[t] > 0 {
				t.away(name, r.now)
			}
		}
		r.admit(g)
	}
}

// admit lets stores begin at a destination.
func (r *Run) admit(g *gate) {
	for next := g.next(r.now); next != nil; next = g.next(r.now) {
		next.letStore(g.name, r.now)
		r.dirty[next.id] = true
	}
	if g.away() {
		r.dirty[""] = true
	}
}

// spareCheck answers a task's check of a destination that the run knows to be
// unusable. Now and then one task checks all the same.
func (r *Run) spareCheck(g *gate, t *Task) {
	if !t.asksDestination(g.name) || g.checking == t {
		return
	}
	switch {
	case g.door == doorShut:
		r.take(t, t.withoutDestination(r.now, g.name, "it was refused before in this run: "+g.refused.Error(), g.refused))
	case g.dead == nil:
	case r.now.Before(g.checkAfter):
		r.take(t, t.withoutDestination(r.now, g.name, "it did not answer before: "+g.dead.Error(), g.dead))
	default:
		g.checking = t
		g.checkAfter = r.now.Add(growing(r.spec.Seed, g.name+"/check", g.checks, storeMost))
	}
}

// pendingGates wakes the run when a destination that did not answer may be
// tried again.
func (r *Run) pendingGates() (as []Action) {
	for _, name := range slices.Sorted(maps.Keys(r.gates)) {
		if g := r.gates[name]; g.door == doorAway && len(g.queued) > 0 && g.room() {
			as = append(as, Action{ActionID: ActionID{Kind: ActDestinationTimer, Target: name}, Destination: name, NotBefore: g.until})
		}
	}
	return as
}

// pendingDestinations is the run's own check of every destination, side by side.
func (r *Run) pendingDestinations() (as []Action) {
	for _, d := range r.dests {
		if d.call.asking() {
			as = append(as, Action{ActionID: ActionID{Kind: ActCheckDestination, Target: d.spec.Name, Attempt: d.call.attempt}, Destination: d.spec.Name, NotBefore: d.call.notBefore})
		}
	}
	return as
}

// advanceDestinations checks every destination before any device is contacted.
// The run goes on with the first that can be used, and stops if none can.
func (r *Run) advanceDestinations() {
	if r.stopped() {
		r.to(stageStops)
		return
	}
	var usable, open bool
	for _, d := range r.dests {
		d.call.begin(r.now)
		open = open || d.call.asking()
		usable = usable || d.call.state == callAnswered && d.short == ""
	}
	switch {
	case usable && !(open && r.spec.AwaitDestinations), len(r.dests) == 0:
		r.to(stageNext)
	case !open:
		code, message := r.dests[0].verdict()
		message += "; no destination is left, and no device was contacted"
		r.expandUncontacted(status.PlanFailedPreValidation, message)
		r.end(code, message, exitPlanCheck)
	}
}

// verdict says why a destination cannot be used.
func (d *runDestination) verdict() (status.Code, string) {
	f := d.call.failure
	switch {
	case f == nil:
		return status.RunStoreOutOfSpace, fmt.Sprintf("destination %s: %s", d.spec.Name, d.short)
	case f.Kind == failure.NoSpace:
		return status.RunStoreOutOfSpace, fmt.Sprintf("destination %s: %s", d.spec.Name, f.Error())
	}
	return status.RunStoreIsNotMounted, fmt.Sprintf("destination %s: %s", d.spec.Name, f.Error())
}

// onDestinationChecked folds the result of the run's own check.
func (r *Run) onDestinationChecked(a Action, report *sdk.DestinationReport, f *failure.Error) {
	for _, d := range r.dests {
		if d.spec.Name != a.Destination {
			continue
		}
		if d.call.settlePatiently(f, r.now, r.spec.Seed, a.String()); f == nil {
			d.short = d.spec.MinFree.short(report, 0)
			if report != nil {
				d.warnings = report.Warnings
			}
		}
		if !d.call.done() {
			if d.call.failed == 1 && r.stage == stageDestinations { // nothing else is to be seen until then
				r.enter(status.WaitingForPreValidation, fmt.Sprintf("waiting for destination %s: %s; trying until %s", d.spec.Name, f.Error(), d.call.begun.Add(patience).Format(time.TimeOnly)))
			}
			return
		}
		g := r.gates[d.spec.Name]
		if f != nil && credentialRefused(f) {
			r.shut(g, f)
			return
		}
		r.checkedDestination(g, nil, f)
	}
}
