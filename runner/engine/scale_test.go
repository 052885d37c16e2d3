package engine

import (
	"context"
	"fmt"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/dprun/dprun/plan/pattern"
	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/need"
)

// fleet is a world of devices that do everything at once.
type fleet struct{ domains []sdk.Domain }

func (f *fleet) Do(_ context.Context, j Job) (*event.Result, error) {
	r := &event.Result{}
	switch j.Action.Kind {
	case lifecycle.ActInspect:
		r.Inspection = &sdk.Inspection{Domains: f.domains}
	case lifecycle.ActPrepare:
		r.Prepared = &event.Prepared{}
	case lifecycle.ActCheck, lifecycle.ActRecheck:
		r.Check = &sdk.CheckReport{Space: sdk.Space{FreeTemporary: -1}, Variants: []string{sdk.VariantPersisted}}
	case lifecycle.ActCapture:
		r.Capture = &event.Captured{Variant: j.Action.Variant, Artifacts: []event.Artifact{{Name: "a"}}}
	}
	return r, nil
}

// nobody listens.
type nobody struct{}

func (nobody) Status(event.Status)     {}
func (nobody) Run(event.RunInfo)       {}
func (nobody) Progress(event.Progress) {}
func (nobody) Log(event.Log)           {}
func (nobody) Summary(event.Summary)   {}
func (nobody) Settled(event.Settled)   {}

// walk drives a run of n tasks, on one device each or all on one, to its end.
func walk(tb testing.TB, n int, l lifecycle.Limits, together bool) {
	tb.Helper()
	f := &fleet{}
	devices := n
	if together {
		devices = 1
	}
	for i := range n / devices {
		f.domains = append(f.domains, sdk.Domain{Name: fmt.Sprintf("app%05d", i)})
	}
	a := lifecycle.Activity{Name: "x", Scope: schema.ScopeDomain, Quiesce: lifecycle.QuiesceNone, Domains: pattern.Set{{Match: []string{"*"}}}}
	spec := lifecycle.RunSpec{ID: "r", Plan: "p", Limits: l, Timeouts: lifecycle.Timeouts{Queue: 24 * time.Hour, Run: time.Hour, Store: time.Hour},
		Destinations: []lifecycle.Destination{{Name: "file.a", Parallel: 8}}, Devices: map[string]lifecycle.Device{}}
	for i := range devices {
		name := fmt.Sprintf("d%05d", i)
		spec.Devices[name], a.Devices = lifecycle.Device{}, append(a.Devices, name)
	}
	spec.Activities = []lifecycle.Activity{a}
	run := lifecycle.NewRun(spec)
	e := New(Options{Run: run, Executor: f, Clock: clock.System{}, Sink: nobody{}, Log: slog.New(slog.DiscardHandler)})
	if exit := e.Run(context.Background(), event.Event{Kind: event.RunStarted}); exit != 0 || len(run.Tasks()) != n {
		tb.Fatalf("exit code %d, %d tasks", exit, len(run.Tasks()))
	}
}

var shapes = map[string]func(tb testing.TB, n int){
	"a device each": func(tb testing.TB, n int) { walk(tb, n, lifecycle.Limits{Parallel: 64}, false) },
	"one device":    func(tb testing.TB, n int) { walk(tb, n, lifecycle.Limits{Parallel: 64, PerDevice: 8}, true) },
	"all at once":   func(tb testing.TB, n int) { walk(tb, n, lifecycle.Limits{}, true) },
}

// BenchmarkEngine drives 10,000 tasks that do nothing.
func BenchmarkEngine(b *testing.B) {
	for name, drive := range shapes {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				drive(b, 10_000)
			}
		})
	}
}

// TestATaskCostsTheSameInALargeRun measures processor time, and alone: it must
// not run beside other tests. Work that grows with the square of the tasks
// would cost a task of the larger run eight times as much.
func TestATaskCostsTheSameInALargeRun(t *testing.T) {
	const small, large = 500, 4000
	for name, drive := range shapes {
		t.Run(name, func(t *testing.T) {
			best := map[int]time.Duration{}
			for range 5 {
				for _, n := range []int{small, large} {
					begun := processorTime(t)
					drive(t, n)
					each := (processorTime(t) - begun) / time.Duration(n)
					if b, ok := best[n]; !ok || each < b {
						best[n] = each
					}
				}
				if best[large] < 2*best[small] {
					return
				}
			}
			t.Errorf("a task of %d costs %s, and one of %d costs %s", small, best[small], large, best[large])
		})
	}
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	need.Done(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
