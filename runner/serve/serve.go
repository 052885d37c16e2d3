// Package serve is a process that runs plans when they are due.
//
// It decides nothing about a run and nothing about time: package schedule says
// what is due, the journal which due time is whose, and what runs a plan comes
// in from outside. A due time is entered in the journal before anything of it
// begins, so that it is started once at most, whatever ends the process.
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
	beat         = 5 * time.Second // how often it is looked at what is due
	readEvery    = 10 * time.Second
	tellEvery    = time.Minute
	recoverEvery = 5 * time.Minute
)

// Plan is a plan that is served.
type Plan struct {
	journal.Scheduled
	Rules    string // its schedules as text: other ones begin anew
	Schedule schedule.Plan
	FourEyes bool            // what somebody asks for needs a second person
	Source   string          // a digest of what it was read from
	Run      func(Order) End // runs it
	// Missed tells people that it was not run at some times, the last of them due; nil: nobody is to be told.
	Missed func(due time.Time, times int, why string)
}

// Order is what a run is begun with.
type Order struct {
	Signals <-chan string    // ask it to stop, by name
	Begun   func(run string) // is told which run it is
	// Start is who asked for it, and as what; nil: its schedule.
	Start *journal.Start
}

// End is how a run ended.
type End struct {
	Run      string // empty: none was begun
	ExitCode int
	Message  string
}

// Catalogue is what the directory of plans holds.
type Catalogue struct {
	Plans  []Plan
	Broken []journal.BrokenPlan
}

// Server runs plans. All its fields are needed.
type Server struct {
	Journal *journal.Journal
	Clock   clock.Clock
	Log     *slog.Logger
	Self    journal.Server // who it is
	// Read reads the plans. It gives nil where nothing has changed; always: also then.
	Read func(always bool) *Catalogue
	// Recover brings back what dead runs have left quiesced. It is asked to stop like a run.
	Recover func(signals <-chan string)
	// Notify tells the service manager.
	Notify func(state string)

	Health Health

	once      sync.Once
	done      chan func()   // what ended beside the loop, and what is asked from outside, for the loop
	over      chan struct{} // closed when the loop has ended
	plans     []Plan        // those that have schedules
	since     map[journal.Scheduled]time.Time
	asked     map[journal.Scheduled]time.Time
	jobs      map[any]*job // what is under way, by plan or name
	recovered time.Time    // when the last recovery ended
	closed    bool         // how the starts of a server that is gone have ended is entered
	read      time.Time
	reread    bool
	told      time.Time
	stopping  bool
	paused    *journal.Asked // who has asked to start nothing new; nil: nobody
	lifted    *journal.Asked // the one that ended just now
	leaving   bool

	mu     sync.Mutex // of what others look at; only the loop changes it, but for the runs' names
	all    []Plan
	broken []journal.BrokenPlan
	runs   map[journal.Scheduled]*job // those of the jobs that are runs
	dead   []string                   // runs that an earlier server had begun and not ended
}

// Leave is the name of the signal by which a server ends as soon as no run is in
// progress. Until then it goes on as before: a package that brings a newer
// program sends it.
const Leave = "SIGUSR2"

// The jobs that are no runs.
const (
	recovery = "recovery"
	reading  = "reading"
)

// Serve runs plans until a signal has come and what was under way has ended. A
// second signal is passed on, too.
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

// begin does something beside the loop; then is called in the loop when it has ended.
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
			for _, p := range s.plans {
				s.decide(p, now)
			}
			s.lifted = nil // whatever was kept from being started is decided about
		}
	}
	if s.told.IsZero() || apart(now, s.told) >= tellEvery {
		s.tell(now)
	}
}

// apart is the time between two instants: a clock that was set back shows, too.
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

// ready reports whether what earlier runs have left was looked after, so that
// something new may begin: a start that is still open is one of a server that is gone.
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

// closeDead enters of the starts of a server that is gone how they ended.
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

// adopt serves other plans from now on.
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
		if err != nil { // it is read anew
			s.journalFailed(err)
			s.reread = true
			continue
		}
		s.since[p.Scheduled] = since
		s.plans = append(s.plans, p)
	}
	if len(c.Broken) == 0 { // what cannot be read may hold one of them
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

// decide decides what of a plan is due.
func (s *Server) decide(p Plan, now time.Time) {
	ctx := context.Background()
	_, running := s.jobs[p.Scheduled]
	if s.since[p.Scheduled].After(now) { // the clock was ahead when the plan was seen first
		since, err := s.Journal.NoteSchedule(ctx, p.Scheduled, p.Rules, now)
		if err != nil {
			s.journalFailed(err)
			return
		}
		s.since[p.Scheduled] = since
	}
	q := schedule.Question{Now: now, Since: s.since[p.Scheduled], Last: s.asked[p.Scheduled], Running: running}
	if s.lifted != nil {
		q.Away = "nothing new was to be started, as " + s.lifted.By + " had asked"
	}
	var err error
	if q.Decided, err = s.Journal.Decided(ctx, p.Scheduled, q.From(), now); err != nil {
		s.journalFailed(err)
		return
	}
	var missed []schedule.Decision
	for _, d := range p.Schedule.Decide(q) {
		f := journal.Firing{Scheduled: p.Scheduled, Due: d.Due, Decided: now, Verdict: string(d.Verdict), Message: d.Why}
		mine, err := s.Journal.EnterFiring(ctx, f)
		if err != nil {
			s.journalFailed(err)
			return
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
}

// telling is the job of telling people what of a plan was missed.
type telling struct {
	journal.Scheduled
	due int64
}

// tellMissed tells people once of all that was missed: it is entered before.
func (s *Server) tellMissed(p Plan, missed []schedule.Decision) {
	last := missed[len(missed)-1]
	s.begin(telling{p.Scheduled, last.Due.Unix()}, func(*job) func() {
		p.Missed(last.Due, len(missed), last.Why)
		return func() {}
	})
}

// mayStart reports whether anything new may be started. What the journal cannot
// tell counts as no.
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
		f.Run, f.Ended, f.ExitCode, f.Message = cmp.Or(end.Run, f.Run), s.Clock.Now(), end.ExitCode, end.Message // one that failed may not say which it was
		if f.Message == "" {
			f.Message = late
		}
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

// tell enters that the server is alive.
func (s *Server) tell(now time.Time) {
	s.Self.Beat = now
	if err := s.Journal.SetServer(context.Background(), s.Self); err != nil {
		s.journalFailed(err)
		return
	}
	s.told = now
	s.Health.set(func(h *Health) { h.journal = true })
}

func (s *Server) journalFailed(err error) {
	s.told = time.Time{} // tried again with the next beat
	s.Health.set(func(h *Health) { h.journal = false })
	s.Log.Error("the journal cannot be used: no plan is started before it can", "error", err)
}

// Identify is who this process is.
func Identify(plans string) journal.Server {
	host, _ := os.Hostname()
	return journal.Server{Host: host, PID: os.Getpid(), Plans: plans}
}
