package engine

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Executor does one action. It returns when the action has ended; a cancelled
// context ends it early. It is called from many goroutines.
type Executor interface {
	Do(ctx context.Context, job Job) (*event.Result, error)
}

// Job is an action with what the executor needs to know about its task. It is a
// copy, because the machine goes on meanwhile.
type Job struct {
	Action lifecycle.Action
	// Task is nil for the run's own actions.
	Task     *lifecycle.TaskSpec
	Prepared *event.Prepared
	Captured []event.Captured
	// Stored are the reports on the copies at the action's destination, in the order of Captured.
	Stored  []sdk.StoreReport
	Started time.Time  // when the task was dispatched
	Facts   *sdk.Facts // of the action's device, once inspected
	// Results of the run so far, for the plan's post-script.
	Results []event.Status
	// Types are the activities' types, by name, for the same.
	Types map[string]string
	// Notify passes on what the machine must know before the action ends.
	Notify func(event.Notice)
	// Progress passes on how far a transfer is.
	Progress func(bytes, total int64)
}

// Journal makes batches durable.
type Journal interface {
	// Owe makes the obligations of a batch durable, apart from the history. If
	// it returns an error, nothing that they stand for may begin.
	Owe(b Batch) error
	// Append writes everything in one transaction, and returns when it is durable.
	Append(ctx context.Context, b Batch) error
	// Paid removes the obligations that a batch has settled. It needs no room,
	// and is called even if the rest cannot be written.
	Paid(b Batch)
}

// Batch is what one transaction holds.
type Batch struct {
	Events   []event.Event
	Statuses []event.Status
	Owe      []lifecycle.Obligation // new since the last batch
	Pay      []lifecycle.Obligation // no longer owed
}

func (b *Batch) add(more Batch) {
	b.Events = append(b.Events, more.Events...)
	b.Statuses = append(b.Statuses, more.Statuses...)
	b.Owe = append(b.Owe, more.Owe...)
	b.Pay = append(b.Pay, more.Pay...)
}

// Options are the parts of an engine.
type Options struct {
	Run      *lifecycle.Run
	Executor Executor
	Journal  Journal
	Clock    clock.Clock
	Sink     event.Sink
	Log      *slog.Logger
	// Signals asks the run to stop; each receipt is one request. It may be nil.
	Signals <-chan string
	// Until, when given, ends the engine early: it is asked after every batch.
	Until func(*lifecycle.Run) bool
	// Group is how long events may wait to be written together with later ones,
	// in real time; zero or less: not at all. Events that must be durable first
	// never wait, see pressing.
	Group time.Duration
}

// Engine drives one run. It is used once.
type Engine struct {
	Options
	results  chan result
	progress chan progress
	hands    chan func() // to goroutines that wait for something to do
	flights  map[flightKey]*flight
	byTask   map[string]map[lifecycle.ActionID]bool     // in flight, by task
	owed     map[string]map[string]lifecycle.Obligation // by task, by ID
	timers   timers                                     // flights whose time has not come
	underWay int                                        // calls of the executor that are at work
	wait     sync.WaitGroup
	broken   bool               // the journal
	waiting  Batch              // applied, neither written nor published yet
	held     []lifecycle.Action // begin when waiting is written
	due      <-chan time.Time   // when waiting has to be written; nil: nothing waits
	ctx      context.Context
	cancel   context.CancelFunc // everything that is under way
}

// result is an event that came back, and the flight that it came from. If that
// flight was given up, the event has no kind.
type result struct {
	event.Event
	from *flight
}

// progress is how much a flight has transferred.
type progress struct {
	event.Progress
	of flightKey
}

type flightKey struct {
	task   string
	action lifecycle.ActionID
}

func keyOf(a lifecycle.Action) flightKey { return flightKey{a.Task, a.ActionID} }

// New returns an engine.
func New(o Options) *Engine {
	ctx, cancel := context.WithCancel(context.Background())
	return &Engine{
		Options: o, ctx: ctx, cancel: cancel, results: make(chan result, 256), progress: make(chan progress, 64), hands: make(chan func()),
		flights: map[flightKey]*flight{}, byTask: map[string]map[lifecycle.ActionID]bool{}, owed: map[string]map[string]lifecycle.Obligation{},
	}
}

// Run applies the first event (RunStarted, or Interrupted after a replay) and
// drives the machine to its end. Cancelling ctx asks the run to stop, like a
// signal; the run still undoes what it must.
func (e *Engine) Run(ctx context.Context, first event.Event) (exit int) {
	defer e.cancel()
	waiter := e.Clock.Waiter()
	defer waiter.Stop()
	e.noteOwed("", nil) // after a replay: known already
	for _, t := range e.Options.Run.Tasks() {
		e.noteOwed(t.Spec().ID, nil)
	}
	e.handle([]result{{Event: first}})
	stop := ctx.Done()
	for {
		exit, done := e.Options.Run.Done()
		if done || e.Until != nil && e.Until(e.Options.Run) {
			if e.due != nil {
				e.writeWaiting()
				continue
			}
			e.cancelAll()
			e.drain()
			return exit
		}
		var next <-chan time.Time
		if e.due == nil { // else the moment passes before an instant counts
			next = waiter.Wait(e.timers.next(), e.underWay)
		}
		var batch []result
		select {
		case <-e.due:
			e.writeWaiting()
			continue
		case <-next:
			batch = e.ring()
		case r := <-e.results:
			batch = e.land(batch, r)
		case p := <-e.progress:
			e.publishProgress(p)
			continue
		case s := <-e.Signals:
			batch = append(batch, result{Event: event.Event{Kind: event.CancelRequested, Reason: s}})
		case <-stop:
			stop = nil
			batch = append(batch, result{Event: event.Event{Kind: event.CancelRequested, Reason: context.Cause(ctx).Error()}})
		}
		for more := true; more && len(batch) < 256; {
			select {
			case r := <-e.results:
				batch = e.land(batch, r)
			default:
				more = false
			}
		}
		if len(batch) > 0 {
			e.handle(batch)
		}
	}
}

// handle applies events and everything that follows from them at once, makes it
// durable, publishes it, and starts new actions. Actions that do not depend on
// durability start immediately; their events are committed with the next group.
// A store waits for the commit.
func (e *Engine) handle(events []result) {
	var b Batch
	var starts []lifecycle.Action
	for len(events) > 0 {
		for _, ev := range events {
			e.apply(ev.Event, ev.from, &b)
		}
		events = nil
		for _, id := range e.Options.Run.Dirty() {
			for _, a := range e.diff(id) {
				if e.broken && !a.Owed() && !a.Kind.Timer() {
					events = append(events, e.notBegun(a))
					continue
				}
				if a.Once() {
					events = append(events, result{Event: event.Event{Kind: event.Started, Task: id, Action: a.String()}})
				}
				starts = append(starts, a)
			}
			e.diffOwed(id, &b)
		}
	}
	e.waiting.add(b)
	if e.Group <= 0 || e.broken || e.pressing(b, starts) {
		e.held = append(e.held, starts...)
		e.writeWaiting()
		return
	}
	if e.due == nil {
		e.due = time.After(e.Group)
	}
	for _, a := range starts {
		if a.Kind == lifecycle.ActStore {
			e.held = append(e.held, a)
			continue
		}
		e.start(a)
	}
}

// pressing reports whether a batch must be durable at once, because actions wait
// for it and a gateway may be down meanwhile. An action that can be repeated may
// start earlier: if a crash loses its events, recovery does it again, or finds
// it done. A store needs the journal to know the name that it writes under, so
// it waits together with others, unless nothing is in flight that it could wait
// for.
func (e *Engine) pressing(b Batch, starts []lifecycle.Action) bool {
	return len(b.Owe) > 0 || len(b.Pay) > 0 || slices.ContainsFunc(starts, func(a lifecycle.Action) bool {
		return a.Once() || a.Owed() || a.Kind == lifecycle.ActStore && e.underWay == 0
	})
}

// writeWaiting writes and publishes the waiting events, and starts the actions
// that were held.
func (e *Engine) writeWaiting() {
	held := e.held
	e.held = nil
	if !e.write() {
		// None of these actions may start; obligations are settled regardless.
		e.handle(e.startOwed(held))
		return
	}
	for _, a := range held {
		e.start(a)
	}
}

// write makes the waiting events durable and publishes them. It publishes them
// in any case; false means that this write was the first to fail.
func (e *Engine) write() bool {
	b := e.waiting
	e.waiting, e.due = Batch{}, nil
	err := e.commit(b)
	if err != nil {
		e.Log.Error("the journal cannot be written", "error", err)
		e.broken = true
	}
	e.publish(b)
	if e.Journal != nil && len(b.Pay) > 0 {
		e.Journal.Paid(b)
	}
	return err == nil
}

// startOwed starts the actions that settle obligations when the journal has
// failed. For the others it returns that they were not begun.
func (e *Engine) startOwed(starts []lifecycle.Action) []result {
	var events, ended []result
	for _, a := range starts {
		if a.Owed() || a.Kind.Timer() {
			e.start(a)
			continue
		}
		if a.Once() {
			events = append(events, result{Event: event.Event{Kind: event.NotBegun, Task: a.Task, Action: a.String()}})
		}
		ended = append(ended, e.notBegun(a))
	}
	return append(append(events, result{Event: event.Event{Kind: event.JournalFailed}}), ended...)
}

// notBegun answers an action that cannot be begun.
func (e *Engine) notBegun(a lifecycle.Action) result {
	return result{from: e.flights[keyOf(a)], Event: event.Event{Kind: event.Finished, Task: a.Task, Action: a.String(),
		Failure: failure.New(failure.Cancelled, "", "%s was not begun: the journal cannot be written", a.Kind)}}
}

// apply folds an event into the machine. from is the flight that the event ends.
// The result of a flight that was given up must not end another flight of the
// same name.
func (e *Engine) apply(ev event.Event, from *flight, b *Batch) {
	ev.V = event.Version
	if ev.Time.IsZero() {
		ev.Time = e.Clock.Now()
	}
	if ev.Kind == event.Finished && from != nil && e.flights[keyOf(from.action)] == from && !from.holds(ev) {
		delete(e.flights, keyOf(from.action))
		delete(e.byTask[ev.Task], from.action.ActionID)
	}
	b.Events = append(b.Events, ev)
	b.Statuses = append(b.Statuses, e.Options.Run.Apply(ev)...)
}

// holds reports whether a flight that ended with this event keeps what it was
// granted. It then stays in flight until the machine no longer wants it.
func (f *flight) holds(ended event.Event) bool {
	return f.action.Kind.Held() && ended.Failure == nil
}

// diff compares the actions that one task wants in flight with those that are.
// It cancels those that are no longer wanted, and returns the new ones, marked
// as under way.
func (e *Engine) diff(id string) []lifecycle.Action {
	wanted := e.Options.Run.PendingOf(id)
	want := make(map[lifecycle.ActionID]bool, len(wanted))
	var fresh []lifecycle.Action
	for _, a := range wanted {
		want[a.ActionID] = true
		key := flightKey{id, a.ActionID}
		f := e.flights[key]
		if f != nil && f.action.Kind.Timer() && !f.action.NotBefore.Equal(a.NotBefore) {
			e.stop(f) // the timer was moved
			f = nil
		}
		if f == nil {
			e.flights[key] = &flight{action: a, at: -1}
			e.taskFlights(id)[a.ActionID] = true
			fresh = append(fresh, a)
		}
	}
	flying := e.byTask[id]
	for action := range flying {
		if want[action] {
			continue
		}
		if f := e.flights[flightKey{id, action}]; f != nil {
			e.stop(f)
			delete(e.flights, flightKey{id, action})
		}
		delete(flying, action)
	}
	if len(flying) == 0 {
		delete(e.byTask, id) // a run has many tasks, and few of them are under way
	}
	return fresh
}

func (e *Engine) taskFlights(id string) map[lifecycle.ActionID]bool {
	m := e.byTask[id]
	if m == nil {
		m = map[lifecycle.ActionID]bool{}
		e.byTask[id] = m
	}
	return m
}

// do calls the executor and turns a panic into an internal failure.
func (e *Engine) do(ctx context.Context, job Job) (res *event.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			e.Log.Error("panic in an action", "action", job.Action.String(), "task", job.Action.Task, "panic", p)
			err = failure.New(failure.Internal, "", "internal error in %s: %v", job.Action, p)
		}
	}()
	return e.Executor.Do(ctx, job)
}

func (e *Engine) job(ctx context.Context, f *flight) Job {
	a := f.action
	j := Job{Action: a, Facts: e.Options.Run.Facts(a.Device)}
	if t := e.Options.Run.Task(a.Task); t != nil {
		spec := t.Spec()
		j.Task, j.Prepared, j.Captured, j.Started = &spec, t.Prepared(), t.Captured(), t.Started()
		j.Stored = t.Stored(a.Destination)
	} else if a.Kind == lifecycle.ActScript {
		j.Types = map[string]string{}
		for _, activity := range e.Options.Run.Spec().Activities {
			j.Types[activity.Name] = activity.Type
		}
		for _, t := range e.Options.Run.Tasks() {
			if s := t.Final(); s != nil {
				j.Results = append(j.Results, *s)
			}
		}
	}
	j.Notify = func(n event.Notice) {
		select {
		case e.results <- result{event.Event{Kind: event.Progressed, Task: a.Task, Action: a.String(), Notice: &n, Time: e.Clock.Now()}, f}:
		case <-ctx.Done():
		}
	}
	j.Progress = func(bytes, total int64) {
		select {
		case e.progress <- progress{event.Progress{Run: e.Options.Run.Spec().ID, Task: a.Task, Action: a.String(), Bytes: bytes, Total: total, Time: e.Clock.Now()}, keyOf(a)}:
		default: // a view that is behind misses some: it is only progress
		}
	}
	return j
}

func (e *Engine) commit(b Batch) error {
	if e.Journal == nil {
		return nil
	}
	if err := e.Journal.Owe(b); err != nil && !e.broken {
		return err
	}
	if e.broken {
		return nil
	}
	// Not the run's context: events are written down even while the run is being
	// stopped.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := e.Journal.Append(ctx, b); err != nil {
		return fmt.Errorf("append to the journal: %w", err)
	}
	return nil
}

// publish sends statuses to the sinks. A status is final only once it is
// durable; recovery enters one that could not be written.
func (e *Engine) publish(b Batch) {
	if e.broken {
		for i := range b.Statuses {
			b.Statuses[i].Final = false
		}
	}
	if together, ok := e.Sink.(event.StatusesSink); ok && len(b.Statuses) > 0 {
		together.Statuses(b.Statuses)
		return
	}
	for _, s := range b.Statuses {
		e.Sink.Status(s)
	}
}

func (e *Engine) publishProgress(p progress) {
	if _, ok := e.flights[p.of]; ok {
		e.Sink.Progress(p.Progress)
	}
}

// diffOwed notes what a task owes now that it did not owe before, and what it has paid.
func (e *Engine) diffOwed(id string, b *Batch) {
	before := e.owed[id]
	now := e.noteOwed(id, e.Options.Run.Obligations(id))
	for k, o := range now {
		if _, ok := before[k]; !ok {
			b.Owe = append(b.Owe, o)
		}
	}
	for k, o := range before {
		if _, ok := now[k]; !ok {
			b.Pay = append(b.Pay, o)
		}
	}
}

func (e *Engine) noteOwed(id string, os []lifecycle.Obligation) map[string]lifecycle.Obligation {
	if os == nil && e.owed[id] == nil {
		os = e.Options.Run.Obligations(id)
	}
	m := make(map[string]lifecycle.Obligation, len(os))
	for _, o := range os {
		m[o.ID] = o
	}
	if len(m) == 0 {
		delete(e.owed, id)
		return nil
	}
	e.owed[id] = m
	return m
}

// cancelAll gives up what is still in flight at the end.
func (e *Engine) cancelAll() {
	e.cancel()
	clear(e.flights)
}

// drain waits for every goroutine, so that nothing outlives the run.
func (e *Engine) drain() {
	done := make(chan struct{})
	go func() { e.wait.Wait(); close(done) }()
	for {
		select {
		case <-e.results:
		case <-e.progress:
		case <-done:
			return
		}
	}
}
