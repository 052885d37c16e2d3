package lifecycle

import (
	"fmt"
	"testing"
	"time"

	"github.com/dprun/dprun/plan/pattern"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

// BenchmarkRunOfTenThousandTasks walks 10,000 export tasks on 1,000 devices
// from the first event to the exit code, asking for the pending actions as the
// engine does.
func BenchmarkRunOfTenThousandTasks(b *testing.B) {
	for b.Loop() {
		spec := RunSpec{ID: "r", Plan: "p", Limits: Limits{Parallel: 64, PerDevice: 1},
			Timeouts: Timeouts{Queue: 24 * time.Hour, Run: time.Hour}, Destinations: []Destination{{Name: "file.a", Parallel: 8}}, Devices: map[string]Device{}}
		a := Activity{Name: "x", Scope: schema.ScopeDomain, Quiesce: QuiesceNone, Domains: pattern.Set{{Match: []string{"*"}}}}
		for i := range 1000 {
			name := fmt.Sprintf("d%04d", i)
			spec.Devices[name] = Device{}
			a.Devices = append(a.Devices, name)
		}
		spec.Activities = []Activity{a}
		var domains []sdk.Domain
		for i := range 10 {
			domains = append(domains, sdk.Domain{Name: fmt.Sprintf("app%02d", i)})
		}
		run := NewRun(spec)
		now := epoch
		events := 1
		run.Apply(event.Event{Kind: event.RunStarted, Time: now})
		for {
			exit, done := run.Done()
			if done {
				if exit != 0 || len(run.Tasks()) != 10_000 {
					b.Fatalf("exit %d, %d tasks", exit, len(run.Tasks()))
				}
				break
			}
			for _, id := range run.Dirty() {
				for _, act := range run.PendingOf(id) {
					e := event.Event{Kind: event.Finished, Time: now, Task: id, Action: act.ID, Result: &event.Result{}}
					switch act.Kind {
					case ActTimer:
						continue
					case ActInspect:
						e.Result.Inspection = &sdk.Inspection{Domains: domains}
					case ActPrepare:
						e.Result.Prepared = &event.Prepared{}
					case ActCheck:
						e.Result.Check = &sdk.CheckReport{Space: sdk.Space{FreeTemporary: -1}, Variants: []string{"persisted"}}
					case ActCapture:
						e.Result.Capture = &event.Captured{Variant: "persisted", Artifacts: []event.Artifact{{Name: "a"}}}
					}
					run.Apply(e)
					events++
				}
			}
		}
		b.ReportMetric(float64(events), "events/op")
	}
}
