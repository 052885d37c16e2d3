package runner

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/serve"
	"github.com/dprun/dprun/testfixtures/need"
)

// hands is a clock that is moved by hand. Whoever waits for it looks again and again.
type hands struct {
	mu  sync.Mutex
	now time.Time
	ask func() // called whenever somebody asks for the time; may be nil
}

func (h *hands) Now() time.Time {
	h.mu.Lock()
	ask := h.ask
	h.mu.Unlock()
	if ask != nil {
		ask()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *hands) move(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}
func (h *hands) Waiter() clock.Waiter                 { return h }
func (h *hands) Wait(time.Time, int) <-chan time.Time { return time.After(2 * time.Millisecond) }
func (h *hands) Stop()                                {}

// bureau is a server with the plans guarded, which says four_eyes and backs up
// gw-1, and plain, which does not and backs up gw-2. Runs go on until they are told to stop.
type bureau struct {
	*Service
	dir   string
	clock *hands
	close func()

	mu      sync.Mutex
	source  string // the digest of guarded
	begun   []journal.Start
	stopped []string
}

var watched, plain = journal.Scheduled{Plan: "guarded", Origin: "/p/guarded.hcl"}, journal.Scheduled{Plan: "plain", Origin: "/p/plain.hcl"}

func newBureau(t *testing.T) *bureau {
	t.Helper()
	b := &bureau{dir: t.TempDir(), clock: &hands{now: time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)}, source: "one"}
	b.open(t)
	t.Cleanup(func() { b.close() })
	return b
}

// open starts the server anew.
func (b *bureau) open(t *testing.T) {
	t.Helper()
	r := need.Value(Open(Options{StateDir: b.dir, Version: "0.1.0-test", Environ: os.Environ(), Clock: b.clock}))(t)
	k := r.kept.Load()
	p := &served{r: r}
	p.plans.Store(&map[journal.Scheduled]servedPlan{
		watched: {report: report.ServedPlan{Plan: "guarded", FourEyes: true, Devices: map[string]map[string]string{"gw-1": nil}}},
		plain:   {report: report.ServedPlan{Plan: "plain", Devices: map[string]map[string]string{"gw-2": nil}}}})
	b.Service = &Service{r: r, plans: p, feed: newNewsfeed(k.journal, r.Log), over: map[string]report.RecoveredRun{}}
	run := func(o serve.Order) serve.End {
		if o.Start != nil {
			b.mu.Lock()
			b.begun = append(b.begun, *o.Start)
			b.mu.Unlock()
		} else {
			o.Begun("01DUE")
		}
		signal := <-o.Signals
		b.mu.Lock()
		b.stopped = append(b.stopped, signal)
		b.mu.Unlock()
		return serve.End{}
	}
	b.server = &serve.Server{Journal: k.journal, Clock: b.clock, Log: r.Log, Self: serve.Identify("/p"), Notify: func(string) {}, Recover: func(<-chan string) {},
		Read: func(bool) *serve.Catalogue {
			b.mu.Lock()
			defer b.mu.Unlock()
			return &serve.Catalogue{Plans: []serve.Plan{{Scheduled: watched, FourEyes: true, Source: b.source, Run: run}, {Scheduled: plain, Run: run}}}
		}}
	signals, reload, ended := make(chan string), make(chan struct{}), make(chan struct{})
	go func() { b.server.Serve(signals, reload); close(ended) }()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, _, ready := b.Ready(); ready {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the server does not become ready")
		}
	}
	b.close = func() {
		signals <- "SIGTERM"
		<-ended
		_ = r.Close()
	}
}

func (b *bureau) starts() []journal.Start {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.begun
}

// first waits for the first run that begins.
func (b *bureau) first() journal.Start {
	for len(b.starts()) == 0 {
		time.Sleep(time.Millisecond)
	}
	return b.starts()[0]
}

// waiting is the request that an error tells of.
func waiting(t *testing.T, err error) report.Approval {
	t.Helper()
	w := (*Waits)(nil)
	if !errors.As(err, &w) || CodeOf(err) != ExitWaits || !strings.Contains(err.Error(), w.Approval.ID) {
		t.Fatalf("it does not wait for a second person: %v", err)
	}
	return w.Approval
}

// refused checks why nothing was done.
func (b *bureau) refused(t *testing.T, err error, why report.Refusal, says string) {
	t.Helper()
	if !errors.Is(err, why) || !strings.Contains(err.Error(), says) || len(b.starts()) != 0 {
		t.Errorf("refused by %v, want %s with %q; begun %v", err, why, says, b.starts())
	}
}

var byAnna = StartRequest{Plan: "guarded", Only: []string{"device=gw-1"}, By: "anna", Who: "sub-anna", Reason: "upgrade", Change: "CHG1", Key: "k1", Digest: "d1"}

func otto(id string) DecideRequest {
	return DecideRequest{ID: id, Approve: true, By: "otto", Who: "sub-otto", Reason: "agreed"}
}

func TestAPlanOfFourEyesIsStartedByTwoOnce(t *testing.T) {
	t.Parallel()
	b := newBureau(t)
	_, err := b.Start(t.Context(), byAnna)
	a := waiting(t, err)
	if a.State != "waiting" || a.Plan != "guarded" || a.Only != "device=gw-1" || a.Reason != "upgrade" || a.Change != "CHG1" || a.Until.Sub(a.Since) != 30*time.Minute {
		t.Errorf("%+v", a)
	}
	_, err = b.Start(t.Context(), byAnna)
	if again := waiting(t, err); again.ID != a.ID {
		t.Errorf("the same request waits twice: %s and %s", a.ID, again.ID)
	}
	other := byAnna
	other.Digest = "d2"
	_, err = b.Start(t.Context(), other)
	b.refused(t, err, report.OtherRequest, "another request")
	_, err = b.Start(t.Context(), StartRequest{Plan: "guarded", By: "nobody"})
	b.refused(t, err, report.SamePerson, "not known who asks")
	for _, q := range []DecideRequest{{ID: a.ID, Approve: true, By: "token anna", Who: "sub-anna"}, {ID: a.ID, Approve: true, By: "Anna", Who: "sub-2"}, {ID: a.ID, Approve: true, By: "otto"}} {
		_, err := b.Decide(t.Context(), q)
		b.refused(t, err, report.SamePerson, "")
	}

	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		all.Go(func() { _, errs[i] = b.Decide(t.Context(), otto(a.ID)) })
	}
	all.Wait()
	done := 0
	for _, err := range errs {
		if err == nil {
			done++
		} else if !errors.Is(err, report.OverAlready) && !errors.Is(err, report.Runs) {
			t.Errorf("a second approval: %v", err)
		}
	}
	if done != 1 {
		t.Fatalf("%d approvals", done)
	}
	began := b.first()
	if st := began; st.By != "anna and otto" || st.Reason != "upgrade (approved: agreed)" || st.Change != "CHG1" || st.Only != "device=gw-1" {
		t.Errorf("%+v", st)
	}
	if st := need.Value(b.Start(t.Context(), byAnna))(t); st.Run != began.Run || st.By != "anna and otto" {
		t.Errorf("the same request afterwards: %+v", st)
	}
	if all := need.Value(b.Approvals(t.Context()))(t); len(all) != 1 || all[0].State != "approved" || all[0].DecidedBy != "otto" || all[0].Run != began.Run || len(b.starts()) != 1 {
		t.Errorf("%+v, %d runs", all, len(b.starts()))
	}
}

func TestARequestIsApprovedInItsTimeAndOfThePlanThatItWasMadeOf(t *testing.T) {
	t.Parallel()
	b := newBureau(t)
	ask := func(key string) string {
		q := byAnna
		q.Key = key
		_, err := b.Start(t.Context(), q)
		return waiting(t, err).ID
	}
	id := ask("k1")
	b.clock.move(30 * time.Minute)
	_, err := b.Decide(t.Context(), otto(id))
	b.refused(t, err, report.OverAlready, "has expired")
	_, err = b.Start(t.Context(), byAnna)
	b.refused(t, err, report.OverAlready, "no second person")

	id = ask("k2")
	b.clock.move(-2 * time.Minute)
	_, err = b.Decide(t.Context(), otto(id))
	b.refused(t, err, report.OverAlready, "has expired")
	b.clock.move(2 * time.Minute)

	for key, q := range map[string]DecideRequest{"k3": {By: "otto", Who: "sub-otto", Reason: "not tonight"}, "k4": {By: "anna", Who: "sub-anna"}} {
		q.ID = ask(key)
		state := need.Value(b.Decide(t.Context(), q))(t).State
		if want := map[string]string{"otto": "refused", "anna": "withdrawn"}[q.By]; state != want {
			t.Errorf("%s, want %s", state, want)
		}
		_, err = b.Decide(t.Context(), otto(q.ID))
		b.refused(t, err, report.OverAlready, "was "+state)
	}

	id = ask("k5")
	b.mu.Lock()
	b.source = "two"
	b.mu.Unlock()
	b.close()
	b.open(t)
	_, err = b.Decide(t.Context(), otto(id))
	b.refused(t, err, report.OverAlready, "has changed")
	_, err = b.Decide(t.Context(), otto("01NONE"))
	b.refused(t, err, report.NotServed, "no request")
}

// Nobody makes an expired request valid by setting the clock.
func TestARequestThatHasExpiredStaysSo(t *testing.T) {
	t.Parallel()
	b := newBureau(t)
	_, err := b.Start(t.Context(), byAnna)
	id := waiting(t, err).ID
	b.clock.move(30 * time.Minute)
	_, err = b.Decide(t.Context(), otto(id))
	b.refused(t, err, report.OverAlready, "has expired")
	b.clock.move(-29 * time.Minute)
	_, err = b.Decide(t.Context(), otto(id))
	b.refused(t, err, report.OverAlready, "has expired")

	q := byAnna
	q.Key = "k2"
	_, err = b.Start(t.Context(), q)
	id = waiting(t, err).ID
	b.clock.move(-2 * time.Minute) // nobody looks at it, but the server
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		a := need.Value(b.r.kept.Load().journal.Approval(t.Context(), id))(t)
		if a.State == "expired" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("it stays %s", a.State)
		}
	}
}

func TestARequestIsApprovedAfterARestartAndStartedOnce(t *testing.T) {
	t.Parallel()
	b := newBureau(t)
	_, err := b.Start(t.Context(), byAnna)
	id := waiting(t, err).ID
	b.close()
	b.open(t)
	need.Value(b.Decide(t.Context(), otto(id)))(t)
	b.close()
	b.open(t)
	if _, err := b.Decide(t.Context(), otto(id)); !errors.Is(err, report.OverAlready) {
		t.Errorf("approved twice: %v", err)
	}
	if st := need.Value(b.Start(t.Context(), byAnna))(t); st.Ended.IsZero() || len(b.starts()) != 1 {
		t.Errorf("%+v, %d runs", st, len(b.starts()))
	}
}

// TestARequestThatIsSentAgainIsAnsweredWhileAnotherProcessHasThePlan: it starts nothing.
func TestARequestThatIsSentAgainIsAnsweredWhileAnotherProcessHasThePlan(t *testing.T) {
	t.Parallel()
	b := newBureau(t)
	q := StartRequest{Plan: "plain", By: "anna", Who: "sub-anna", Key: "k1", Digest: "d1"}
	first := need.Value(b.Start(t.Context(), q))(t)
	b.close()
	b.open(t)
	other := need.Value(Open(Options{StateDir: b.dir, Version: "0.1.0-test", Environ: os.Environ()}))(t)
	defer func() { need.Done(t, other.Close()) }()
	held := need.Value(other.locks.TryAcquire(lock.PlanKey(plain.Plan, plain.Origin), lock.Exclusive, lock.Info{}))(t)
	defer func() { need.Done(t, held.Release()) }()
	if again, err := b.Start(t.Context(), q); err != nil || again.Run != first.Run {
		t.Errorf("%+v, %v; want run %s", again, err, first.Run)
	}
	q.Key = "k2"
	if _, err := b.Start(t.Context(), q); !errors.Is(err, report.Runs) {
		t.Errorf("another request: %v", err)
	}
}

// TestACancelTakesTwoWhileSomethingIsQuiesced, and one before that.
func TestACancelTakesTwoWhileSomethingIsQuiesced(t *testing.T) {
	t.Parallel()
	b := newBureau(t)
	start := func(plan, who string) string {
		q := StartRequest{Plan: plan, By: who, Who: who}
		st, err := b.Start(t.Context(), q)
		if plan == "guarded" {
			return need.Value(b.Decide(t.Context(), otto(waiting(t, err).ID)))(t).Run
		}
		need.Done(t, err)
		return st.Run
	}
	run, other := start("guarded", "anna"), start("plain", "anna")
	for _, id := range []string{run, other} {
		need.Done(t, b.r.pending.Put(pending.Obligation{Key: pending.Key{Run: id, Task: "t", ID: "unquiesce"}, Kind: pending.Unquiesce, Plan: "guarded", Device: "gw-" + id, Since: b.clock.Now()}))
	}
	need.Done(t, b.Cancel(t.Context(), CancelRequest{Run: other, By: "anna", Who: "sub-anna"}))
	a := waiting(t, b.Cancel(t.Context(), CancelRequest{Run: run, By: "anna", Who: "sub-anna", Reason: "it hangs"}))
	if again := waiting(t, b.Cancel(t.Context(), CancelRequest{Run: run, By: "anna", Who: "sub-anna", Reason: "it hangs"})); again.ID != a.ID {
		t.Error("it waits twice")
	}
	if c := need.Value(b.r.kept.Load().journal.Cancel(t.Context(), run))(t); c != nil {
		t.Errorf("one person has cancelled it: %+v", c)
	}
	need.Value(b.Decide(t.Context(), otto(a.ID)))(t)
	if c := need.Value(b.r.kept.Load().journal.Cancel(t.Context(), run))(t); c == nil || c.By != "anna and otto" || c.Reason != "it hangs (approved: agreed)" {
		t.Errorf("%+v", c)
	}
	b.close()
	b.open(t)
	run = start("guarded", "berta")
	need.Done(t, b.Cancel(t.Context(), CancelRequest{Run: run, By: "anna", Who: "sub-anna"}))
}

// TestWhatAllowsQuiescesAgainTakesTwo where a plan that it concerns says so; and
// what is owed is the same when it is approved as when somebody asked.
func TestWhatAllowsQuiescesAgainTakesTwo(t *testing.T) {
	t.Parallel()
	b := newBureau(t)
	owes := func(device, plan string) {
		run := dead(t, b.r, plan)
		o := pending.Obligation{Key: pending.Key{Run: run, Task: "x/" + device, ID: "unquiesce"}, Kind: pending.Unquiesce, Plan: plan, Device: device, Since: b.clock.Now()}
		need.Done(t, b.r.kept.Load().journal.Append(t.Context(), run, journal.Batch{Owe: []pending.Obligation{o}}))
	}
	owes("gw-1", "guarded")
	owes("gw-2", "plain")
	owes("gw-3", "gone")
	ack := func(device string) error {
		_, err := b.Acknowledge(t.Context(), AcknowledgeRequest{Target: device, By: "anna", Who: "sub-anna", Reason: "seen"})
		return err
	}
	need.Done(t, ack("gw-2"))
	waiting(t, ack("gw-3")) // nobody knows what its plan said
	a := waiting(t, ack("gw-1"))
	owes("gw-1", "guarded")
	_, err := b.Decide(t.Context(), otto(a.ID))
	b.refused(t, err, report.OverAlready, "is not as it was")
	a = waiting(t, ack("gw-1"))
	if a.Target != "gw-1" || len(a.Plans) != 1 || a.Plans[0] != "guarded" {
		t.Errorf("%+v", a)
	}
	need.Value(b.Decide(t.Context(), otto(a.ID)))(t)
	for _, o := range b.r.Owed(t.Context()).Owed {
		if o.Device != "gw-3" {
			t.Errorf("still owed: %+v", o)
		}
	}

	need.Value(b.Hold(t.Context(), HoldRequest{By: "anna", Who: "sub-anna", Reason: "freeze"}))(t)
	_, err = b.Hold(t.Context(), HoldRequest{Release: true, By: "anna", Who: "sub-anna", Reason: "over"})
	a = waiting(t, err)
	if len(b.r.Owed(t.Context()).Stops) != 1 {
		t.Error("one person has released the hold")
	}
	need.Value(b.Decide(t.Context(), otto(a.ID)))(t)
	if stops := b.r.Owed(t.Context()).Stops; len(stops) != 0 {
		t.Errorf("%+v", stops)
	}
}

func TestTheDigestOfAPlanIsOfWhatItWasReadFrom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	digest := func(text string, environ ...string) string {
		need.Done(t, os.WriteFile(dir+"/a.hcl", []byte(text), 0o600))
		s := newSnapshot(dir)
		_ = need.Value(s.ReadFile("a.hcl"))(t)
		_, _ = s.Stat("flag") // as fileexists does
		return s.digest(environ)
	}
	one := digest("x")
	if one != digest("x", "HOME=/root") || one == digest("y") || one == digest("x", "DPRUN_VAR_a=1") {
		t.Error("a digest tells the same of different plans, or differs for the same")
	}
	need.Done(t, os.Mkdir(dir+"/flag", 0o700))
	if one != digest("x") {
		t.Error("a directory is no regular file, as if it were not there")
	}
	need.Done(t, os.Remove(dir+"/flag"))
	need.Done(t, os.WriteFile(dir+"/flag", nil, 0o600))
	if one == digest("x") {
		t.Error("a file that fileexists asks for makes no difference")
	}
}
