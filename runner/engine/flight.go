package engine

import (
	"container/heap"
	"context"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/sdk/failure"
)

// flight is an action from the moment at which the machine wants it until the
// machine no longer does. It waits for its time, and then it is a call of the
// executor. A timer only waits for its time.
type flight struct {
	action lifecycle.Action
	at     int                // its place among the timers; -1: it is none of them
	cancel context.CancelFunc // of the call; nil: there is none yet
	idle   bool               // the call waits for a lock
}

// timers are the flights whose time has not come, the earliest first.
type timers []*flight

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].action.NotBefore.Before(t[j].action.NotBefore) }
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].at, t[j].at = i, j
}

// Push implements heap.Interface.
func (t *timers) Push(x any) {
	f := x.(*flight)
	f.at = len(*t)
	*t = append(*t, f)
}

// Pop implements heap.Interface.
func (t *timers) Pop() any {
	last := len(*t) - 1
	f := (*t)[last]
	(*t)[last] = nil
	*t, f.at = (*t)[:last], -1
	return f
}

// next is the earliest time; zero when there is none.
func (t timers) next() time.Time {
	switch {
	case len(t) == 0:
		return time.Time{}
	case t[0].action.NotBefore.IsZero():
		return time.Unix(0, 0) // long due
	}
	return t[0].action.NotBefore
}

// start begins an action: at once, or when its time comes.
func (e *Engine) start(a lifecycle.Action) {
	f := e.flights[keyOf(a)]
	switch {
	case f == nil || f.at >= 0 || f.cancel != nil: // given up before it began, or begun already
	case a.Kind.Timer() || a.NotBefore.After(e.Clock.Now()):
		heap.Push(&e.timers, f)
	default:
		e.launch(f)
	}
}

// ring takes the flights whose time has come. It starts their calls, and returns
// the results of those that are only timers.
func (e *Engine) ring() []result {
	var out []result
	for now := e.Clock.Now(); len(e.timers) > 0 && !e.timers.next().After(now); {
		f := heap.Pop(&e.timers).(*flight)
		if !f.action.Kind.Timer() {
			e.launch(f)
			continue
		}
		out = append(out, result{event.Event{Kind: event.Finished, Task: f.action.Task, Action: f.action.String(), Time: now}, f})
	}
	return out
}

// launch calls the executor in a goroutine. Exactly one result comes back,
// unless the engine ends before.
func (e *Engine) launch(f *flight) {
	ctx, cancel := context.WithCancel(e.ctx)
	f.cancel = cancel
	e.underWay++
	job := e.job(ctx, f)
	e.beside(func() {
		res, err := e.do(ctx, job)
		r := result{event.Event{Kind: event.Finished, Task: f.action.Task, Action: f.action.String(), Result: res, Failure: failure.From(err), Time: e.Clock.Now()}, f}
		if ctx.Err() != nil {
			r.Event = event.Event{} // nobody wants it any more
		}
		if !f.action.Kind.Held() || err != nil {
			cancel() // what is held is given back when the flight is stopped
		}
		select {
		case e.results <- r:
		case <-e.ctx.Done():
		}
	})
}

// beside runs f in an idle goroutine, or in a new one. Goroutines are kept until
// the engine ends, because the stack of a new one has to grow first.
func (e *Engine) beside(f func()) {
	select {
	case e.hands <- f:
		return
	default:
	}
	e.wait.Go(func() {
		for {
			f()
			select {
			case f = <-e.hands:
			case <-e.ctx.Done():
				return
			}
		}
	})
}

// land counts a call that has come back, and adds what it led to.
func (e *Engine) land(batch []result, r result) []result {
	switch {
	case r.Kind != event.Progressed:
		e.setIdle(r.from, false)
		e.underWay--
	case r.Notice.Waiting != "":
		e.setIdle(r.from, true)
	}
	if r.Kind == "" {
		return batch
	}
	return append(batch, r)
}

// setIdle notes whether a call waits for a lock; it then does no work.
func (e *Engine) setIdle(f *flight, idle bool) {
	switch {
	case idle && !f.idle:
		e.underWay--
	case !idle && f.idle:
		e.underWay++
	}
	f.idle = idle
}

// stop gives a flight up.
func (e *Engine) stop(f *flight) {
	if f.at >= 0 {
		heap.Remove(&e.timers, f.at)
	}
	if f.cancel != nil {
		f.cancel()
	}
}
