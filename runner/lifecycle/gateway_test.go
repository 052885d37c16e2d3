package lifecycle

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/dprun/dprun/plan/pattern"
	"github.com/dprun/dprun/plan/window"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

const normal = sdk.StateNormal

// latest is how late something may arrive at a gateway that was sent before.
const latest = RequestLimit

// gateway is what a target really does.
type gateway struct {
	state sdk.QuiesceState
	// next is what the state becomes at a time, the earliest first.
	next []change
	// arrives is when the quiesce that was sent arrives; zero: it has, or never will.
	arrives time.Time
	// accepts is how it is answered.
	accepts *failure.Error
	// well is when its handler is up, while it is in service; zero: always.
	well time.Time
	// ways of its other objects
	old, flaps, byHand bool
}

// never is later than any run ends.
var never = epoch.AddDate(100, 0, 0)

// health is what is read of a target's objects. Now and then it is not read.
func (w *world) health(a Action) *sdk.HealthReport {
	g := w.gateway(a.Task)
	whole := targetDomain(w.run.Task(a.Task).Spec()) == ""
	domain := cmp.Or(targetDomain(w.run.Task(a.Task).Spec()), "orders")
	if w.oneIn(25) {
		return &sdk.HealthReport{Unread: []sdk.UnreadDomain{{Domain: domain, Failure: boom()}}}
	}
	r := &sdk.HealthReport{Objects: []sdk.ObjectHealth{
		{Domain: domain, Class: "Handler", Name: "in", Serving: true, Up: g.up(w.now)},
		{Domain: domain, Class: "Handler", Name: "old", Serving: true, Up: !g.old && g.state == normal, Disabled: g.old},
		{Domain: domain, Class: "Handler", Name: "flaps", Serving: true, Up: (!g.flaps || w.oneIn(2)) && g.state == normal, Quiesced: g.byHand},
	}}
	if w.oneIn(10) {
		r.Objects = append(r.Objects, sdk.ObjectHealth{Domain: domain, Class: "LogTarget", Name: "log"})
	}
	if w.oneIn(25) {
		r.Objects = r.Objects[1:] // it is not listed
	}
	if whole {
		r.Objects = append(r.Objects, sdk.ObjectHealth{Domain: "pay", Class: "Handler", Name: "in", Serving: true, Up: g.state == normal && !w.oneIn(6)})
	}
	r.Objects = slices.DeleteFunc(r.Objects, func(o sdk.ObjectHealth) bool { return len(a.Domains) > 0 && !slices.Contains(a.Domains, o.Domain) })
	return r
}

// up reports whether the target's handler really is.
func (g *gateway) up(now time.Time) bool { return g.state == normal && !now.Before(g.well) }

// targetDomain is the domain that a task quiesces; empty: the whole device.
func targetDomain(s TaskSpec) string {
	if s.Activity.Quiesce == QuiesceDevice {
		return ""
	}
	return s.Domain
}

type change struct {
	at time.Time
	to sdk.QuiesceState
}

func targetOf(s TaskSpec) string {
	if s.Activity.Quiesce == QuiesceDevice {
		return s.Device
	}
	return s.Device + "/" + s.Domain
}

func (w *world) gateway(task string) *gateway {
	key := targetOf(w.run.Task(task).Spec())
	g := w.gateways[key]
	if g == nil {
		g = &gateway{state: normal, old: w.oneIn(4), flaps: w.oneIn(6), byHand: w.oneIn(80)}
		if w.oneIn(25) {
			g.state = pick(w, sdk.StateQuiesced, sdk.StateUnknown, sdk.StateQuiescing) // by somebody else
		}
		w.gateways[key] = g
	}
	return g
}

// settle lets the gateways come to where they are now.
func (w *world) settle() {
	for _, target := range slices.Sorted(maps.Keys(w.gateways)) { // what is drawn goes by the world's number alone
		g := w.gateways[target]
		if at := g.arrives; !at.IsZero() && !at.After(w.now) {
			g.passed(at)
			g.arrives = time.Time{}
			g.begin(w, at, sdk.StateQuiescing, sdk.StateQuiesced)
		}
		g.passed(w.now)
	}
}

func (g *gateway) passed(now time.Time) {
	for len(g.next) > 0 && !g.next[0].at.After(now) {
		g.state, g.next = g.next[0].to, g.next[1:]
	}
}

// begin starts a change, which takes a while; it may get stuck on the way.
func (g *gateway) begin(w *world, at time.Time, via, to sdk.QuiesceState) {
	g.state, g.next = via, nil
	switch {
	case w.oneIn(40): // stuck
	case w.oneIn(60):
		g.next = []change{{at.Add(time.Second), sdk.StateError}}
	default:
		g.next = []change{{at.Add(time.Duration(1+w.rng.IntN(20)) * time.Second), to}}
	}
}

// sendQuiesce: it arrives at once, late or never, and is accepted or refused;
// whether an answer comes back is another matter.
func (w *world) sendQuiesce(a Action) {
	g := w.gateway(a.Task)
	g.arrives = w.now
	if w.oneIn(8) {
		g.arrives = w.now.Add(time.Duration(w.rng.Int64N(int64(latest))))
	}
	lost := failure.New(pick(w, failure.Unavailable, failure.Timeout, failure.Internal, failure.Cancelled), "", "lost")
	switch w.rng.IntN(20) {
	case 0: // refused
		g.accepts, g.arrives = failure.New(pick(w, failure.Denied, failure.Precondition), "", "refused"), time.Time{}
		if w.oneIn(2) { // and somebody else quiesces it
			g.begin(w, w.now, sdk.StateQuiescing, sdk.StateQuiesced)
		}
	case 1: // never arrived
		g.accepts, g.arrives = lost, time.Time{}
	case 2, 3: // the answer is lost
		g.accepts = lost
	}
	w.settle()
}

// unquiesce arrives at once. The objects may come later than the target.
func (w *world) unquiesce(task string) {
	g := w.gateway(task)
	if g.state == normal {
		return
	}
	g.begin(w, w.now, sdk.StateUnquiescing, normal)
	switch w.rng.IntN(16) {
	case 0:
		g.well = never
	case 1, 2:
		g.well = w.now.Add(time.Duration(w.rng.IntN(330)) * time.Second)
	default:
		g.well = time.Time{}
	}
}

func boom() *failure.Error { return failure.New(failure.Internal, "", "boom") }

func (w *world) result(a Action) event.Event {
	e := event.Event{Kind: event.Finished, Task: a.Task, Action: a.String(), Result: &event.Result{}}
	if a.Kind.Timer() {
		return e
	}
	switch a.Kind {
	case ActQuiesce:
		e.Failure = w.gateway(a.Task).accepts
		return e
	}
	if f := w.away(a); f != nil {
		e.Failure = f
		return e
	}
	own := a.Kind == ActPermit || a.Kind == ActConfirm || a.Kind == ActPeers // they have their own answers, below
	if !own && !w.calm && w.oneIn(30) || a.Kind == ActDiscard && w.oneIn(4) {
		e.Failure = w.failure(a.Kind)
		if a.Kind == ActUnquiesce && w.oneIn(2) { // done, and the answer is lost
			w.unquiesce(a.Task)
		}
		return e
	}
	switch a.Kind {
	case ActInspect:
		e.Result.Inspection = &sdk.Inspection{Domains: []sdk.Domain{{Name: "default"}, {Name: "orders"}, {Name: "apic", APIConnect: true}}}
	case ActCheckDestination:
		e.Result.Destination = &sdk.DestinationReport{Free: int64(w.rng.IntN(130) - 1), Total: 130}
	case ActScript:
		e.Result.Script = &sdk.RunReport{ExitCode: pick(w, 0, 0, 0, 0, 0, 1), Tail: pick(w, "", "one\ntwo")}
	case ActPrepare:
		e.Result.Prepared = &event.Prepared{Stamp: "s", Sets: map[string]string{"file.a": "x", "nfs.b": "y"}}
	case ActProbe, ActQuiesceState, ActUnquiesceState:
		e.Result.Quiesce = w.reading(a.Task)
	case ActHealth, ActHealthAgain, ActHealthBack:
		e.Result.Health = w.health(a)
	case ActUnquiesce:
		if !w.oneIn(25) { // else it is accepted and ignored
			w.unquiesce(a.Task)
		}
	case ActPermit:
		switch {
		case w.oneIn(120):
			e.Failure = boom()
		case w.oneIn(120):
			e.Result.Denial = &event.Denial{By: pick(w, event.ByBreaker, event.ByHold), Why: "no"}
		case w.oneIn(3):
			return event.Event{Kind: event.Progressed, Task: a.Task, Action: a.String(), Notice: &event.Notice{Waiting: "d2 is quiesced"}}
		}
	case ActConfirm, ActPeers:
		if w.oneIn(90) {
			e.Failure = w.failure(a.Kind)
			return e
		}
		if a.Kind == ActPeers && w.oneIn(60) {
			e.Result.Peers = []event.Peer{{Device: "d2", Why: "it is down"}}
		}
		if a.Kind == ActConfirm && w.oneIn(60) {
			e.Result.Denial = &event.Denial{By: pick(w, event.ByBreaker, event.ByHold), Why: "no"}
		}
	case ActLock:
		if w.oneIn(20) {
			e.Failure = boom()
			return e
		}
		if w.oneIn(3) {
			return event.Event{Kind: event.Progressed, Task: a.Task, Action: a.String(), Notice: &event.Notice{Waiting: "another"}}
		}
	case ActValidate, ActCheck, ActRecheck:
		e.Result.Check = w.checkReport(a)
	case ActCapture:
		if a.Variant == sdk.VariantSecureBackup && w.oneIn(2) {
			return event.Event{Kind: event.Progressed, Task: a.Task, Action: a.String(), Notice: &event.Notice{DeviceDone: true, Token: "tok"}}
		}
		e.Result.Capture = &event.Captured{Variant: a.Variant, Artifacts: []event.Artifact{{Name: "x.zip", Staged: "s/x.zip", Size: 9_000_000}}}
		if w.oneIn(40) {
			e.Result.Capture.Artifacts = nil
		}
	case ActStore, ActManifest:
		e.Result.Store = &sdk.StoreReport{Location: "somewhere", Durable: !w.oneIn(10)}
	}
	return e
}

// away is why nobody is let in: a destination that does not answer for an hour
// in every two, or a gateway on the way back.
func (w *world) away(a Action) *failure.Error {
	switch a.Kind {
	case ActStore, ActManifest:
		if a.Destination == w.outage && w.now.Hour()%2 == 0 {
			if w.oneIn(12) {
				return failure.New(failure.Denied, failure.BadCredentials, "refused")
			}
			return failure.New(failure.Unavailable, failure.Unreachable, "away")
		}
	case ActUnquiesce, ActUnquiesceState, ActHealthBack:
		if w.denied && w.oneIn(2) {
			return failure.New(failure.Denied, failure.BadCredentials, "refused")
		}
	}
	return nil
}

// reading is what the gateway says of a target. Now and then it says nothing of
// the domain, or of its state, and leaves the rest looking well.
func (w *world) reading(task string) *sdk.QuiesceReport {
	r := &sdk.QuiesceReport{State: w.gateway(task).state, Domains: map[string]sdk.QuiesceState{}}
	spec := w.run.Task(task).Spec()
	domain := spec.Domain
	if spec.Activity.Quiesce == QuiesceDevice {
		domain = "orders"
	}
	r.Domains[domain] = r.State
	switch {
	case !w.oneIn(12):
	case spec.Activity.Quiesce == QuiesceDevice && w.oneIn(2):
		r.State, r.Domains = normal, nil
	default:
		r.State, r.Domains[domain] = sdk.StateUnknown, sdk.StateUnknown
	}
	return r
}

func (w *world) checkReport(a Action) *sdk.CheckReport {
	r := &sdk.CheckReport{Quiesce: sdk.QuiesceReport{State: w.gateway(a.Task).state}, Space: sdk.Space{FreeTemporary: -1}}
	if s := w.run.Task(a.Task).Spec(); s.Activity.Quiesce == QuiesceDevice {
		r.Quiesce.Domains = map[string]sdk.QuiesceState{"default": normal, "orders": pick(w, normal, normal, normal, normal, normal, sdk.StateQuiesced)}
		r.Variants, r.Token = []string{sdk.VariantSecureBackup}, pick(w, "", "tok")
	} else {
		r.Variants = pick(w, []string{sdk.VariantPersisted}, []string{sdk.VariantPersisted, sdk.VariantRunning})
	}
	if w.oneIn(10) {
		r.CurrentCommand = "backup"
	}
	if w.oneIn(20) {
		r.Space.FreeTemporary, r.Estimate = 1000, int64(w.rng.IntN(2000))
	}
	if w.oneIn(50) {
		r.Variants = nil
	}
	return r
}

func (w *world) failure(k ActionKind) *failure.Error {
	call := map[ActionKind]failure.Call{ActInspect: failure.CallInspect, ActCheckDestination: failure.CallCheckDestination, ActScript: failure.CallRun,
		ActProbe: failure.CallQuiesceState, ActCheck: failure.CallCheck, ActRecheck: failure.CallCheck, ActValidate: failure.CallCheck, ActQuiesceState: failure.CallQuiesceState, ActUnquiesceState: failure.CallQuiesceState,
		ActHealth: failure.CallHealth, ActHealthAgain: failure.CallHealth, ActHealthBack: failure.CallHealth,
		ActUnquiesce: failure.CallUnquiesce, ActCapture: failure.CallCapture, ActStore: failure.CallStore, ActManifest: failure.CallStore, ActDiscard: failure.CallDiscard}[k]
	return failure.New(pick(w, failure.Kinds()...), pick(w, append(failure.Reasons(call), "")...), "it failed")
}

// drawSpec makes a plan of one or two activities on two devices.
func (w *world) drawSpec() RunSpec {
	s := RunSpec{
		ID: "r1", Plan: "p", Seed: 7, ErrorPolicy: pick(w, Ignore, Ignore, Halt),
		Limits:       Limits{Parallel: 1 + w.rng.IntN(4), PerDevice: w.rng.IntN(3), PerLabel: pick(w, nil, map[string]int{"site": 1})},
		Timeouts:     Timeouts{Queue: pick(w, 24*time.Hour, 24*time.Hour, 10*time.Minute), Run: time.Hour, Quiesce: time.Minute, Unquiesce: time.Minute, Grace: 3 * time.Minute, Store: 2 * time.Hour, Healthy: 5 * time.Minute},
		Destinations: []Destination{{Name: "file.a", Parallel: 1}, {Name: "nfs.b", Family: "nfs", MinFree: MinFree{Percent: 10}}},
		Guard:        Guard{Peers: w.oneIn(2)},
		Devices:      map[string]Device{"d1": {Group: "g", Peers: []string{"d2"}}, "d2": {Labels: map[string]string{"site": "x"}}},
		LastDomains:  map[string][]string{"exports/d1": {"orders"}},
		LastSize:     map[string]int64{"exports/d1/orders": 20},
	}
	script := func(name string) *Script {
		if !w.oneIn(3) {
			return nil
		}
		return &Script{Address: "exec." + name, When: pick(w, Always, OnSuccess, OnFailure)}
	}
	s.PreScript, s.PostScript = script("plan pre"), script("plan post")
	if w.oneIn(5) {
		s.Window = &window.Window{Name: "night", Timezone: "UTC", Allow: []window.Allow{{From: "21:00", To: pick(w, "22:09", "22:30", "23:59")}}}
	}
	if w.oneIn(40) {
		s.Window = &window.Window{Name: "noon", Timezone: "UTC", Allow: []window.Allow{{From: "11:00", To: "13:00"}}}
	}
	if w.oneIn(10) {
		s.Devices["d1"] = Device{Blocked: "it owes"}
	}
	if w.oneIn(10) {
		s.LastDomains["exports/d1"] = append(s.LastDomains["exports/d1"], "gone")
	}
	s.Activities = []Activity{{Name: "exports", Type: "export_domain", Scope: schema.ScopeDomain, Quiesce: pick(w, QuiesceNone, QuiesceDomain, QuiesceDomain),
		OnBusy: pick(w, Abort, Force), Devices: []string{"d1", "d2"}, PreScript: script("pre"), PostScript: script("post"),
		BeforeQuiesce: script("before"), AfterUnquiesce: script("after")}}
	domains := &s.Activities[0]
	domains.SetDomains("d1", pattern.Set{{Match: []string{pick(w, "*", "*", "ord*", "none")}}})
	domains.SetDomains("d2", pattern.Set{{Match: []string{"*"}}})
	if w.oneIn(3) {
		domains.Unmatched = []string{"lab-*", "lab-*"}
	}
	if w.oneIn(10) {
		domains.Only = &pattern.Set{{Match: []string{"orders"}}}
	}
	if w.oneIn(2) {
		s.Activities = append(s.Activities, Activity{Name: "whole", Type: "secure_backup", Scope: schema.ScopeDevice, Exclusive: true, Quiesce: QuiesceDevice,
			ErrorPolicy: pick(w, "", Ignore, Halt), Devices: []string{"d2"}, DependsOn: []string{"exports"}, PreScript: script("pre2"), PostScript: script("post2"),
			BeforeQuiesce: script("before2"), AfterUnquiesce: script("after2")})
	}
	return s
}
