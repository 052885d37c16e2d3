package lifecycle

import (
	"maps"
	"slices"
)

// gate bounds the stores at one destination.
type gate struct {
	capacity int
	holders  map[*Task]bool
	queue    []ticket // those that gave up are passed over when it is their turn
	queued   map[*Task]int
	drawn    int
}

// ticket is a place in a gate's queue; the task holds it while queued has its number.
type ticket struct {
	task   *Task
	number int
}

func newGate(capacity int) *gate {
	return &gate{capacity: capacity, holders: map[*Task]bool{}, queued: map[*Task]int{}}
}

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
}

// next admits the task whose turn it is, or gives nil.
func (g *gate) next() *Task {
	for len(g.queue) > 0 && len(g.holders) < g.capacity {
		first := g.queue[0]
		g.queue = g.queue[1:]
		if g.queued[first.task] == first.number {
			delete(g.queued, first.task)
			g.holders[first.task] = true
			return first.task
		}
	}
	return nil
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
		if wants[name] {
			g.want(t)
		} else {
			g.leave(t)
		}
		for next := g.next(); next != nil; next = g.next() {
			r.dirty[next.spec.ID] = true
		}
	}
}
