package runner

import (
	"sync"
	"time"

	"github.com/dprun/dprun/runner/event"
)

// viewPatience is how long a run waits for its output to be shown.
const viewPatience = time.Second

// patientSink passes events on to a sink, in order and from one goroutine at a
// time. It waits for the sink only briefly: output that is stopped (Ctrl-S, a
// pager that nobody scrolls) must not keep a gateway quiesced. A late sink gets
// the missing events when it continues.
type patientSink struct {
	sink     event.Sink
	patience time.Duration

	mu      sync.Mutex
	queue   []*published
	running bool
	late    bool // the sink did not return in time, and is no longer waited for
	failed  any  // the value of a panic while nobody waited
}

type published struct {
	show   func()
	done   chan struct{}
	failed any
}

func newPatientSink(s event.Sink) *patientSink { return &patientSink{sink: s, patience: viewPatience} }

// publish passes an event on, and waits for that at most limit (0: without a
// limit).
func (o *patientSink) publish(limit time.Duration, show func()) {
	p := &published{show: show, done: make(chan struct{})}
	o.mu.Lock()
	if failed := o.failed; failed != nil {
		o.mu.Unlock()
		panic(failed)
	}
	o.queue = append(o.queue, p)
	if !o.running {
		o.running = true
		go o.deliver()
	}
	wait := !o.late || limit == 0
	o.mu.Unlock()
	if !wait {
		return
	}
	var over <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-p.done:
		if p.failed != nil {
			panic(p.failed) // as if there were no goroutine in between
		}
	case <-over:
		o.mu.Lock()
		o.late = o.running
		o.mu.Unlock()
	}
}

func (o *patientSink) deliver() {
	for {
		o.mu.Lock()
		if len(o.queue) == 0 {
			o.running, o.late = false, false
			o.mu.Unlock()
			return
		}
		p := o.queue[0]
		o.queue[0] = nil
		o.queue = o.queue[1:]
		o.mu.Unlock()
		p.failed = call(p.show)
		if p.failed != nil {
			o.mu.Lock()
			if o.late {
				o.failed = p.failed
			}
			o.mu.Unlock()
		}
		close(p.done)
	}
}

// call returns the value with which a function panicked; nil: it did not.
func call(f func()) (failed any) {
	defer func() { failed = recover() }()
	f()
	return nil
}

// behind reports whether the sink is late.
func (o *patientSink) behind() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.late
}

func (o *patientSink) Run(i event.RunInfo) { o.publish(o.patience, func() { o.sink.Run(i) }) }

func (o *patientSink) Status(s event.Status) { o.publish(o.patience, func() { o.sink.Status(s) }) }

// Statuses implements [event.StatusesSink]. It waits for the sink only once.
func (o *patientSink) Statuses(all []event.Status) {
	o.publish(o.patience, func() {
		if together, ok := o.sink.(event.StatusesSink); ok {
			together.Statuses(all)
			return
		}
		for _, s := range all {
			o.sink.Status(s)
		}
	})
}

func (o *patientSink) Progress(p event.Progress) {
	if !o.behind() { // newer progress will follow
		o.publish(o.patience, func() { o.sink.Progress(p) })
	}
}

func (o *patientSink) Log(l event.Log) { o.publish(o.patience, func() { o.sink.Log(l) }) }

func (o *patientSink) Settled(s event.Settled) { o.publish(o.patience, func() { o.sink.Settled(s) }) }

// Summary waits for all earlier events: the run is over, and its output must be
// complete.
func (o *patientSink) Summary(s event.Summary) { o.publish(0, func() { o.sink.Summary(s) }) }
