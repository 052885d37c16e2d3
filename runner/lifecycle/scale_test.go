package lifecycle

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/dprun/dprun/plan/pattern"
	"github.com/dprun/dprun/plan/window"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/need"
)

// fleets are runs of n tasks, each of a shape in which something waits: for a
// slot, for a place at a destination, for an inspection, for another activity.
var fleets = map[string]func(n int) *fleet{
	"few at once":   func(n int) *fleet { return exports(n/10, 10, Limits{Parallel: 64, PerDevice: 1}) },
	"one device":    func(n int) *fleet { return exports(1, n, Limits{Parallel: 64, PerDevice: 1}) },
	"one label":     func(n int) *fleet { return exports(n, 1, Limits{Parallel: 64, PerLabel: map[string]int{"site": 1}}) },
	"a device each": func(n int) *fleet { return exports(n, 1, Limits{Parallel: 64}) },
	"all at once":   func(n int) *fleet { return exports(n/10, 10, Limits{}) },
	"whole devices": func(n int) *fleet {
		f := exports(n, 1, Limits{Parallel: 64})
		f.spec.Activities[0].Scope = schema.ScopeDevice
		return f
	},
	"a chain": chain,
	"a window": func(n int) *fleet {
		f := exports(1, n, Limits{Parallel: 64, PerDevice: 1})
		f.spec.Window = night()
		return f
	},
	"halted at once":     func(n int) *fleet { return halted(n, 8) },
	"halted half way":    func(n int) *fleet { return halted(n, n/2) },
	"cancelled half way": func(n int) *fleet { f := exports(n/10, 10, Limits{Parallel: n / 2}); f.cancel = true; return f },
}

func night() *window.Window {
	return &window.Window{Name: "night", Timezone: "UTC", Allow: []window.Allow{{From: "21:00", To: "23:59"}}}
}

// fleet is a run whose actions are answered at once.
type fleet struct {
	spec    RunSpec
	domains []sdk.Domain
	fail    bool // the first capture fails
	cancel  bool // the run is cancelled at the first capture
	until   func(*Run) bool
	slow    bool // stores are answered when nothing else is to be done
	away    bool // and the first of them by nobody
}

func exports(devices, domains int, l Limits) *fleet {
	f := &fleet{spec: RunSpec{ID: "r", Plan: "p", Limits: l, Timeouts: Timeouts{Queue: 24 * time.Hour, Run: time.Hour},
		Destinations: []Destination{{Name: "file.a", Parallel: 8}}, Devices: map[string]Device{}}}
	a := Activity{Name: "x", Scope: schema.ScopeDomain, Quiesce: QuiesceNone, Domains: pattern.Set{{Match: []string{"*"}}}}
	for i := range devices {
		name := fmt.Sprintf("d%05d", i)
		f.spec.Devices[name] = Device{Labels: map[string]string{"site": "one"}}
		a.Devices = append(a.Devices, name)
	}
	for i := range domains {
		f.domains = append(f.domains, sdk.Domain{Name: fmt.Sprintf("app%05d", i)})
	}
	f.spec.Activities = []Activity{a}
	return f
}

// chain is two activities on every device, one after the other.
func chain(n int) *fleet {
	f := exports(n/2, 1, Limits{Parallel: 64})
	second := f.spec.Activities[0]
	second.Name, second.DependsOn = "w", []string{"x"}
	f.spec.Activities = []Activity{second, f.spec.Activities[0]}
	return f
}

// halted is a run of which the first task fails while others run.
func halted(n, parallel int) *fleet {
	f := exports(n/10, 10, Limits{Parallel: parallel})
	f.spec.ErrorPolicy, f.fail = Halt, true
	return f
}

// walk runs it to its end as the engine does: actions that are new in what a
// task wants are answered in the order of their beginning.
func (f *fleet) walk(tb testing.TB) (run *Run, events int) {
	tb.Helper()
	run = NewRun(f.spec)
	type flight struct {
		task   string
		action ActionID
	}
	flying := map[flight]bool{}
	var queue, stores []Action
	apply := func(e event.Event) {
		e.Time = epoch
		events++
		run.Apply(e)
		for _, id := range run.Dirty() {
			for _, a := range run.PendingOf(id) {
				if key := (flight{id, a.ActionID}); !a.Kind.Timer() && !flying[key] {
					flying[key] = true
					queue = append(queue, a)
				}
			}
		}
	}
	apply(event.Event{Kind: event.RunStarted})
	for len(queue)+len(stores) > 0 && (f.until == nil || !f.until(run)) {
		for f.slow && len(queue) > 0 && queue[0].Kind == ActStore {
			stores, queue = append(stores, queue[0]), queue[1:]
		}
		if len(queue) == 0 {
			queue, stores = stores[:1:1], stores[1:]
		}
		a := queue[0]
		queue = queue[1:]
		e := event.Event{Kind: event.Finished, Task: a.Task, Action: a.String(), Result: &event.Result{}}
		switch a.Kind {
		case ActInspect:
			e.Result.Inspection = &sdk.Inspection{Domains: f.domains}
		case ActPrepare:
			e.Result.Prepared = &event.Prepared{}
		case ActValidate, ActCheck, ActRecheck:
			e.Result.Check = &sdk.CheckReport{Space: sdk.Space{FreeTemporary: -1}, Variants: []string{sdk.VariantPersisted}}
		case ActStore:
			if f.away {
				f.away = false
				e.Failure = failure.New(failure.Unavailable, "", "it does not answer")
			}
		case ActCapture:
			switch {
			case f.cancel:
				f.cancel = false
				apply(event.Event{Kind: event.CancelRequested, Reason: "SIGTERM"})
			case f.fail:
				f.fail = false
				e.Failure = failure.New(failure.Denied, failure.NotPermitted, "refused")
			}
			e.Result.Capture = &event.Captured{Variant: a.Variant, Artifacts: []event.Artifact{{Name: "a"}}}
		}
		apply(e)
		if !a.Kind.Held() {
			delete(flying, flight{a.Task, a.ActionID})
		}
	}
	if _, done := run.Done(); !done && f.until == nil {
		tb.Fatalf("the run does not end; %d events, pending: %.10q", events, ids(run.Pending()))
	}
	return run, events
}

// BenchmarkRun walks 10,000 tasks from the first event to the exit code.
func BenchmarkRun(b *testing.B) {
	for name, make := range fleets {
		b.Run(name, func(b *testing.B) {
			total := 0
			for b.Loop() {
				_, events := make(10_000).walk(b)
				total += events
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(total), "ns/event")
		})
	}
}

// These tests measure processor time, and alone: they must not run beside
// others. Work that grows with the square of the tasks would cost a task of
// the larger run eight times as much.

func TestATaskCostsTheSameInALargeRun(t *testing.T) {
	for _, name := range []string{"one device", "one label", "a window", "a chain", "whole devices", "all at once"} {
		t.Run(name, func(t *testing.T) {
			costsTheSame(t, 500, 4000, func(n int) (time.Duration, int) {
				f := fleets[name](n)
				begun := processorTime(t)
				if run, _ := f.walk(t); len(run.Tasks()) != n {
					t.Fatalf("%d tasks, want %d", len(run.Tasks()), n)
				}
				return processorTime(t) - begun, n
			})
		})
	}
}

// What a run still hears of the tasks under way after a halt costs the same
// however many tasks were dismissed by it.
func TestAnEventAfterAHaltCostsTheSameInALargeRun(t *testing.T) {
	costsTheSame(t, 1250, 10_000, func(n int) (time.Duration, int) {
		f := halted(n, 8)
		var ended time.Duration
		begun := processorTime(t)
		f.until = func(r *Run) bool { return r.stop == stopHalted }
		run, _ := f.walk(t)
		if ended = processorTime(t) - begun; ended > 5*time.Second {
			t.Errorf("%d tasks were expanded and dismissed in %s", n, ended)
		}
		var going *Task
		for _, task := range run.Tasks() {
			switch {
			case task.Final() == nil:
				going = task
			case status.Code(task.Final().Code) != status.CanceledBecauseErrorPolicy && !task.Failed():
				t.Fatalf("task %s ended in %s", task.Spec().ID, task.Final().Code)
			}
		}
		const more = 10_000
		begun = processorTime(t)
		for range more {
			run.Apply(event.Event{Kind: event.Progressed, Time: epoch, Task: going.Spec().ID, Action: "capture/persisted/1", Notice: &event.Notice{}})
		}
		return processorTime(t) - begun, more
	})
}

// costsTheSame compares what one of few and one of many cost. Whatever else
// the machine does makes it seem more, so a second look may acquit.
func costsTheSame(t *testing.T, small, large int, cost func(n int) (total time.Duration, of int)) {
	t.Helper()
	best := map[int]time.Duration{}
	for range 5 {
		for _, n := range []int{small, large} {
			total, of := cost(n)
			each := total / time.Duration(of)
			if b, ok := best[n]; !ok || each < b {
				best[n] = each
			}
		}
		if best[large] < 2*best[small]+time.Microsecond {
			return
		}
	}
	t.Errorf("in a run of %d tasks one costs %s, and in one of %d it costs %s", small, best[small], large, best[large])
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	need.Done(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestCapturesRunOnlySoFarAheadOfStores, but for a destination that is away:
// its time may come when the window is closed.
func TestCapturesRunOnlySoFarAheadOfStores(t *testing.T) {
	t.Parallel()
	const tasks = storesAtMost + 500
	for _, away := range []bool{false, true} {
		f := exports(1, tasks, Limits{Parallel: 8})
		f.slow, f.away = true, away
		most := 0
		f.until = func(r *Run) bool {
			most = max(most, len(r.backlog.stored))
			return away && most == tasks-8
		}
		run, _ := f.walk(t)
		if _, done := run.Done(); !away && (most > storesAtMost+8 || !done) {
			t.Errorf("%d tasks waited to be stored; the run is done: %v", most, done)
		}
		if away && most < tasks-8 {
			t.Errorf("with a destination that is away %d tasks were captured", most)
		}
	}
}
