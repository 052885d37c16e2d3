package serve

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plan/cron"
	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/journal"
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
		Run: func(signals <-chan string, begun func(string)) End {
			h.mu.Lock()
			h.started++
			run := h.run
			h.mu.Unlock()
			begun("01R")
			return run(signals)
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
	h.await("the plans are read", func() bool { _, ready := h.server.Health.ready(); return ready })
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
	if text, ready := h.server.Health.ready(); ready || !strings.Contains(text, "recovery: under way") || h.starts() != 0 {
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
	if _, ready := h.server.Health.ready(); ready {
		t.Error("ready while it stops")
	}
	close(goOn)
	<-h.ended
	if got := h.decided(); got != "11T02:30 run" {
		t.Error(got)
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
	if text, ready := h.server.Health.ready(); ready || !strings.Contains(text, "journal: cannot be written") || h.starts() != 0 {
		t.Errorf("%d starts, %s", h.starts(), text)
	}
	h.stop()
}

func TestHealthTellsWordsAndNothingElse(t *testing.T) {
	t.Parallel()
	var h Health
	get := func(method, path string) (int, string) {
		w := httptest.NewRecorder()
		h.Handler(Metrics{}).ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w.Code, w.Body.String()
	}
	if code, text := get("GET", "/healthz"); code != http.StatusServiceUnavailable || text != "the scheduler does not answer\n" {
		t.Errorf("%d %s", code, text)
	}
	h = Health{beat: time.Now(), loaded: true, recovered: true, journal: true, broken: 2}
	for _, c := range []struct {
		method, path string
		code         int
		text         string
	}{
		{"GET", "/healthz", 200, "ok\n"},
		{"GET", "/readyz", 200, "scheduler: ok\njournal: ok\nrecovery: ok\nplans: ok\nplan files that do not validate: 2\n"},
		{"POST", "/readyz", 405, "Method Not Allowed\n"},
		{"GET", "/", 404, "404 page not found\n"},
		{"GET", "/metrics", 404, "404 page not found\n"},
	} {
		if code, text := get(c.method, c.path); code != c.code || text != c.text {
			t.Errorf("%s %s: %d %q", c.method, c.path, code, text)
		}
	}
}

// TestMetricsNeedAToken, one whose hash stands in the file now.
func TestMetricsNeedAToken(t *testing.T) {
	t.Parallel()
	m := Metrics{Tokens: filepath.Join(t.TempDir(), "tokens"), Write: func(w io.Writer) error { _, err := io.WriteString(w, "dprun_up 1\n"); return err }}
	get := func(authorization string) (int, string) {
		var h Health
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil)
		r.Header.Set("Authorization", authorization)
		h.Handler(m).ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	if code, _ := get("Bearer secret"); code != http.StatusUnauthorized {
		t.Errorf("without a file: %d", code)
	}
	// Of "other" and of "secret".
	need.Done(t, os.WriteFile(m.Tokens, []byte("d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa\n2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b  -\n"), 0o600))
	for authorization, want := range map[string]int{"Bearer secret": 200, "Bearer other": 200, "Bearer secre": 401, "Bearer ": 401, "": 401, "Basic secret": 401,
		"Bearer 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b": 401} {
		code, text := get(authorization)
		if code != want || (code == 200) != (text == "dprun_up 1\n") {
			t.Errorf("%q: %d %q, want %d", authorization, code, text, want)
		}
	}
	need.Done(t, os.WriteFile(m.Tokens, nil, 0o600))
	if code, _ := get("Bearer secret"); code != http.StatusUnauthorized {
		t.Errorf("a token that was taken back: %d", code)
	}
}
