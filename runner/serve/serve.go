// Package serve runs plans when they are due.
//
// It decides nothing about runs or time. Package schedule says what is due, the journal
// holds the decisions about due times, and callers supply the function that runs a
// plan. A due time is entered in the journal before its run begins, so that it is
// started at most once, whatever ends the process.
package serve

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/schedule"
)

const (
	beat         = 5 * time.Second // how often to check what is due
	readEvery    = 10 * time.Second
	tellEvery    = time.Minute
	recoverEvery = 5 * time.Minute
)

// Plan is a plan that is served.
type Plan struct {
	journal.Scheduled
	Rules    string // its schedules as text; other rules count as new ones
	Schedule schedule.Plan
	FourEyes bool            // requests need a second person, and a lifted pause starts nothing late
	Source   string          // a digest of the files that it was read from
	Run      func(Order) End // runs it
	// Missed tells people that the plan was not run at some times, the last of which is
	// due; nil: nobody is told.
	Missed func(due time.Time, times int, why string)
}

// Order is what a run begins with.
type Order struct {
	Signals <-chan string    // ask it to stop, by name
	Begun   func(run string) // receives the ID of the run
	// Start is the request that asked for it; nil: its schedule did.
	Start *journal.Start
}

// End is how a run ended.
type End struct {
	Run      string // empty: no run began
	ExitCode int
	Message  string
}

// Catalogue is the content of the directory of plans.
type Catalogue struct {
	Plans  []Plan
	Broken []journal.BrokenPlan
}

// Server runs plans. All exported fields are required.
type Server struct {
	Journal *journal.Journal
	Clock   clock.Clock
	Log     *slog.Logger
	Self    journal.Server // this process
	// Read reads the plans. It returns nil if nothing has changed, unless always is
	// set.
	Read func(always bool) *Catalogue
	// Recover brings back what dead runs left quiesced. signals ask it to stop, as for
	// a run.
	Recover func(signals <-chan string)
	// Notify tells the service manager a state.
	Notify func(state string)

	Health Health

	once      sync.Once
	done      chan func()   // functions for the loop: results of jobs, and requests from outside
	over      chan struct{} // closed when the loop has ended
	plans     []Plan        // those with schedules
	since     map[journal.Scheduled]time.Time
	asked     map[journal.Scheduled]time.Time
	jobs      map[any]*job // work under way, by plan or name
	recovered time.Time    // when the last recovery ended
	closed    bool         // the ends of a dead server's starts are entered
	read      time.Time
	reread    bool
	told      time.Time
	stopping  bool
	paused    *journal.Asked // who stopped new starts; nil: nobody
	lifted    *journal.Asked // the pause that ended just now
	leaving   bool

	mu     sync.Mutex // guards what others read; only the loop changes it, except for the IDs of runs
	all    []Plan
	broken []journal.BrokenPlan
	runs   map[journal.Scheduled]*job // the jobs that are runs
	dead   []string                   // runs that an earlier server began and did not end
}

// Leave is the name of the signal that ends a server as soon as no run is in progress.
// Until then the server works as before. A package that installs a newer program sends
// it.
const Leave = "SIGUSR2"

// The jobs that are not runs.
const (
	recovery = "recovery"
	reading  = "reading"
)

// Serve runs plans until a signal has come and the work under way has ended. It passes
// a second signal on, too.
func (s *Server) Serve(signals <-chan string, reload <-chan struct{}) {
	s.prepare()
	defer close(s.over)
	s.since, s.asked, s.jobs = map[journal.Scheduled]time.Time{}, map[journal.Scheduled]time.Time{}, map[any]*job{}
	waiter := s.Clock.Waiter()
	defer waiter.Stop()
	s.Self.Started = s.Clock.Now()
	ready := false
	for {
		now := s.Clock.Now()
		s.step(now)
		if s.leaving && !s.stopping && len(s.runs) == 0 {
			s.stop(Leave)
		}
		if s.stopping && len(s.jobs) == 0 {
			s.Self.Stopped = now
			s.tell(now)
			return
		}
		if !ready && !s.read.IsZero() {
			s.Notify("READY=1")
			ready = true
		}
		select {
		case <-waiter.Wait(now.Add(beat), 0):
		case ended := <-s.done:
			ended()
		case name := <-signals:
			if name != Leave {
				s.stop(name)
			} else {
				s.leaving = true
				s.Log.Info("ending when no run is in progress, as asked", "runs", len(s.runs))
			}
		case <-reload:
			s.Log.Info("the plans are read anew, as asked")
			s.reread = true
		}
	}
}

// begin starts a job beside the loop. When do has ended, the loop calls then.
func (s *Server) begin(key any, do func(j *job) (then func())) {
	j := &job{signals: make(chan string, 8)}
	s.jobs[key] = j
	plan, run := key.(journal.Scheduled)
	if run {
		j.fourEyes = slices.ContainsFunc(s.all, func(p Plan) bool { return p.Scheduled == plan && p.FourEyes })
		s.mu.Lock()
		s.runs[plan] = j
		s.mu.Unlock()
	}
	go func() {
		then := do(j)
		s.done <- func() {
			delete(s.jobs, key)
			if run {
				s.mu.Lock()
				delete(s.runs, plan)
				s.mu.Unlock()
			}
			then()
		}
	}()
}

func (s *Server) stop(signal string) {
	if !s.stopping {
		s.stopping = true
		s.Health.set(func(h *Health) { h.stopping = true })
		s.Notify("STOPPING=1")
		s.Log.Info("stopping: nothing new is started, runs are cancelled and bring back what they have quiesced", "signal", signal, "runs", len(s.runs))
	}
	for _, j := range s.jobs {
		j.tell(signal)
	}
}

func (s *Server) step(now time.Time) {
	s.Notify("WATCHDOG=1")
	s.Health.set(func(h *Health) { h.beat = time.Now() })
	if !s.stopping {
		if s.jobs[recovery] == nil && (s.recovered.IsZero() || apart(now, s.recovered) >= recoverEvery) {
			s.recover()
		}
		if s.jobs[reading] == nil && (s.reread || s.read.IsZero() || apart(now, s.read) >= readEvery) {
			s.readPlans()
		}
		if s.ready() && s.mayStart() { // before anything else
			all := true
			for _, p := range s.plans {
				all = s.decide(p, now) && all
			}
			if all { // whatever the pause kept from starting is now decided
				s.lifted = nil
			}
		}
	}
	if s.told.IsZero() || apart(now, s.told) >= tellEvery {
		s.tell(now)
	}
}

// apart returns the time between two instants. It is never negative, so that a clock
// that was set back is noticed too.
func apart(a, b time.Time) time.Duration { return a.Sub(b).Abs() }

func (s *Server) recover() { s.recoverBy(s.Recover) }

func (s *Server) recoverBy(do func(signals <-chan string)) {
	s.begin(recovery, func(j *job) func() {
		do(j.signals)
		return func() {
			s.recovered = s.Clock.Now()
			s.Health.set(func(h *Health) { h.recovered = true })
		}
	})
}

// ready reports whether new runs may begin: the work that earlier runs left was
// attended to, and every start that is still open in the journal belongs to a dead
// server.
func (s *Server) ready() bool {
	if !s.closed && !s.recovered.IsZero() {
		if err := s.closeDead(context.Background()); err != nil {
			s.journalFailed(err)
			return false
		}
		s.closed = true
	}
	return s.closed
}

// closeDead enters how the starts of a dead server ended.
func (s *Server) closeDead(ctx context.Context) error {
	open, err := s.Journal.Firings(ctx, true, 1000)
	if err = cmp.Or(s.closeDeadStarts(ctx), err); err != nil {
		return err
	}
	for _, f := range open {
		f.Ended = s.Clock.Now()
		if f.ExitCode, f.Message, err = s.died(ctx, f.Run, "this time"); err == nil {
			s.Log.Error("an earlier server ended before a run did", "plan", f.Plan, "due", f.Due, "run", f.Run, "message", f.Message)
			err = s.Journal.EndFiring(ctx, f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) readPlans() {
	always := s.reread || s.read.IsZero()
	s.reread = false
	s.begin(reading, func(*job) func() {
		found := s.Read(always)
		return func() {
			s.read = s.Clock.Now()
			if found != nil {
				s.adopt(found)
			}
		}
	})
}

// adopt replaces the served plans.
func (s *Server) adopt(c *Catalogue) {
	ctx, now := context.Background(), s.Clock.Now()
	s.plans, s.Self.Broken = nil, c.Broken
	s.mu.Lock()
	s.all, s.broken = c.Plans, c.Broken
	s.mu.Unlock()
	served := map[journal.Scheduled]bool{}
	for _, p := range c.Plans {
		served[p.Scheduled] = true
		if len(p.Schedule.Rules) == 0 {
			continue
		}
		since, err := s.Journal.NoteSchedule(ctx, p.Scheduled, p.Rules, now)
		if err != nil { // the plans will be read again
			s.journalFailed(err)
			s.reread = true
			continue
		}
		s.since[p.Scheduled] = since
		s.plans = append(s.plans, p)
	}
	if len(c.Broken) == 0 { // an invalid file may hold one of them
		if err := s.Journal.ForgetSchedules(ctx, func(k journal.Scheduled) bool { return served[k] }); err != nil {
			s.journalFailed(err)
		}
	}
	for _, b := range c.Broken {
		what := "it is not served"
		if b.LastGood {
			what = "the last good one is served, as it was before"
		}
		s.Log.Error("a plan does not validate: "+what, "path", b.Path, "since", b.Since, "why", b.Why)
	}
	s.Log.Info("plans were read", "plans", len(c.Plans), "with schedules", len(s.plans), "not valid", len(c.Broken))
	s.Health.set(func(h *Health) { h.loaded, h.broken = true, len(c.Broken) })
	s.tell(now)
}

// decide decides about the due times of a plan. It returns false if it could not.
func (s *Server) decide(p Plan, now time.Time) bool {
	ctx := context.Background()
	_, running := s.jobs[p.Scheduled]
	if s.since[p.Scheduled].After(now) { // the clock was ahead when the plan was first seen
		since, err := s.Journal.NoteSchedule(ctx, p.Scheduled, p.Rules, now)
		if err != nil {
			s.journalFailed(err)
			return false
		}
		s.since[p.Scheduled] = since
	}
	q := schedule.Question{Now: now, Since: s.since[p.Scheduled], Last: s.asked[p.Scheduled], Running: running}
	if s.lifted != nil {
		q.Away = "nothing new was to be started, as " + s.lifted.By + " had asked"
		q.Skip = p.FourEyes // whoever lifts a pause would choose when the plan runs
	}
	var err error
	if q.Decided, err = s.Journal.Decided(ctx, p.Scheduled, q.From(), now); err != nil {
		s.journalFailed(err)
		return false
	}
	var missed []schedule.Decision
	for _, d := range p.Schedule.Decide(q) {
		f := journal.Firing{Scheduled: p.Scheduled, Due: d.Due, Decided: now, Verdict: string(d.Verdict), Message: d.Why}
		mine, err := s.Journal.EnterFiring(ctx, f)
		if err != nil {
			s.journalFailed(err)
			return false
		}
		switch {
		case !mine:
		case d.Verdict == schedule.Run:
			s.start(p, f)
		case d.Verdict == schedule.Outside:
			s.Log.Info("a plan is not started: "+d.Why, "plan", p.Plan, "file", p.Origin, "due", d.Due)
		default:
			s.Log.Warn("a plan is not started: "+d.Why, "plan", p.Plan, "file", p.Origin, "due", d.Due)
		}
		if mine && d.Verdict == schedule.Missed {
			missed = append(missed, d)
		}
	}
	s.asked[p.Scheduled] = now
	if len(missed) > 0 && p.Missed != nil {
		s.tellMissed(p, missed)
	}
	return true
}

// telling is the key of a job that tells people about missed times of a plan.
type telling struct {
	journal.Scheduled
	due int64
}

// tellMissed tells people once about all missed times. They are in the journal already.
func (s *Server) tellMissed(p Plan, missed []schedule.Decision) {
	last := missed[len(missed)-1]
	s.begin(telling{p.Scheduled, last.Due.Unix()}, func(*job) func() {
		p.Missed(last.Due, len(missed), last.Why)
		return func() {}
	})
}

// mayStart reports whether anything new may be started. It returns false if the journal
// cannot be read.
func (s *Server) mayStart() bool {
	paused, err := s.Journal.Paused(context.Background())
	if err != nil {
		s.journalFailed(err)
		return false
	}
	if s.paused != nil && paused == nil {
		s.lifted = s.paused
		s.Log.Info("plans are started again when they are due")
	}
	if s.paused == nil && paused != nil {
		s.Log.Warn("nothing new is started, as asked", "since", paused.At, "by", paused.By, "change", paused.Change, "reason", paused.Reason)
	}
	s.paused = paused
	return paused == nil
}

func (s *Server) start(p Plan, f journal.Firing) {
	ctx, late := context.Background(), f.Message
	s.Log.Info("a plan is started", "plan", p.Plan, "file", p.Origin, "due", f.Due, "note", late)
	s.begin(p.Scheduled, func(j *job) func() {
		end := p.Run(Order{Signals: j.signals, Begun: func(run string) {
			f.Run = run
			s.begun(j, run)
			if err := s.Journal.EndFiring(ctx, f); err != nil {
				s.Log.Error("it cannot be entered which run a start has begun", "plan", p.Plan, "run", run, "error", err)
			}
		}})
		f.Run, f.Ended, f.ExitCode, f.Message = cmp.Or(end.Run, f.Run), s.Clock.Now(), end.ExitCode, end.Message // a failed run may not say which one it was
		f.Message = cmp.Or(f.Message, late)
		return func() {
			say := s.Log.Info
			if end.ExitCode != 0 {
				say = s.Log.Error
			}
			say("a plan has ended", "plan", p.Plan, "file", p.Origin, "run", f.Run, "exit code", end.ExitCode, "message", end.Message)
			if err := s.Journal.EndFiring(ctx, f); err != nil {
				s.journalFailed(err)
			}
		}
	})
}

// tell records in the journal that the server is alive, and which requests have
// expired.
func (s *Server) tell(now time.Time) {
	s.Self.Beat = now
	ctx := context.Background()
	if err := cmp.Or(s.Journal.SetServer(ctx, s.Self), s.Journal.ExpireApprovals(ctx, now)); err != nil {
		s.journalFailed(err)
		return
	}
	s.told = now
	s.Health.set(func(h *Health) { h.journal = true })
}

func (s *Server) journalFailed(err error) {
	s.told = time.Time{} // the next beat tries again
	s.Health.set(func(h *Health) { h.journal = false })
	s.Log.Error("the journal cannot be used: no plan is started before it can", "error", err)
}

// Identify describes this process.
func Identify(plans string) journal.Server {
	host, _ := os.Hostname()
	return journal.Server{Host: host, PID: os.Getpid(), Plans: plans}
}
