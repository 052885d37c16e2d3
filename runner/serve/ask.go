package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/report"
)

// job is work that goes on beside the loop.
type job struct {
	signals chan string
	run     string // the run that has begun, or that somebody asked for
	told    bool   // somebody has asked to cancel it
	// fourEyes is whether the run's plan wanted a second person when the run began.
	fourEyes bool
}

// tell asks the job to stop.
func (j *job) tell(signal string) {
	select {
	case j.signals <- signal:
	default: // so many are waiting that one more adds nothing
	}
}

// View is what a server serves and does, for readers.
type View struct {
	Plans  []Plan
	Broken []journal.BrokenPlan
	// Running are the runs under way, by plan; empty: the run has not begun yet.
	Running map[journal.Scheduled]string
	// FourEyes are the runs under way whose plan needed a second person when they began.
	FourEyes map[string]journal.Scheduled
	Dead     []string // runs that an earlier server began and did not end
}

// View returns what the server serves and does now. It never waits for the loop.
func (s *Server) View() View {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := View{Plans: s.all, Broken: s.broken, Dead: slices.Clone(s.dead), Running: map[journal.Scheduled]string{}, FourEyes: map[string]journal.Scheduled{}}
	for p, j := range s.runs {
		if v.Running[p] = j.run; j.fourEyes && j.run != "" {
			v.FourEyes[j.run] = p
		}
	}
	return v
}

func (s *Server) prepare() {
	s.once.Do(func() {
		s.done, s.over = make(chan func()), make(chan struct{})
		s.runs = map[journal.Scheduled]*job{}
	})
}

// noteDead remembers a run that an earlier server began and did not end.
func (s *Server) noteDead(run string) {
	if run == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = append(s.dead, run)
}

// Look makes the loop check at once what is to be done.
func (s *Server) Look(ctx context.Context) { _ = s.do(ctx, func() {}) }

// begun records the run of a job.
func (s *Server) begun(j *job, run string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j.run = run
}

// do calls f in the loop and waits for it.
func (s *Server) do(ctx context.Context, f func()) error {
	s.prepare()
	done := make(chan struct{})
	select {
	case s.done <- func() { defer close(done); f() }:
		<-done
		return nil
	case <-s.over:
		return fmt.Errorf("the server has stopped: %w", report.Stopping)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Start begins a run that somebody asks for. It is treated like a run that is due: it
// is entered in the journal first, it hears of a stop, and it keeps a due run of its
// plan from starting. A second request with the same key returns the first one. Errors
// wrap a [report.Refusal].
func (s *Server) Start(ctx context.Context, q journal.Start) (journal.Start, error) {
	var refused error
	if err := s.do(ctx, func() { q, refused = s.startAsked(q) }); err != nil {
		return q, err
	}
	return q, refused
}

// Begun is what was started under the key of a request; nil: nothing. Errors wrap
// a [report.Refusal].
func (s *Server) Begun(ctx context.Context, q journal.Start) (*journal.Start, error) {
	known, err := s.Journal.StartByKey(ctx, q.By, q.Key)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w; nothing was begun: %w", err, report.Unwritten)
	case known != nil && known.Digest != q.Digest:
		return nil, fmt.Errorf("the key %q stands for another request, which has begun run %s; use a key of its own for each request: %w", q.Key, known.Run, report.OtherRequest)
	}
	return known, nil
}

func (s *Server) startAsked(q journal.Start) (journal.Start, error) {
	known, err := s.Begun(context.Background(), q)
	switch {
	case errors.Is(err, report.Unwritten):
		s.journalFailed(err)
		return q, err
	case err != nil:
		return q, err
	case known != nil:
		return *known, nil
	case s.stopping || s.leaving:
		return q, fmt.Errorf("the server is stopping and starts nothing any more: %w", report.Stopping)
	case !s.ready():
		return q, fmt.Errorf("the server brings back first what earlier runs have left; ask again in a minute: %w", report.NotReady)
	}
	if !s.mayStart() {
		if s.paused == nil {
			return q, fmt.Errorf("the journal cannot be read; nothing was begun: %w", report.Unwritten)
		}
		return q, fmt.Errorf("nothing new is to be started: %s has asked for that; lift it first: %w", s.paused.By, report.OnHold)
	}
	i := slices.IndexFunc(s.all, func(p Plan) bool { return p.Scheduled == q.Scheduled })
	if i < 0 {
		return q, fmt.Errorf("no plan %s of %s is served: %w", q.Plan, q.Origin, report.NotServed)
	}
	if run, runs := s.View().Running[q.Scheduled]; runs {
		return q, fmt.Errorf("plan %s is already running (run %s); wait for it to end: %w", q.Plan, cmp.Or(run, "that begins just now"), report.Runs)
	}
	switch p := s.all[i]; {
	case q.Claim == nil && p.FourEyes:
		q.Source = p.Source
		return q, fmt.Errorf("plan %s is started when a second person has approved that: %w", q.Plan, report.SecondPerson)
	case q.Claim != nil && q.Source != p.Source:
		return q, fmt.Errorf("plan %s has changed since somebody asked to start it: ask for it anew: %w", q.Plan, report.OverAlready)
	}
	q.At = s.Clock.Now()
	if err := s.Journal.EnterStart(context.Background(), q); q.Claim != nil && errors.Is(err, journal.ErrNotFound) {
		return q, fmt.Errorf("somebody has decided about the request already, or its time is over; nothing was begun: %w", report.OverAlready)
	} else if err != nil {
		return q, s.unwritten(err)
	}
	s.run(s.all[i], q)
	return q, nil
}

func (s *Server) unwritten(err error) error {
	s.journalFailed(err)
	return fmt.Errorf("%w; nothing was begun: %w", err, report.Unwritten)
}

// run begins a run that was entered in the journal.
func (s *Server) run(p Plan, q journal.Start) {
	s.Log.Info("a plan is started, as asked", "plan", p.Plan, "file", p.Origin, "run", q.Run, "by", q.By, "change", q.Change, "reason", q.Reason)
	s.begin(p.Scheduled, func(j *job) func() {
		end := p.Run(Order{Signals: j.signals, Begun: func(string) {}, Start: &q})
		q.Ended, q.ExitCode, q.Message = s.Clock.Now(), end.ExitCode, end.Message
		return func() {
			say := s.Log.Info
			if end.ExitCode != 0 {
				say = s.Log.Error
			}
			say("a plan has ended", "plan", p.Plan, "file", p.Origin, "run", q.Run, "exit code", end.ExitCode, "message", end.Message)
			if err := s.Journal.EndStart(context.Background(), q); err != nil {
				s.journalFailed(err)
			}
		}
	})
	s.begun(s.jobs[p.Scheduled], q.Run) // it can be cancelled from now on
}

// Cancel asks a run of this server to stop. The run brings back what it has quiesced.
// Errors wrap a [report.Refusal].
func (s *Server) Cancel(ctx context.Context, run string, by journal.Asked) error {
	var refused error
	if err := s.do(ctx, func() { refused = s.cancel(run, by) }); err != nil {
		return err
	}
	return refused
}

func (s *Server) cancel(run string, by journal.Asked) error {
	for p, is := range s.View().Running {
		if is == "" || is != run { // a run that is about to begin has no ID yet
			continue
		}
		j := s.runs[p]
		if j.told {
			return fmt.Errorf("run %s is being cancelled already; it ends when what it has quiesced is back: %w", run, report.AskedBefore)
		}
		by.At = s.Clock.Now()
		if err := s.Journal.EnterCancel(context.Background(), run, by); err != nil { // the run is stopped all the same
			s.Log.Error("it cannot be entered who cancelled a run", "run", run, "by", by.By, "error", err)
		}
		s.Log.Warn("a run is cancelled, as asked", "run", run, "by", by.By, "change", by.Change, "reason", by.Reason)
		j.told = true
		j.tell("SIGTERM")
		return nil
	}
	return fmt.Errorf("run %s is none of this server: %w", run, report.NotOurs)
}

// RecoverNow runs a recovery that somebody asks for, and waits for its end. If ctx ends
// first, the recovery goes on. Errors wrap a [report.Refusal].
func (s *Server) RecoverNow(ctx context.Context, do func(signals <-chan string)) error {
	var refused error
	ended := make(chan struct{})
	err := s.do(ctx, func() {
		switch {
		case s.stopping:
			refused = fmt.Errorf("the server is stopping, and brings back what its own runs have quiesced: %w", report.Stopping)
		case s.jobs[recovery] != nil:
			refused = fmt.Errorf("a recovery is under way already; look again in a minute: %w", report.Runs)
		default:
			s.recoverBy(func(signals <-chan string) {
				defer close(ended)
				do(signals)
			})
		}
	})
	if err != nil || refused != nil {
		return cmp.Or(err, refused)
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// died notes a run of a server that is gone and returns how the run ended. what names
// the request in the message that it is not started again, if the run had not begun.
func (s *Server) died(ctx context.Context, run, what string) (code int, message string, err error) {
	unbegun := "the server ended before the run began; " + what + " is not started again"
	if run == "" {
		return 1, unbegun, nil
	}
	s.noteDead(run)
	found, err := s.Journal.Run(ctx, run)
	switch {
	case errors.Is(err, journal.ErrNotFound):
		return 1, unbegun, nil
	case err != nil:
		return 0, "", err
	case found.State == journal.Finished:
		return found.ExitCode, "the server ended while the run was in progress; the run was finished without it", nil
	}
	return 1, "the server ended while the run was in progress, and the run is not finished yet; `dprun owed` says what must still be undone", nil
}

// closeDeadStarts does the work of [Server.closeDead] for runs that people asked for.
func (s *Server) closeDeadStarts(ctx context.Context) error {
	open, err := s.Journal.OpenStarts(ctx)
	if err != nil {
		return err
	}
	for _, q := range open {
		q.Ended = s.Clock.Now()
		if q.ExitCode, q.Message, err = s.died(ctx, q.Run, "it"); err == nil {
			s.Log.Error("an earlier server ended before a run did", "plan", q.Plan, "run", q.Run, "by", q.By, "message", q.Message)
			err = s.Journal.EndStart(ctx, q)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
