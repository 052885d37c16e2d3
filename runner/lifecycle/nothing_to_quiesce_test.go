package lifecycle

import (
	"slices"
	"testing"
	"time"

	"github.com/dprun/dprun/plan/pattern"
	"github.com/dprun/dprun/plan/window"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

// bare answers every action of a run as a gateway does that has the domains
// given, goes through every quiesce at once and does everything right. It
// returns the actions that were started and the statuses of each task.
func bare(t *testing.T, spec RunSpec, domains ...sdk.Domain) (run *Run, started []string, history map[string][]event.Status) {
	t.Helper()
	run, history = NewRun(spec), map[string][]event.Status{}
	now, down := epoch, false
	apply := func(e event.Event) {
		e.Time = now
		for _, s := range run.Apply(e) {
			history[s.Task] = append(history[s.Task], s)
		}
	}
	report := func() sdk.QuiesceReport {
		r := sdk.QuiesceReport{State: sdk.StateNormal, Domains: map[string]sdk.QuiesceState{}}
		for _, d := range domains {
			if d.Name == "default" { // it is left out of what is said of a device
				continue
			}
			r.Domains[d.Name] = sdk.StateNormal
			if down {
				r.State, r.Domains[d.Name] = sdk.StateQuiesced, sdk.StateQuiesced
			}
		}
		return r
	}
	apply(event.Event{Kind: event.RunStarted})
	for range 500 {
		if _, done := run.Done(); done {
			return run, started, history
		}
		held := func(a Action) bool { return a.Kind.Held() && slices.Contains(started, a.String()) }
		a := slices.MinFunc(slices.DeleteFunc(run.Pending(), held), func(a, b Action) int { return a.NotBefore.Compare(b.NotBefore) })
		if a.NotBefore.After(now) {
			now = a.NotBefore
		}
		started = append(started, a.String())
		if a.Once() {
			apply(event.Event{Kind: event.Started, Task: a.Task, Action: a.String()})
		}
		r := &event.Result{}
		switch a.Kind {
		case ActInspect:
			r.Inspection = &sdk.Inspection{Domains: domains}
		case ActPrepare:
			r.Prepared = &event.Prepared{}
		case ActProbe, ActQuiesceState, ActUnquiesceState:
			r.Quiesce = new(report())
		case ActValidate, ActCheck, ActRecheck:
			variant := sdk.VariantPersisted
			if spec.Activities[0].Scope == schema.ScopeDevice {
				variant = sdk.VariantSecureBackup
			}
			r.Check = &sdk.CheckReport{Quiesce: report(), Space: sdk.Space{FreeTemporary: -1}, Variants: []string{variant}}
		case ActQuiesce:
			down = true
		case ActUnquiesce:
			down = false
		case ActCapture:
			r.Capture = &event.Captured{Variant: a.Variant, Artifacts: []event.Artifact{{Name: "a", Size: 1}}}
		case ActStore:
			r.Store = &sdk.StoreReport{Durable: true, ModeKept: true}
		}
		apply(event.Event{Kind: event.Finished, Task: a.Task, Action: a.String(), Result: r})
	}
	t.Fatalf("the run does not end; %v", started)
	return nil, nil, nil
}

func oneActivity(scope schema.Scope) RunSpec {
	return RunSpec{ID: "r", Plan: "p", Devices: map[string]Device{"d": {}}, Destinations: []Destination{{Name: "file.a"}},
		Timeouts: Timeouts{Quiesce: time.Minute, Unquiesce: time.Minute, Grace: 3 * time.Minute},
		Activities: []Activity{{Name: "a", Scope: scope, Exclusive: scope == schema.ScopeDevice, Quiesce: QuiesceDevice, Devices: []string{"d"},
			Domains: pattern.Set{{Match: []string{"*"}}}}}}
}

// A device with no other domain than default, which never goes down, would be
// waited for in vain: its quiesce is accepted, and nothing ever is quiesced.
func TestADeviceWithoutApplicationDomainsIsNotQuiesced(t *testing.T) {
	t.Parallel()
	for _, scope := range []schema.Scope{schema.ScopeDevice, schema.ScopeDomain} {
		t.Run(string(scope), func(t *testing.T) {
			t.Parallel()
			run, started, history := bare(t, oneActivity(scope), sdk.Domain{Name: "default"})
			if exit, _ := run.Done(); exit != exitOK || slices.Contains(started, "quiesce/1") {
				t.Errorf("exit code %d; started: %v", exit, started)
			}
			task := run.Tasks()[0]
			want := []string{"device d has no domain but default, which cannot be quiesced: it was backed up in service"}
			if f := task.Final(); status.Code(f.Code) != status.Success || !slices.Equal(f.Warnings, want) {
				t.Errorf("ended in %s with the warnings %q; %s", f.Code, f.Warnings, codes(history[f.Task]))
			}
		})
	}
}

func TestADeviceWithApplicationDomainsIsQuiesced(t *testing.T) {
	t.Parallel()
	for name, domains := range map[string][]sdk.Domain{
		"default and another":        {{Name: "default"}, {Name: "orders"}},
		"of API Connect only":        {{Name: "default"}, {Name: "apic", APIConnect: true}},
		"a source without a default": {{Name: "orders"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run, started, _ := bare(t, oneActivity(schema.ScopeDevice), domains...)
			if exit, _ := run.Done(); exit != exitOK || !slices.Contains(started, "quiesce/1") || !slices.Contains(started, "unquiesce/1") {
				t.Errorf("exit code %d; started: %v", exit, started)
			}
			if f := run.Tasks()[0].Final(); len(f.Warnings) > 0 {
				t.Errorf("warnings %q", f.Warnings)
			}
		})
	}
}

// A source that tells of no domains at all has said nothing about what a
// quiesce of its device does: it is asked for as the plan says.
func TestADeviceThatTellsOfNoDomainsIsAskedToQuiesce(t *testing.T) {
	t.Parallel()
	_, started, _ := bare(t, oneActivity(schema.ScopeDevice))
	if !slices.Contains(started, "quiesce/1") {
		t.Errorf("started: %v", started)
	}
}

// What is not quiesced needs no room for a way back in the window.
func TestADeviceWithoutApplicationDomainsNeedsNoRoomInTheWindow(t *testing.T) {
	t.Parallel()
	spec := oneActivity(schema.ScopeDevice)
	spec.Window = &window.Window{Name: "night", Timezone: "UTC", Allow: []window.Allow{{From: "21:00", To: "22:05"}}}
	run, _, history := bare(t, spec, sdk.Domain{Name: "default"})
	if exit, _ := run.Done(); exit != exitOK {
		t.Errorf("exit code %d; %s", exit, codes(history["a/d"]))
	}
}
