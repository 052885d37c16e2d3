package serve

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plan/cron"
	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/schedule"
	"github.com/dprun/dprun/testfixtures/need"
)

// house is what a server works in: its time is moved by hand.
type house struct {
	t       *testing.T
	journal *journal.Journal
	server  *Server
	ticks   chan time.Time
	signals chan string
	ended   chan struct{}

	mu       sync.Mutex
	now      time.Time
	notified []string
	started  int
	run      func(signals <-chan string) End
}

var (
	noon    = time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)
	nightly = journal.Scheduled{Plan: "nightly", Origin: "/plans/nightly.hcl"}
)

func (h *house) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}
func (h *house) Waiter() clock.Waiter                 { return h }
func (h *house) Wait(time.Time, int) <-chan time.Time { return h.ticks }
func (h *house) Stop()                                {}
func (h *house) begin()                               { go func() { h.server.Serve(h.signals, nil); close(h.ended) }() }
func (h *house) at(clock string) {
	h.to(need.Value(time.Parse(time.DateTime, "2027-01-"+clock+":00"))(h.t))
}

// to moves the clock, and has the server look at what is due, twice: what it
// began in between has ended by then if it ends by itself.
func (h *house) to(now time.Time) {
	h.mu.Lock()
	h.now = now
	h.mu.Unlock()
	for range 2 {
		h.ticks <- now
	}
}

func (h *house) starts() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.started
}

func (h *house) await(what string, holds func() bool) {
	h.t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("waited in vain: %s; %s", what, h.decided())
		}
		select {
		case h.ticks <- time.Time{}:
		default:
		}
	}
}

// decided is what the journal holds, the newest first.
func (h *house) decided() string {
	h.t.Helper()
	var out []string
	for _, f := range need.Value(h.journal.Firings(h.t.Context(), false, 100))(h.t) {
		out = append(out, f.Due.Format("02T15:04 ")+f.Verdict)
	}
	return strings.Join(out, ", ")
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, journal: need.Value(journal.Open(filepath.Join(t.TempDir(), "journal.db")))(t), ticks: make(chan time.Time), signals: make(chan string),
		ended: make(chan struct{}), now: noon, run: func(<-chan string) End { return End{Run: "01R"} }}
	t.Cleanup(func() { _ = h.journal.Close() })
	times := need.Value(cron.Parse("30 2 * * *", "UTC"))(t)
	p := Plan{Scheduled: nightly, Rules: "30 2 * * * UTC", Schedule: schedule.Plan{Name: "nightly", Rules: []schedule.Rule{{Times: times, Late: true}}},
		Run: func(o Order) End {
			h.mu.Lock()
			h.started++
			run := h.run
			h.mu.Unlock()
			o.Begun("01R")
			return run(o.Signals)
		}}
	h.server = &Server{Journal: h.journal, Clock: h, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Self: Identify("/plans"),
		Read: func(always bool) *Catalogue {
			if !always {
				return nil
			}
			return &Catalogue{Plans: []Plan{p}}
		},
		Recover: func(<-chan string) {},
		Notify: func(state string) {
			h.mu.Lock()
			defer h.mu.Unlock()
			if state != "WATCHDOG=1" {
				h.notified = append(h.notified, state)
			}
		}}
	return h
}

func (h *house) loaded() {
	h.await("the plans are read", func() bool { _, ready := h.server.Health.Ready(); return ready })
}

func (h *house) stop() {
	h.t.Helper()
	h.signals <- "SIGTERM"
	<-h.ended
}

func TestAPlanIsStartedOnceANight(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.begin()
	h.loaded()
	for _, at := range []string{"11 02:29", "11 02:30", "11 02:31", "11 02:30", "12 02:30"} { // the clock is set back, too
		h.at(at)
		h.await("what was begun has ended", func() bool { return len(need.Value(h.journal.Firings(t.Context(), true, 9))(t)) == 0 })
	}
	h.await("two runs", func() bool { return h.starts() == 2 })
	h.stop()
	if got := h.decided(); got != "12T02:30 run, 11T02:30 run" {
		t.Error(got)
	}
	if d := cmp.Diff([]string{"READY=1", "STOPPING=1"}, h.notified); d != "" {
		t.Error(d)
	}
	if s := need.Value(h.journal.Server(t.Context()))(t); s.Stopped.IsZero() {
		t.Errorf("%+v", s)
	}
}

func TestWhatIsDueDuringARunIsLeftOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	goOn := make(chan struct{})
	h.run = func(<-chan string) End { <-goOn; return End{Run: "01R", ExitCode: 3, Message: "some"} }
	h.begin()
	h.loaded()
	h.at("11 02:30")
	h.at("12 02:30")
	h.at("12 02:31")
	close(goOn)
	h.await("the run ends", func() bool { return len(need.Value(h.journal.Firings(t.Context(), true, 9))(t)) == 0 })
	h.at("12 02:33")
	h.stop()
	if got := h.decided(); got != "12T02:30 overlaps, 11T02:30 run" || h.starts() != 1 {
		t.Errorf("%s; %d starts", got, h.starts())
	}
	if f := need.Value(h.journal.Firings(t.Context(), false, 9))(t)[1]; f.ExitCode != 3 || f.Message != "some" || f.Run != "01R" {
		t.Errorf("%+v", f)
	}
}

// TestRecoveryComesFirst: nothing is started while it is under way, and what was
// due meanwhile is started after it.
func TestRecoveryComesFirst(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	goOn := make(chan struct{})
	h.server.Recover = func(<-chan string) { <-goOn }
	need.Value(h.journal.NoteSchedule(t.Context(), nightly, "30 2 * * * UTC", noon))(t)
	dead := journal.Firing{Scheduled: nightly, Due: noon.Add(14*time.Hour + 30*time.Minute), Decided: noon.Add(15 * time.Hour), Verdict: "run"}
	need.Value(h.journal.EnterFiring(t.Context(), dead))(t)
	h.now = noon.Add(39 * time.Hour) // 12 January, 03:00
	h.begin()
	for range 5 {
		h.to(h.Now())
	}
	if text, ready := h.server.Health.Ready(); ready || !strings.Contains(text, "recovery: under way") || h.starts() != 0 {
		t.Errorf("%d starts, %s", h.starts(), text)
	}
	close(goOn)
	h.await("the run is started", func() bool { return h.starts() == 1 })
	h.stop()
	if got := h.decided(); got != "12T02:30 run, 11T02:30 run" {
		t.Error(got)
	}
	if f := need.Value(h.journal.Firings(t.Context(), false, 9))(t)[1]; f.ExitCode != 1 || !strings.Contains(f.Message, "the server ended before the run began") {
		t.Errorf("what a dead server had begun: %+v", f)
	}
}

// TestWhatADeadServerHadBegunIsNotSaidToBeDone before it is.
func TestWhatADeadServerHadBegunIsNotSaidToBeDone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for i, run := range []string{"01A", "01B"} {
		need.Done(t, h.journal.CreateRun(t.Context(), journal.Run{ID: run, Plan: nightly.Plan, Origin: nightly.Origin, Started: noon}))
		f := journal.Firing{Scheduled: nightly, Due: noon.Add(time.Duration(i-9) * time.Hour), Decided: noon, Verdict: "run"}
		need.Value(h.journal.EnterFiring(t.Context(), f))(t)
		f.Run = run
		need.Done(t, h.journal.EndFiring(t.Context(), f))
	}
	need.Done(t, h.journal.FinishRun(t.Context(), "01A", journal.End{Time: noon, ExitCode: 3, Code: "X"}))
	h.begin()
	h.loaded()
	h.await("how they ended is entered", func() bool { return len(need.Value(h.journal.Firings(t.Context(), true, 9))(t)) == 0 })
	h.stop()
	f := need.Value(h.journal.Firings(t.Context(), false, 9))(t)
	if f[1].ExitCode != 3 || !strings.Contains(f[1].Message, "was finished without it") {
		t.Errorf("one that was finished: %+v", f[1])
	}
	if f[0].ExitCode != 1 || !strings.Contains(f[0].Message, "not finished yet; `dprun owed` says") {
		t.Errorf("one that was not: %+v", f[0])
	}
}

// TestARunThatFailsIsStillTheOneThatWasBegun, and before it has a name nobody can mean it.
func TestARunThatFailsIsStillTheOneThatWasBegun(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	began, goOn := make(chan struct{}), make(chan struct{})
	read := h.server.Read
	h.server.Read = func(always bool) *Catalogue {
		c := read(always)
		if c != nil {
			c.Plans[0].Run = func(o Order) End {
				close(began)
				<-goOn
				o.Begun("01R")
				return End{ExitCode: 70, Message: "the journal is full"}
			}
		}
		return c
	}
	h.begin()
	h.loaded()
	h.at("11 02:30")
	<-began
	if err := h.server.Cancel(t.Context(), "", journal.Asked{}); !errors.Is(err, report.NotOurs) {
		t.Errorf("cancelled without a name: %v", err)
	}
	close(goOn)
	h.await("it has ended", func() bool { return len(need.Value(h.journal.Firings(t.Context(), true, 9))(t)) == 0 })
	h.stop()
	if f := need.Value(h.journal.Firings(t.Context(), false, 9))(t); len(f) != 1 || f[0].Run != "01R" || f[0].ExitCode != 70 {
		t.Errorf("%+v", f)
	}
}

// TestAStopWaitsForTheRuns, tells them, and starts nothing.
func TestAStopWaitsForTheRuns(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	told, goOn := make(chan string, 2), make(chan struct{})
	h.run = func(signals <-chan string) End {
		told <- <-signals
		told <- <-signals
		<-goOn
		return End{Run: "01R", ExitCode: 143}
	}
	h.begin()
	h.loaded()
	h.at("11 02:30")
	h.await("the run is started", func() bool { return h.starts() == 1 })
	h.signals <- "SIGTERM"
	h.signals <- "SIGINT"
	if a, b := <-told, <-told; a != "SIGTERM" || b != "SIGINT" {
		t.Errorf("told %s and %s", a, b)
	}
	h.at("12 02:30")
	select {
	case <-h.ended:
		t.Fatal("it ended before the run did")
	default:
	}
	if _, ready := h.server.Health.Ready(); ready {
		t.Error("ready while it stops")
	}
	close(goOn)
	<-h.ended
	if got := h.decided(); got != "11T02:30 run" {
		t.Error(got)
	}
}

// TestAServerThatShallLeaveWaitsForTheRuns, and cancels none.
func TestAServerThatShallLeaveWaitsForTheRuns(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	told, goOn := make(chan string, 1), make(chan struct{})
	h.run = func(signals <-chan string) End {
		select {
		case name := <-signals:
			told <- name
		case <-goOn:
		}
		return End{Run: "01R"}
	}
	h.begin()
	h.loaded()
	h.at("11 02:30")
	h.await("the run is started", func() bool { return h.starts() == 1 })
	h.signals <- Leave
	h.at("11 02:31")
	if _, ready := h.server.Health.Ready(); !ready {
		t.Error("it is not ready, and it goes on")
	}
	close(goOn)
	<-h.ended
	if got := h.decided(); got != "11T02:30 run" || len(told) > 0 {
		t.Errorf("%s, and the run was told %d times", got, len(told))
	}
}

// TestNothingIsStartedWithoutTheJournal, because nobody could tell later that it was.
func TestNothingIsStartedWithoutTheJournal(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.begin()
	h.loaded()
	need.Done(t, h.journal.Close())
	h.at("11 02:30")
	h.at("11 02:31")
	if text, ready := h.server.Health.Ready(); ready || !strings.Contains(text, "journal: cannot be written") || h.starts() != 0 {
		t.Errorf("%d starts, %s", h.starts(), text)
	}
	h.stop()
}

func TestHealthTellsWordsAndNothingElse(t *testing.T) {
	t.Parallel()
	var h Health
	if h.Live() {
		t.Error("it lives before its first beat")
	}
	h = Health{beat: time.Now(), loaded: true, recovered: true, journal: true, broken: 2}
	if text, ready := h.Ready(); !ready || !h.Live() || text != "scheduler: ok\njournal: ok\nrecovery: ok\nplans: ok\nplan files that do not validate: 2\n" {
		t.Errorf("%t %q", ready, text)
	}
}

// asks asks for a run of the plan of every night.
func (h *house) asks(key, digest string) (journal.Start, error) {
	run := need.Value(journal.NewRunID(h.Now()))(h.t)
	return h.server.Start(h.t.Context(), journal.Start{Scheduled: nightly, Run: run, Asked: journal.Asked{By: "anna", Reason: "a test"}, Key: key, Digest: digest})
}

// TestWhatSomebodyAsksForIsEnteredFirst, is begun once for a key, and keeps what is due from beginning.
func TestWhatSomebodyAsksForIsEnteredFirst(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	told, goOn := make(chan string, 2), make(chan struct{})
	h.run = func(signals <-chan string) End {
		told <- <-signals
		<-goOn
		return End{Run: "01R", ExitCode: 143, Message: "cancelled"}
	}
	h.begin()
	h.loaded()
	first := need.Value(h.asks("k", "d"))(t)
	if entered := need.Value(h.journal.Start(t.Context(), first.Run))(t); entered == nil || entered.By != "anna" || !entered.Ended.IsZero() {
		t.Errorf("entered: %+v", entered)
	}
	if again, err := h.asks("k", "d"); err != nil || again.Run != first.Run {
		t.Errorf("asked again: %+v, %v", again, err)
	}
	if _, err := h.asks("k", "other"); !errors.Is(err, report.OtherRequest) {
		t.Errorf("another request under the key: %v", err)
	}
	if _, err := h.asks("", ""); !errors.Is(err, report.Runs) {
		t.Errorf("while it runs: %v", err)
	}
	if _, err := h.server.Start(t.Context(), journal.Start{Scheduled: journal.Scheduled{Plan: "none"}}); !errors.Is(err, report.NotServed) {
		t.Errorf("a plan that there is not: %v", err)
	}
	h.at("11 02:30")
	by := journal.Asked{By: "bert", Reason: "wrong night"}
	need.Done(t, h.server.Cancel(t.Context(), first.Run, by))
	if err := h.server.Cancel(t.Context(), first.Run, by); !errors.Is(err, report.AskedBefore) {
		t.Errorf("cancelled twice: %v", err)
	}
	if name := <-told; name != "SIGTERM" {
		t.Error(name)
	}
	close(goOn)
	h.await("the run ends", func() bool { return len(need.Value(h.journal.OpenStarts(t.Context()))(t)) == 0 })
	if err := h.server.Cancel(t.Context(), first.Run, by); !errors.Is(err, report.NotOurs) {
		t.Errorf("cancelled when it was over: %v", err)
	}
	if c := need.Value(h.journal.Cancel(t.Context(), first.Run))(t); c == nil || c.By != "bert" || c.Reason != "wrong night" {
		t.Errorf("who cancelled it: %+v", c)
	}
	if again, err := h.asks("k", "d"); err != nil || again.ExitCode != 143 || again.Message != "cancelled" {
		t.Errorf("asked when it was over: %+v, %v", again, err)
	}
	h.stop()
	if got := h.decided(); got != "11T02:30 overlaps" || h.starts() != 1 {
		t.Errorf("%s; %d starts", got, h.starts())
	}
	if _, err := h.asks("", ""); !errors.Is(err, report.Stopping) {
		t.Errorf("after the end: %v", err)
	}
}

// TestNothingNewIsStartedDuringAPause, and what was due is made up for after it.
func TestNothingNewIsStartedDuringAPause(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	need.Done(t, h.journal.BeginPause(t.Context(), journal.Asked{At: noon, By: "anna"}))
	h.begin()
	h.loaded()
	h.at("11 02:30")
	if _, err := h.asks("", ""); !errors.Is(err, report.OnHold) || !strings.Contains(err.Error(), "anna") {
		t.Errorf("asked for a run: %v", err)
	}
	if got := h.decided(); got != "" || h.starts() != 0 {
		t.Errorf("%s; %d starts", got, h.starts())
	}
	need.Done(t, h.journal.EndPause(t.Context(), journal.Asked{At: noon}))
	h.at("11 02:40")
	h.await("it is made up for", func() bool { return h.starts() == 1 })
	h.stop()
	if f := need.Value(h.journal.Firings(t.Context(), false, 9))(t); len(f) != 1 || !strings.Contains(f[0].Message, "anna had asked") {
		t.Errorf("%+v", f)
	}
}

// Otherwise one person would choose when the plan runs.
func TestAPauseThatIsLiftedStartsNoPlanOfFourEyes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	read := h.server.Read
	h.server.Read = func(always bool) *Catalogue {
		c := read(always)
		if c != nil {
			c.Plans[0].FourEyes = true
		}
		return c
	}
	need.Done(t, h.journal.BeginPause(t.Context(), journal.Asked{At: noon, By: "anna"}))
	h.begin()
	h.loaded()
	h.at("11 02:30")
	need.Done(t, h.journal.EndPause(t.Context(), journal.Asked{At: noon}))
	h.at("11 10:00")
	h.await("it is decided", func() bool { return h.decided() != "" })
	h.at("12 02:30")
	h.await("the next night runs", func() bool { return h.starts() == 1 })
	h.stop()
	f := need.Value(h.journal.Firings(t.Context(), false, 9))(t)
	if len(f) != 2 || f[1].Verdict != "missed" || !strings.Contains(f[1].Message, "anna had asked, and the plan says four_eyes") {
		t.Errorf("%+v", f)
	}
}

// TestWhatIsMissedIsToldOnce, whatever was missed at a time.
func TestWhatIsMissedIsToldOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var told []string
	read := h.server.Read
	h.server.Read = func(always bool) *Catalogue {
		c := read(always)
		if c != nil {
			c.Plans[0].Missed = func(due time.Time, times int, why string) {
				h.mu.Lock()
				defer h.mu.Unlock()
				told = append(told, fmt.Sprint(due.Format("02T15:04 "), times, " ", why))
			}
		}
		return c
	}
	need.Value(h.journal.NoteSchedule(t.Context(), nightly, "30 2 * * * UTC", noon))(t)
	h.now = noon.Add(4*24*time.Hour + 14*time.Hour + 31*time.Minute) // the fifth night
	h.begin()
	h.await("it is made up for", func() bool { return h.starts() == 1 })
	h.to(h.Now())
	h.stop()
	if d := cmp.Diff([]string{"14T02:30 4 nobody was there to start it, and the plan is due again"}, told); d != "" {
		t.Error(d)
	}
}
