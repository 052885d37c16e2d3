package lifecycle

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk/failure"
)

var epoch = time.Date(2026, 11, 23, 22, 0, 0, 0, time.UTC)

// runs is how many different worlds a property is checked in. Each is drawn
// evenly from its number: a library that prefers small values and the ends of
// ranges makes worlds in which hardly any task comes as far as its quiesce.
const runs = 2000

// inWorlds checks a property in many worlds, each named by its number.
func inWorlds(t *testing.T, worlds uint64, property func(w *world)) {
	t.Helper()
	for n := range worlds {
		func() {
			w := newWorld(t, rand.New(rand.NewPCG(n, 1)))
			defer func() {
				if t.Failed() {
					t.Logf("in world %d", n)
				}
			}()
			property(w)
		}()
		if t.Failed() {
			return
		}
	}
}

// world answers a machine's actions at random: it stands for everything that
// may happen outside, in any order. It knows what its gateways really do, and
// checks what must hold at every step.
type world struct {
	t        *testing.T
	rng      *rand.Rand
	spec     RunSpec
	run      *Run
	now      time.Time
	log      []event.Event
	history  map[string][]event.Status
	phases   map[string]Phase
	gateways map[string]*gateway // by target
	// by task, of what was started
	quiesced   map[string]int
	unquiesced map[string]bool
	begun      map[string]bool // Once actions, by task and ID
	after      bool            // interrupted
	denied     bool            // gateways refuse the login on the way back
	calm       bool            // hardly anything goes wrong
	outage     string          // the destination that is away now and then
	broken     bool            // the journal: nothing is begun but what is owed
	steps      int
}

func newWorld(t *testing.T, rng *rand.Rand) *world {
	w := &world{t: t, rng: rng, now: epoch, history: map[string][]event.Status{}, phases: map[string]Phase{}, gateways: map[string]*gateway{},
		quiesced: map[string]int{}, unquiesced: map[string]bool{}, begun: map[string]bool{}}
	w.spec = w.drawSpec()
	w.denied = w.oneIn(30)
	w.calm = w.oneIn(10)
	if w.oneIn(3) {
		w.outage = pick(w, "file.a", "nfs.b")
	}
	w.run = NewRun(w.spec)
	w.apply(event.Event{Kind: event.RunStarted})
	return w
}

// oneIn is true once in n times.
func (w *world) oneIn(n int) bool { return w.rng.IntN(n) == 0 }

func pick[T any](w *world, of ...T) T { return of[w.rng.IntN(len(of))] }

func (w *world) fatalf(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf(format, args...)
}

func (w *world) apply(e event.Event) {
	e.Time = w.now
	w.log = append(w.log, e)
	for _, s := range w.run.Apply(e) {
		h := w.history[s.Task]
		if len(h) > 0 && h[len(h)-1].Final {
			w.fatalf("task %q: %s entered after the final %s", s.Task, s.Code, h[len(h)-1].Code)
		}
		if s.Seq != len(h)+1 {
			w.fatalf("task %q: %s has number %d, want %d", s.Task, s.Code, s.Seq, len(h)+1)
		}
		if _, ok := status.Lookup(status.Code(s.Code)); !ok {
			w.fatalf("%s is not in the catalogue", s.Code)
		}
		w.history[s.Task] = append(h, s)
	}
	for _, t := range w.run.Tasks() {
		id := t.Spec().ID
		if t.Phase() < w.phases[id] {
			w.fatalf("task %s went back from phase %d to %d", id, w.phases[id], t.Phase())
		}
		w.phases[id] = t.Phase()
		if t.MayBeDown() != slices.ContainsFunc(w.run.Obligations(id), func(o Obligation) bool { return o.Kind == OweUnquiesce }) {
			w.fatalf("task %s: what it owes is not what it knows", id)
		}
	}
}

// start journals the start of actions that must not be repeated, as the engine does.
func (w *world) start() []Action {
	for {
		fresh := false
		as := w.run.Pending()
		seen := map[string]bool{}
		for _, a := range as {
			key := a.Task + " " + a.String()
			if seen[key] {
				w.fatalf("%s is pending twice", key)
			}
			seen[key] = true
			if a.Kind == ActUnquiesce {
				w.unquiesced[a.Task] = true
				if w.quiesced[a.Task] == 0 {
					w.fatalf("task %s: unquiesce without a quiesce sent", a.Task)
				}
			}
			if a.Once() && !w.begun[key] {
				if w.after && a.Kind == ActQuiesce {
					w.fatalf("task %s: quiesce sent after an interruption", a.Task)
				}
				w.begun[key] = true
				w.begin(a)
				fresh = true
				break
			}
		}
		if !fresh {
			return as
		}
	}
}

// begin starts an action that must not be repeated. When its start cannot be
// written down it is not begun.
func (w *world) begin(a Action) {
	notBegun := event.Event{Kind: event.Finished, Task: a.Task, Action: a.String(), Failure: failure.New(failure.Cancelled, "", "not begun")}
	if w.broken {
		w.apply(notBegun)
		return
	}
	w.apply(event.Event{Kind: event.Started, Task: a.Task, Action: a.String()})
	if !w.calm && w.oneIn(40) {
		w.broken = true
		w.apply(event.Event{Kind: event.NotBegun, Task: a.Task, Action: a.String()})
		w.apply(event.Event{Kind: event.JournalFailed})
		w.apply(notBegun)
		return
	}
	if a.Kind == ActQuiesce {
		if p := w.run.Task(a.Task).permit.state; p != lockHeld {
			w.fatalf("task %s: a quiesce is sent, and its permit is %q", a.Task, p)
		}
		w.quiesced[a.Task]++
		w.sendQuiesce(a)
	}
}

// step answers one action; it reports whether the run has ended.
func (w *world) step() (done bool) {
	if _, done := w.run.Done(); done {
		return true
	}
	if w.steps++; w.steps > 8000 {
		w.fatalf("the run does not end; pending: %v", ids(w.run.Pending()))
	}
	as := w.start()
	if _, done := w.run.Done(); done {
		return true
	}
	if len(as) == 0 {
		w.fatalf("the run has not ended, and nothing is pending")
	}
	w.answer(as)
	return false
}

// interrupt is the end of the process, and the beginning of the one that
// finishes the run. It may have settled what the run owes before.
func (w *world) interrupt() {
	if !w.oneIn(5) { // else the process died before it began what was next
		w.start()
	}
	if w.ended() {
		return
	}
	w.after, w.broken, w.begun = true, false, map[string]bool{}
	w.now = w.now.Add(pick(w, time.Second, 3*24*time.Hour))
	w.settle()
	w.apply(event.Event{Kind: event.Interrupted, Recovered: w.recovered()})
	for _, a := range w.run.Pending() {
		if a.Kind.Timer() && !a.NotBefore.After(w.now) {
			w.fatalf("task %s: %s counts the time that nobody worked", a.Task, a)
		}
	}
}

// recovered is what was settled from pending files, in one world of two.
func (w *world) recovered() (out []event.Recovered) {
	if w.oneIn(2) {
		return nil
	}
	for _, t := range w.run.Tasks() {
		for _, o := range t.Obligations() {
			if o.Kind == OwePostScript {
				continue
			}
			r := event.Recovered{Task: o.Task, ID: o.ID, Trouble: pick(w, "", "", "it is not back")}
			r.Unwell = r.Trouble != "" && w.oneIn(2)
			if o.Kind == OweUnquiesce {
				if g := w.gateway(o.Task); r.Trouble == "" {
					g.state, g.next, g.arrives, g.well = normal, nil, time.Time{}, time.Time{}
				}
				w.unquiesced[o.Task] = true
			}
			out = append(out, r)
		}
	}
	return out
}

func (w *world) ended() bool {
	_, done := w.run.Done()
	return done
}

// finish answers actions until the run has ended, and whatever is still on
// its way to a gateway has arrived.
func (w *world) finish() {
	for !w.step() {
	}
	w.now = w.now.Add(latest)
	w.settle()
}

func (w *world) answer(as []Action) {
	if !w.calm && w.oneIn(400) || w.after && w.oneIn(100) {
		for range 1 + w.rng.IntN(2) {
			w.disturb(as)
		}
		return
	}
	// What is due comes in any order; time-outs come when it is their time,
	// and now and then before anything else does.
	var due, other []Action
	for _, a := range as {
		if a.NotBefore.After(w.now) || a.Kind.Timer() {
			other = append(other, a)
		} else {
			due = append(due, a)
		}
	}
	var a Action
	early := 60
	if w.after {
		early = 20
	}
	if len(due) > 0 && (len(other) == 0 || !w.oneIn(early)) {
		a = pick(w, due...)
		w.now = w.now.Add(time.Duration(w.rng.IntN(3000)) * time.Millisecond)
	} else if len(other) > 0 && w.oneIn(3) {
		a = pick(w, other...)
	} else {
		a = slices.MinFunc(other, func(a, b Action) int { return a.NotBefore.Compare(b.NotBefore) })
	}
	if a.NotBefore.After(w.now) {
		w.now = a.NotBefore
	}
	w.settle()
	w.apply(w.result(a))
}

// disturb is what nobody asked for.
func (w *world) disturb(as []Action) {
	switch w.rng.IntN(5) {
	case 0, 1:
		for range 1 + w.rng.IntN(3) {
			w.apply(event.Event{Kind: event.CancelRequested, Reason: pick(w, "SIGINT", "SIGTERM")})
		}
	case 2:
		w.apply(event.Event{Kind: event.Faulted, Task: pick(w, pick(w, as...).Task, ""), Failure: boom()})
	case 3:
		w.broken = true
		w.apply(event.Event{Kind: event.JournalFailed})
	case 4: // a result that nobody waits for any more
		w.apply(event.Event{Kind: event.Finished, Task: pick(w, as...).Task, Action: "capture/persisted/0"})
	}
}

// check verifies what must hold of a finished run.
func (w *world) check() {
	exit, _ := w.run.Done()
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
			w.fatalf("task %s: %d final statuses in %s", id, finals, codes(h))
		}
		last := h[len(h)-1]
		if e, _ := status.Lookup(status.Code(last.Code)); !e.Final() {
			w.fatalf("task %s ended in the interim code %s", id, last.Code)
		}
		if (w.quiesced[id] > 0) != w.unquiesced[id] {
			w.fatalf("task %s: quiesce sent %d times, unquiesce attempted: %v; %s", id, w.quiesced[id], w.unquiesced[id], codes(h))
		}
		if w.quiesced[id] > 1 {
			w.fatalf("task %s: quiesce sent %d times", id, w.quiesced[id])
		}
		if g := w.gateways[targetOf(t.Spec())]; w.quiesced[id] > 0 && g.state != normal && !(t.MayBeDown() && exit == exitStillQuiesced) {
			w.fatalf("task %s: its target is left %s; owed: %v, exit code %d; %s", id, g.state, t.MayBeDown(), exit, codes(h))
		}
		if t.debt.Returned() && slices.Contains(t.debt.spec.Up["orders"], "Handler in") && !w.gateways[targetOf(t.Spec())].up(w.now) {
			w.fatalf("task %s: its target is told back, and a handler is not up that was; %s", id, codes(h))
		}
		if t.MayBeDown() && exit != exitStillQuiesced {
			w.fatalf("task %s may have left its target down, and the exit code is %d", id, exit)
		}
		if t.OwesRejoin() && exit != exitStillQuiesced && exit != exitTrafficAway {
			w.fatalf("task %s may have left traffic led away, and the exit code is %d", id, exit)
		}
		w.checkVerdict(t, h)
	}
	w.checkExit(exit)
}

// checkExit: 0 is said only when every task that counts succeeded.
func (w *world) checkExit(exit int) {
	good, bad := 0, 0
	for _, t := range w.run.Tasks() {
		switch e, _ := status.Lookup(status.Code(t.Final().Code)); {
		case e.Class == status.ClassSuccess:
			good++
		case !e.Neutral:
			bad++
		}
	}
	if exit == exitOK && (good == 0 || bad > 0) {
		w.fatalf("exit code 0 with %d good and %d bad tasks", good, bad)
	}
	if exit == exitNothing && good > 0 {
		w.fatalf("exit code 14 with %d good tasks", good)
	}
}

// checkVerdict: the code that decides is the one that the precedence names.
func (w *world) checkVerdict(t *Task, h []event.Status) {
	last := h[len(h)-1]
	has := func(cs ...status.Code) bool {
		return slices.ContainsFunc(h[:len(h)-1], func(s event.Status) bool { return slices.Contains(cs, status.Code(s.Code)) })
	}
	switch {
	case has(status.UnquiesceTimeoutOccurred, status.UnquiesceOnErrorTimeoutOccurred, status.UnquiesceNotHealthy):
		if c := status.Code(last.Code); c != status.UnquiesceTimeoutOccurred && c != status.UnquiesceOnErrorTimeoutOccurred && c != status.UnquiesceNotHealthy {
			w.fatalf("task %s: an unquiesce time-out ended in %s", t.Spec().ID, c)
		}
		if !t.MayBeDown() && !w.after { // else recovery may have brought it back
			w.fatalf("task %s: a device that did not return is not owed", t.Spec().ID)
		}
	case has(status.FailedLongRunning):
		if status.Code(last.Code) != status.FailedLongRunning {
			w.fatalf("task %s: long running ended in %s", t.Spec().ID, last.Code)
		}
	}
	if status.Code(last.Code) == status.Success {
		for _, s := range h {
			if e, _ := status.Lookup(status.Code(s.Code)); e.Bad() {
				w.fatalf("task %s: SUCCESS after %s", t.Spec().ID, s.Code)
			}
		}
		if !has(status.StoreDone) || !has(status.ExportPersistedDone, status.ExportNonPersistedDone, status.SecureBackupDone) {
			w.fatalf("task %s: SUCCESS without a stored capture: %s", t.Spec().ID, codes(h))
		}
		if t.MayBeDown() {
			w.fatalf("task %s: SUCCESS although its target may be down", t.Spec().ID)
		}
	}
}

func ids(as []Action) []string {
	var out []string
	for _, a := range as {
		out = append(out, a.Task+" "+a.String())
	}
	return out
}

func codes(h []event.Status) string {
	var out []string
	for _, s := range h {
		out = append(out, s.Code)
	}
	return fmt.Sprint(out)
}
