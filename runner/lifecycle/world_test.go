package lifecycle

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dprun/dprun/plan/pattern"
	"github.com/dprun/dprun/plan/window"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

var epoch = time.Date(2026, 11, 23, 22, 0, 0, 0, time.UTC)

// world answers a machine's actions at random: it stands for everything that
// may happen outside, in any order. It checks what must hold at every step.
type world struct {
	t       *rapid.T
	run     *Run
	now     time.Time
	log     []event.Event
	history map[string][]event.Status
	phases  map[string]Phase
	// counts by task and kind of action, of what was started
	quiesced   map[string]int
	unquiesced map[string]bool
	begun      map[string]bool // Once actions, by task and ID
	after      bool            // interrupted
	steps      int
}

func newWorld(t *rapid.T, spec RunSpec) *world {
	w := &world{t: t, run: NewRun(spec), now: epoch, history: map[string][]event.Status{}, phases: map[string]Phase{},
		quiesced: map[string]int{}, unquiesced: map[string]bool{}, begun: map[string]bool{}}
	w.apply(event.Event{Kind: event.RunStarted})
	return w
}

func (w *world) apply(e event.Event) {
	e.Time = w.now
	w.log = append(w.log, e)
	for _, s := range w.run.Apply(e) {
		h := w.history[s.Task]
		if len(h) > 0 && h[len(h)-1].Final {
			w.t.Fatalf("task %q: %s entered after the final %s", s.Task, s.Code, h[len(h)-1].Code)
		}
		if s.Seq != len(h)+1 {
			w.t.Fatalf("task %q: %s has number %d, want %d", s.Task, s.Code, s.Seq, len(h)+1)
		}
		if _, ok := Lookup(Code(s.Code)); !ok {
			w.t.Fatalf("%s is not in the catalogue", s.Code)
		}
		w.history[s.Task] = append(h, s)
	}
	for _, t := range w.run.Tasks() {
		id := t.Spec().ID
		if t.Phase() < w.phases[id] {
			w.t.Fatalf("task %s went back from phase %d to %d", id, w.phases[id], t.Phase())
		}
		w.phases[id] = t.Phase()
	}
}

// start journals the start of actions that must not be repeated, as the engine does.
func (w *world) start() []Action {
	for {
		fresh := false
		as := w.run.Pending()
		for _, a := range as {
			key := a.Task + " " + a.ID
			switch a.Kind {
			case ActUnquiesce:
				w.unquiesced[a.Task] = true
				if w.quiesced[a.Task] == 0 {
					w.t.Fatalf("task %s: unquiesce without a quiesce sent", a.Task)
				}
			case ActQuiesce:
				if w.after && !w.begun[key] {
					w.t.Fatalf("task %s: quiesce sent after an interruption", a.Task)
				}
			}
			if a.Once() && !w.begun[key] {
				w.begun[key] = true
				if a.Kind == ActQuiesce {
					w.quiesced[a.Task]++
				}
				w.apply(event.Event{Kind: event.Started, Task: a.Task, Action: a.ID})
				fresh = true
				break
			}
		}
		if !fresh {
			return as
		}
	}
}

// run1 answers actions until the run has ended.
func (w *world) finish() {
	for {
		if _, done := w.run.Done(); done {
			return
		}
		if w.steps++; w.steps > 4000 {
			w.t.Fatalf("the run does not end; pending: %v", ids(w.run.Pending()))
		}
		as := w.start()
		if _, done := w.run.Done(); done {
			return
		}
		if len(as) == 0 {
			w.t.Fatalf("the run has not ended, and nothing is pending")
		}
		w.answer(as)
	}
}

func (w *world) answer(as []Action) {
	a := rapid.SampledFrom(as).Draw(w.t, "action")
	switch rapid.IntRange(0, 250).Draw(w.t, "disturbance") {
	case 249:
		w.apply(event.Event{Kind: event.CancelRequested, Reason: "SIGINT"})
		return
	case 250:
		w.apply(event.Event{Kind: event.Faulted, Task: a.Task, Failure: failure.New(failure.Internal, "", "boom")})
		return
	}
	if a.NotBefore.After(w.now) {
		w.now = a.NotBefore
	} else {
		w.now = w.now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(w.t, "ms")) * time.Millisecond)
	}
	w.apply(w.result(a))
}

func (w *world) result(a Action) event.Event {
	e := event.Event{Kind: event.Finished, Task: a.Task, Action: a.ID, Result: &event.Result{}}
	if a.Kind == ActTimer {
		return e
	}
	if rapid.IntRange(0, 14).Draw(w.t, "fails") == 14 {
		call := map[ActionKind]failure.Call{ActInspect: failure.CallInspect, ActCheckDestination: failure.CallCheckDestination, ActScript: failure.CallRun,
			ActProbe: failure.CallQuiesceState, ActCheck: failure.CallCheck, ActQuiesce: failure.CallQuiesce, ActQuiesceState: failure.CallQuiesceState,
			ActUnquiesce: failure.CallUnquiesce, ActCapture: failure.CallCapture, ActStore: failure.CallStore, ActManifest: failure.CallStore, ActDiscard: failure.CallDiscard}[a.Kind]
		e.Failure = failure.New(rapid.SampledFrom(failure.Kinds()).Draw(w.t, "kind"), rapid.SampledFrom(failure.Reasons(call)).Draw(w.t, "reason"), "it failed")
		return e
	}
	state := func() sdk.QuiesceState {
		return rapid.SampledFrom([]sdk.QuiesceState{sdk.StateNormal, sdk.StateNormal, sdk.StateQuiesced, sdk.StateQuiesced, sdk.StateQuiescing, sdk.StateUnquiescing, sdk.StateError, sdk.StateUnknown}).Draw(w.t, "state")
	}
	switch a.Kind {
	case ActInspect:
		e.Result.Inspection = &sdk.Inspection{Domains: []sdk.Domain{{Name: "default"}, {Name: "orders"}, {Name: "apic", APIConnect: true}}}
	case ActCheckDestination:
		e.Result.Destination = &sdk.DestinationReport{Free: int64(rapid.IntRange(-1, 100).Draw(w.t, "free")), Total: 100}
	case ActScript:
		e.Result.Script = &sdk.RunReport{ExitCode: rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(w.t, "exit")}
	case ActPrepare:
		e.Result.Prepared = &event.Prepared{Stamp: "s", Sets: map[string]string{"file.a": "x", "nfs.b": "y"}}
	case ActProbe, ActQuiesceState:
		e.Result.Quiesce = &sdk.QuiesceReport{State: state()}
	case ActLock:
		if rapid.Bool().Draw(w.t, "waits") {
			return event.Event{Kind: event.Progressed, Task: a.Task, Action: a.ID, Notice: &event.Notice{Waiting: "another"}}
		}
	case ActCheck:
		s := sdk.StateNormal
		if rapid.IntRange(0, 5).Draw(w.t, "down") == 0 {
			s = state()
		}
		e.Result.Check = &sdk.CheckReport{Quiesce: sdk.QuiesceReport{State: s}, Space: sdk.Space{FreeTemporary: -1},
			Variants:       rapid.SampledFrom([][]string{{"persisted"}, {"persisted", "running"}, {"secure_backup"}}).Draw(w.t, "variants"),
			CurrentCommand: rapid.SampledFrom([]string{"", "", "", "backup"}).Draw(w.t, "command")}
	case ActCapture:
		if a.Variant == sdk.VariantSecureBackup && rapid.Bool().Draw(w.t, "news") {
			return event.Event{Kind: event.Progressed, Task: a.Task, Action: a.ID, Notice: &event.Notice{DeviceDone: true, Token: "tok"}}
		}
		e.Result.Capture = &event.Captured{Variant: a.Variant, Artifacts: []event.Artifact{{Name: "x.zip", Staged: "s/x.zip", Size: 9}}}
	case ActStore, ActManifest:
		e.Result.Store = &sdk.StoreReport{Location: "somewhere", Durable: true}
	}
	return e
}

// drawSpec makes a plan of one or two activities on two devices.
func drawSpec(t *rapid.T) RunSpec {
	s := RunSpec{
		ID: "r1", Plan: "p", Seed: 7, ErrorPolicy: rapid.SampledFrom([]ErrorPolicy{Ignore, Halt}).Draw(t, "policy"),
		Limits:       Limits{Parallel: rapid.IntRange(1, 3).Draw(t, "parallel"), PerDevice: rapid.IntRange(1, 2).Draw(t, "per device")},
		Timeouts:     Timeouts{Queue: 24 * time.Hour, Run: time.Hour, Quiesce: time.Minute, Unquiesce: time.Minute, Grace: 3 * time.Minute, Store: 2 * time.Hour},
		Destinations: []Destination{{Name: "file.a", Parallel: 1}, {Name: "nfs.b", Family: "nfs", MinFree: MinFree{Percent: 10}}},
		Devices:      map[string]Device{"d1": {}, "d2": {Labels: map[string]string{"site": "x"}}},
	}
	script := func(name string) *Script {
		if rapid.IntRange(0, 2).Draw(t, name) > 0 {
			return nil
		}
		return &Script{Address: "exec." + name, When: rapid.SampledFrom([]When{Always, OnSuccess, OnFailure}).Draw(t, "when")}
	}
	s.PreScript, s.PostScript = script("plan pre"), script("plan post")
	if rapid.IntRange(0, 3).Draw(t, "window") == 0 {
		s.Window = &window.Window{Name: "night", Timezone: "UTC", Allow: []window.Allow{{From: "21:00", To: "22:30"}}}
	}
	mode := rapid.SampledFrom([]QuiesceMode{QuiesceNone, QuiesceDomain, QuiesceDomain}).Draw(t, "mode")
	s.Activities = []Activity{{Name: "exports", Type: "export_domain", Scope: schema.ScopeDomain, Quiesce: mode, Devices: []string{"d1", "d2"},
		Domains: pattern.Set{{Match: []string{"*"}}}, PreScript: script("pre"), PostScript: script("post"), Unmatched: []string{"lab-*"}}}
	if rapid.Bool().Draw(t, "two") {
		s.Activities = append(s.Activities, Activity{Name: "whole", Type: "secure_backup", Scope: schema.ScopeDevice, Exclusive: true, Quiesce: QuiesceDevice,
			Devices: []string{"d2"}, DependsOn: []string{"exports"}, PreScript: script("pre2"), PostScript: script("post2")})
	}
	return s
}

func ids(as []Action) []string {
	var out []string
	for _, a := range as {
		out = append(out, a.Task+" "+a.ID)
	}
	return out
}

// check verifies what must hold of a finished run.
func (w *world) check() {
	for _, t := range w.run.Tasks() {
		id := t.Spec().ID
		h := w.history[id]
		finals := 0
		for _, s := range h {
			if s.Final {
				finals++
			}
		}
		if finals != 1 || !h[len(h)-1].Final {
			w.t.Fatalf("task %s: %d final statuses in %s", id, finals, codes(h))
		}
		last := h[len(h)-1]
		if e, _ := Lookup(Code(last.Code)); !e.Final() {
			w.t.Fatalf("task %s ended in the interim code %s", id, last.Code)
		}
		if (w.quiesced[id] > 0) != w.unquiesced[id] {
			w.t.Fatalf("task %s: quiesce sent %d times, unquiesce attempted: %v; %s", id, w.quiesced[id], w.unquiesced[id], codes(h))
		}
		if w.quiesced[id] > 1 {
			w.t.Fatalf("task %s: quiesce sent %d times", id, w.quiesced[id])
		}
		w.checkVerdict(t, h)
	}
}

// checkVerdict: the code that decides is the one that the precedence names.
func (w *world) checkVerdict(t *Task, h []event.Status) {
	last := h[len(h)-1]
	has := func(cs ...Code) bool {
		return slices.ContainsFunc(h[:len(h)-1], func(s event.Status) bool { return slices.Contains(cs, Code(s.Code)) })
	}
	switch {
	case has(UnquiesceTimeoutOccurred, UnquiesceOnErrorTimeoutOccurred):
		if c := Code(last.Code); c != UnquiesceTimeoutOccurred && c != UnquiesceOnErrorTimeoutOccurred {
			w.t.Fatalf("task %s: an unquiesce time-out ended in %s", t.Spec().ID, c)
		}
		if !t.MayBeDown() {
			w.t.Fatalf("task %s: a device that did not return is not owed", t.Spec().ID)
		}
	case has(FailedLongRunning):
		if Code(last.Code) != FailedLongRunning {
			w.t.Fatalf("task %s: long running ended in %s", t.Spec().ID, last.Code)
		}
	}
	if Code(last.Code) == Success {
		for _, s := range h {
			if e, _ := Lookup(Code(s.Code)); e.Bad() {
				w.t.Fatalf("task %s: SUCCESS after %s", t.Spec().ID, s.Code)
			}
		}
		if !has(StoreDone) || !has(ExportPersistedDone, ExportNonPersistedDone, SecureBackupDone) {
			w.t.Fatalf("task %s: SUCCESS without a stored capture: %s", t.Spec().ID, codes(h))
		}
		if t.MayBeDown() {
			w.t.Fatalf("task %s: SUCCESS although its target may be down", t.Spec().ID)
		}
	}
}

func codes(h []event.Status) string {
	var out []string
	for _, s := range h {
		out = append(out, s.Code)
	}
	return fmt.Sprint(out)
}

var _ testing.TB
