package runner

import (
	"sync"
	"time"

	"github.com/dprun/dprun/runner/event"
)

// viewPatience is how long a run waits for what shows it.
const viewPatience = time.Second

// patientSink hands what is published to a sink, in order and from one goroutine
// at a time. It waits for the sink, but not for long: output that is stopped
// (Ctrl-S, a pager that nobody scrolls) must not keep a gateway quiesced.
// What the sink is late with it gets when it goes on.
type patientSink struct {
	sink     event.Sink
	patience time.Duration

	mu      sync.Mutex
	queue   []*published
	running bool
	late    bool // the sink did not come back in time, and is not waited for
	failed  any  // it panicked when nobody waited
}

type published struct {
	show   func()
	done   chan struct{}
	failed any
}

func newPatientSink(s event.Sink) *patientSink { return &patientSink{sink: s, patience: viewPatience} }

// publish shows something, and waits for that up to a limit (0: none).
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
			panic(p.failed) // where it would have been without a goroutine between
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

// call gives what a function panicked with.
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

// Statuses implements [event.StatusesSink]: the sink is waited for once.
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
	if !o.behind() { // there will be news
		o.publish(o.patience, func() { o.sink.Progress(p) })
	}
}

func (o *patientSink) Log(l event.Log) { o.publish(o.patience, func() { o.sink.Log(l) }) }

func (o *patientSink) Settled(s event.Settled) { o.publish(o.patience, func() { o.sink.Settled(s) }) }

// Summary waits for everything before it: the run is over, and nothing is kept from it.
func (o *patientSink) Summary(s event.Summary) { o.publish(0, func() { o.sink.Summary(s) }) }
