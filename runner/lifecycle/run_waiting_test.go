package lifecycle

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dprun/dprun/plan/pattern"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

// drawLimits makes a run in which tasks wait for everything that they may wait for.
func drawLimits(rng *rand.Rand) (RunSpec, []sdk.Domain) {
	spec := RunSpec{ID: "r", Plan: "p", Devices: map[string]Device{}, Destinations: []Destination{{Name: "file.a", Parallel: rng.IntN(3)}},
		Limits: Limits{Parallel: rng.IntN(7), PerDevice: rng.IntN(3), PerLabel: map[string]int{"site": rng.IntN(4), "rack": rng.IntN(3)}}}
	var devices []string
	for i := range 1 + rng.IntN(8) {
		name := fmt.Sprintf("d%d", i)
		devices = append(devices, name)
		spec.Devices[name] = Device{Labels: map[string]string{"site": string("ab"[rng.IntN(2)]), "rack": string("xyz"[rng.IntN(3)])}}
		if rng.IntN(5) == 0 {
			delete(spec.Devices[name].Labels, "rack")
		}
	}
	names := []string{"x", "y", "z"}[:1+rng.IntN(3)]
	for i, name := range names {
		a := Activity{Name: name, Scope: schema.ScopeDomain, Quiesce: QuiesceNone, Devices: devices, Domains: pattern.Set{{Match: []string{"*"}}}}
		if i > 0 && rng.IntN(2) == 0 {
			a.DependsOn = []string{names[rng.IntN(i)]}
		}
		spec.Activities = append(spec.Activities, a)
	}
	rng.Shuffle(len(spec.Activities), func(i, j int) { spec.Activities[i], spec.Activities[j] = spec.Activities[j], spec.Activities[i] })
	var domains []sdk.Domain
	for i := range 1 + rng.IntN(4) {
		domains = append(domains, sdk.Domain{Name: fmt.Sprintf("app%d", i)})
	}
	return spec, domains
}

// mayStart reports whether nothing keeps a waiting task from starting, once
// the slots of those that were started although they come later are given back.
func mayStart(r *Run, t *Task, later []*Task) bool {
	for _, o := range later {
		r.slots.run--
		r.slots.perDevice[o.spec.Device]--
		for _, k := range r.slots.onDevice[o] {
			r.slots.perLabel[k]--
		}
	}
	_, obstacle := r.obstacle(t, r.spec.Devices[t.spec.Device].Labels)
	full := r.full()
	for _, o := range later {
		r.slots.run++
		r.slots.perDevice[o.spec.Device]++
		for _, k := range r.slots.onDevice[o] {
			r.slots.perLabel[k]++
		}
	}
	return !obstacle && !full
}

// Whatever waits has a reason to, and is never overtaken without one.
func TestNoTaskWaitsWithoutAReason(t *testing.T) {
	t.Parallel()
	waited := 0
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 2))
		spec, domains := drawLimits(rng)
		run := NewRun(spec)
		held := map[string]bool{}
		number := map[*Task]int{}
		apply := func(e event.Event) {
			waiting := run.waiting.all()
			e.Time = epoch
			run.Apply(e)
			for i, task := range run.Tasks() {
				number[task] = i
			}
			started := slices.DeleteFunc(waiting, func(task *Task) bool { return task.phase < PhaseDispatch })
			for _, task := range run.waiting.all() {
				if run.stage != stageTasks {
					continue
				}
				waited++
				later := slices.DeleteFunc(slices.Clone(started), func(o *Task) bool { return number[o] < number[task] })
				if mayStart(run, task, later) {
					t.Fatalf("world %d: %s waits, and nothing keeps it from starting; begun instead: %d", seed, task.id, len(later))
				}
			}
		}
		apply(event.Event{Kind: event.RunStarted})
		for {
			if _, done := run.Done(); done {
				break
			}
			as := slices.DeleteFunc(run.Pending(), func(a Action) bool { return a.Kind.Timer() || held[a.Task+a.String()] })
			if len(as) == 0 {
				t.Fatalf("world %d: nothing is pending, and %d tasks wait", seed, run.waiting.len())
			}
			a := as[rng.IntN(len(as))]
			held[a.Task+a.String()] = true
			e := event.Event{Kind: event.Finished, Task: a.Task, Action: a.String(), Result: &event.Result{}}
			switch {
			case a.Kind == ActInspect:
				e.Result.Inspection = &sdk.Inspection{Domains: domains}
			case rng.IntN(20) == 0:
				e.Failure = boom()
			case a.Kind == ActCheck || a.Kind == ActValidate:
				e.Result.Check = &sdk.CheckReport{Space: sdk.Space{FreeTemporary: -1}, Variants: []string{sdk.VariantPersisted}}
			case a.Kind == ActCapture:
				e.Result.Capture = &event.Captured{Variant: a.Variant, Artifacts: []event.Artifact{{Name: "a"}}}
			}
			apply(e)
		}
	}
	if waited == 0 {
		t.Error("no task ever waited")
	}
}
