package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/serve"
)

// Service is what a server offers to people and programs. It checks no
// permissions: its callers decide who may do what. Errors are *[Error]; the error
// of a refused request wraps a [report.Refusal].
type Service struct {
	r      *Runner
	server *serve.Server
	plans  *served
	feed   *newsfeed

	asks     sync.Mutex // held while a request that waits is looked for and entered
	mu       sync.Mutex
	finished []string                       // runs that had died, and that this server has finished
	over     map[string]report.RecoveredRun // those of them that do not change any more
}

// Ready returns the state of the server: a text with a line for each of its parts
// and without names, whether its scheduler moves, and whether everything works.
func (s *Service) Ready() (text string, live, ready bool) {
	text, ready = s.server.Health.Ready()
	return text, s.server.Health.Live(), ready
}

// Reads returns the use cases that only read the state directory. Those that
// change something are methods of the Service.
func (s *Service) Reads() *Runner { return s.r }

// Plans lists the served plans by file and name, and the files of which no plan
// is served.
func (s *Service) Plans(ctx context.Context) ([]report.ServedPlan, error) {
	if err := s.hasRead(); err != nil {
		return nil, err
	}
	k := s.r.kept.Load()
	v, now := s.server.View(), s.r.Clock.Now()
	broken := map[string]bool{}
	var out []report.ServedPlan
	for key, p := range s.all() {
		t := p.report
		if slot := p.schedule.Next(now, 1); len(slot) > 0 {
			due := dueTime(slot[0])
			t.Next = &due
		}
		if run, runs := v.Running[key]; runs {
			t.Running = cmp.Or(run, "beginning")
		}
		runs, err := k.journal.Runs(ctx, journal.Filter{Plan: key.Plan, Origin: key.Origin}, 1)
		if err != nil {
			return nil, &Error{ExitBug, err}
		}
		for _, run := range runs {
			last, err := row(ctx, k.journal, run)
			if err != nil {
				return nil, &Error{ExitBug, err}
			}
			t.LastRun = &last
		}
		for _, b := range v.Broken {
			if key.Origin == b.Path || strings.HasPrefix(key.Origin, b.Path+string(filepath.Separator)) {
				broken[b.Path] = true
				of := report.BrokenPlan(b)
				t.Broken = &of
			}
		}
		out = append(out, t)
	}
	for _, b := range v.Broken {
		if of := report.BrokenPlan(b); !broken[b.Path] {
			out = append(out, report.ServedPlan{File: b.Path, Rules: []report.ScheduleRule{}, Broken: &of})
		}
	}
	slices.SortFunc(out, func(a, b report.ServedPlan) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Plan, b.Plan))
	})
	return out, nil
}

// hasRead returns an error until the server has read its plans.
func (s *Service) hasRead() error {
	if s.plans.plans.Load() == nil {
		return refuse(fmt.Errorf("the server has not read its plans yet; ask again in a minute: %w", report.NotReady))
	}
	return nil
}

func (s *Service) all() map[journal.Scheduled]servedPlan {
	if all := s.plans.plans.Load(); all != nil {
		return *all
	}
	return nil
}

// Source returns the source of a served plan, by the plan's file, as it was when
// it was checked. A file that is not served is an error, even if it exists.
func (s *Service) Source(file string) (Source, error) {
	if err := s.hasRead(); err != nil {
		return Source{}, err
	}
	for key, p := range s.all() {
		if key.Origin == file {
			return p.source, nil
		}
	}
	return Source{}, refuse(fmt.Errorf("no plan of %s is served: %w", file, report.NotServed))
}

// find returns a served plan by its name, and by its file if two files have a
// plan of that name.
func (s *Service) find(name, file string) (found journal.Scheduled, err error) {
	if err := s.hasRead(); err != nil {
		return found, err
	}
	n := 0
	for key := range s.all() {
		if key.Plan == name && (file == "" || key.Origin == file) {
			found, n = key, n+1
		}
	}
	switch n {
	case 1:
		return found, nil
	case 0:
		return found, refuse(fmt.Errorf("no plan %q is served, or it is not in that file: %w", name, report.NotServed))
	}
	return found, refuse(fmt.Errorf("%d files have a plan %q; name the file: %w", n, name, report.NotServed))
}

// StartRequest asks for a run of a served plan.
type StartRequest struct {
	Plan   string
	File   string   // the plan's file; empty: only one file has a plan of that name
	Only   []string // narrows the run, as with --only
	By     string   // the person who asks
	Who    string   // a stable and unique key of that person; empty: not known, and no second person can be told apart
	Reason string
	Change string // a change number
	// Key identifies the request among those of By; empty: it has no key. A repeated
	// Key with the same Digest returns the same run, and with another one is
	// refused.
	Key, Digest string
}

// Start begins a run like one that is due, with its guard and without a question.
// The run is entered in the journal before it begins, and has its ID from then
// on. [Service.Started] and the run itself tell how it goes. For a plan that says
// four_eyes the error wraps a *[Waits].
func (s *Service) Start(ctx context.Context, q StartRequest) (report.Started, error) {
	only := strings.Join(q.Only, ",")
	if _, err := ParseOnly(only); err != nil {
		return report.Started{}, &Error{ExitUsage, err}
	}
	key := journal.Start{Asked: journal.Asked{By: q.By}, Key: q.Key, Digest: q.Digest}
	switch begun, err := s.server.Begun(ctx, key); { // even if that run holds its plan's lock now
	case err != nil:
		return report.Started{}, refuse(err)
	case begun != nil:
		return startedOf(*begun), nil
	}
	switch begun, err := s.waited(ctx, q); {
	case err != nil:
		return report.Started{}, err
	case begun != nil:
		return *begun, nil
	}
	p, err := s.find(q.Plan, q.File)
	if err != nil {
		return report.Started{}, err
	}
	run, err := journal.NewRunID(s.r.Clock.Now())
	if err != nil {
		return report.Started{}, &Error{ExitBug, err}
	}
	st, err := s.begin(ctx, journal.Start{Scheduled: p, Run: run, Only: only, Asked: journal.Asked{By: q.By, Reason: q.Reason, Change: q.Change}, Key: q.Key, Digest: q.Digest})
	if errors.Is(err, report.SecondPerson) {
		return report.Started{}, s.wait(ctx, journal.Approval{Action: report.ActionStart, Scheduled: p, Only: only, Plans: []string{p.Plan}, Source: st.Source,
			Asked: st.Asked, Who: q.Who, Key: q.Key, Digest: q.Digest})
	}
	return startedOf(st), err
}

// begin begins a run of a plan that no other process runs.
func (s *Service) begin(ctx context.Context, q journal.Start) (journal.Start, error) {
	p := q.Scheduled
	held, by, err := s.r.locks.Held(lock.PlanKey(p.Plan, p.Origin))
	if _, ours := s.server.View().Running[p]; err == nil && held && !ours {
		return q, refuse(fmt.Errorf("plan %s is already running: %s; wait for it to end: %w", p.Plan, by, report.Runs))
	}
	q, err = s.server.Start(ctx, q)
	return q, refuse(err)
}

// Started returns a start that somebody requested, and how it went, by the run's
// ID.
func (s *Service) Started(ctx context.Context, run string) (report.Started, error) {
	st, err := s.r.kept.Load().journal.Start(ctx, run)
	if err != nil {
		return report.Started{}, &Error{ExitBug, err}
	}
	if st == nil {
		return report.Started{}, refuse(fmt.Errorf("nobody has asked this server for a run %s: %w", run, report.NotServed))
	}
	return startedOf(*st), nil
}

func startedOf(s journal.Start) report.Started {
	return report.Started{Run: s.Run, Plan: s.Plan, File: s.Origin, Only: s.Only, At: s.At, By: s.By, Reason: s.Reason, Change: s.Change,
		Ended: s.Ended, ExitCode: s.ExitCode, Message: s.Message}
}

// CancelRequest asks to cancel a run.
type CancelRequest struct {
	Run    string // its full ID
	By     string
	Who    string // as in [StartRequest]
	Reason string
	Change string
}

// Cancel asks a run of this server to stop. It returns at once; the run ends
// after it has brought back what it had quiesced. While a run of a plan that says
// four_eyes keeps something quiesced, the error wraps a *[Waits].
func (s *Service) Cancel(ctx context.Context, q CancelRequest) error {
	if p, wants := s.server.View().FourEyes[q.Run]; wants && s.keepsDown(ctx, q.Run) {
		return s.wait(ctx, journal.Approval{Action: report.ActionCancel, Scheduled: p, Run: q.Run, Plans: []string{p.Plan}, Asked: journal.Asked{By: q.By, Reason: q.Reason, Change: q.Change}, Who: q.Who})
	}
	return s.cancel(ctx, q)
}

func (s *Service) cancel(ctx context.Context, q CancelRequest) error {
	err := s.server.Cancel(ctx, q.Run, journal.Asked{By: q.By, Reason: q.Reason, Change: q.Change})
	if !errors.Is(err, report.NotOurs) {
		return refuse(err)
	}
	run, unknown := s.r.kept.Load().journal.Run(ctx, q.Run)
	switch {
	case unknown != nil || run.ID != q.Run:
		return refuse(fmt.Errorf("there is no run %s: %w", q.Run, report.NotServed))
	case run.State == journal.Finished:
		return refuse(fmt.Errorf("run %s has ended already: %w", q.Run, report.OverAlready))
	}
	return refuse(fmt.Errorf("run %s is one of process %d of host %s and not of this server: it is stopped there, by Ctrl-C or `kill -TERM %d`. "+
		"If that process is gone, bring back what it has quiesced: `dprun recover`, or the same of this server: %w", q.Run, run.PID, run.Host, run.PID, report.NotOurs))
}

// BringBack brings back what dead runs left, now. Only one such recovery runs at
// a time.
func (s *Service) BringBack(ctx context.Context, by string) (*report.Result, error) {
	var res *report.Result
	var failed error
	err := s.server.RecoverNow(ctx, func(signals <-chan string) {
		s.r.Log.Info("a recovery begins, as asked", "by", by)
		res, failed = s.recover(signals)
	})
	if err != nil {
		return nil, refuse(err)
	}
	return res, failed
}

// recover brings back what dead runs left, and remembers these runs.
func (s *Service) recover(signals <-chan string) (*report.Result, error) {
	res, err := s.r.recoverTelling(signals, newsSink{feed: s.feed})
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, run := range res.Recovered {
		s.finished = append(s.finished, run.Run)
	}
	return res, err
}

// Recovered returns the runs that had died and were finished by this server, or
// by a guard if an earlier server had begun them. The newest is the last.
func (s *Service) Recovered(ctx context.Context) ([]report.RecoveredRun, error) {
	dead := s.server.View().Dead
	s.mu.Lock()
	defer s.mu.Unlock()
	runs := slices.Concat(s.finished, dead)
	slices.Sort(runs)
	out := []report.RecoveredRun{}
	for _, id := range slices.Compact(runs) {
		of, known := s.over[id]
		if !known {
			var err error
			of, err = s.r.recovered(ctx, id)
			if errors.Is(err, journal.ErrNotFound) {
				continue // it did not begin, or was removed
			}
			if err != nil {
				return nil, &Error{ExitBug, err}
			}
			if of.Final && !slices.ContainsFunc(of.Out, func(x report.OutOfService) bool { return x.End.IsZero() }) {
				s.over[id] = of
			}
		}
		out = append(out, of)
	}
	return out, nil
}

// recovered returns a run that had died, by the journal.
func (r *Runner) recovered(ctx context.Context, id string) (report.RecoveredRun, error) {
	k := r.kept.Load()
	if k.journal == nil {
		return report.RecoveredRun{}, k.lost
	}
	run, err := k.journal.Run(ctx, id)
	if err != nil {
		return report.RecoveredRun{}, err
	}
	t, err := r.Timeline(ctx, TimelineRequest{Run: id, Limit: 1})
	return report.RecoveredRun{Run: run.ID, Plan: run.Plan, File: run.Origin, Started: run.Started, Ended: run.Ended, Code: run.Code, Final: run.State == journal.Finished, Out: t.Out}, err
}

// PauseRequest asks to start nothing new, or to start again what is due.
type PauseRequest struct {
	Release bool
	By      string
	Reason  string
	Change  string
}

// Pause makes the server start nothing new, neither what is due nor what somebody
// requests, until somebody releases the pause. It also holds after a restart.
// Runs under way continue. Due times in the pause are handled like missed ones.
func (s *Service) Pause(ctx context.Context, q PauseRequest) (*report.Pause, error) {
	j := s.r.kept.Load().journal
	at := journal.Asked{At: s.r.Clock.Now(), By: q.By, Reason: q.Reason, Change: q.Change}
	var err error
	if q.Release {
		err = j.EndPause(ctx, at)
	} else {
		err = j.BeginPause(ctx, at)
	}
	if errors.Is(err, journal.ErrNotFound) {
		return nil, errorf(ExitUsage, "nothing is paused: plans are started when they are due")
	}
	if err != nil {
		return nil, &Error{ExitBug, err}
	}
	s.server.Look(ctx)
	return pauseOf(j.Paused(ctx))
}

func pauseOf(p *journal.Asked, err error) (*report.Pause, error) {
	if err != nil || p == nil {
		return nil, err
	}
	return &report.Pause{Since: p.At, By: p.By, Reason: p.Reason, Change: p.Change}, nil
}

// Hold stops every quiesce, or allows quiesces again. Where a served plan says
// four_eyes, the error of a release wraps a *[Waits].
func (s *Service) Hold(ctx context.Context, q HoldRequest) (report.Hold, error) {
	if q.Release {
		if err := s.hasRead(); err != nil {
			return report.Hold{}, err
		}
		if s.fourEyes() {
			return report.Hold{}, s.wait(ctx, journal.Approval{Action: report.ActionRelease, Source: stopsDigest(s.r.Owed(ctx).Stops, ""), Asked: journal.Asked{By: q.By, Reason: q.Reason, Change: q.Change}, Who: q.Who})
		}
		if q.Reason != "" || q.Change != "" {
			q.By = fmt.Sprintf("%s (%s)", q.By, strings.Trim(q.Reason+", "+q.Change, ", ")) // a release has no other place for them
		}
	}
	return s.r.Hold(ctx, q)
}

// Acknowledge enters that a person has looked at a device. Where a plan of that
// device says four_eyes, the error wraps a *[Waits].
func (s *Service) Acknowledge(ctx context.Context, q AcknowledgeRequest) (report.Acknowledged, error) {
	if err := s.hasRead(); err != nil {
		return report.Acknowledged{}, err
	}
	if plans, source, second := s.acknowledged(ctx, q.Target); second {
		return report.Acknowledged{}, s.wait(ctx, journal.Approval{Action: report.ActionAcknowledge, Target: q.Target, Plans: plans, Source: source,
			Asked: journal.Asked{By: q.By, Reason: q.Reason, Change: q.Change}, Who: q.Who})
	}
	return s.r.Acknowledge(ctx, q)
}

// refuse gives an error of the server its exit code.
func refuse(err error) error {
	why := report.Refusal("")
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &why):
		return &Error{1, err}
	case why == report.SecondPerson:
		return &Error{ExitWaits, err}
	case why == report.NotServed || why == report.OtherRequest:
		return &Error{ExitUsage, err}
	case why == report.Unwritten:
		return &Error{ExitBug, err}
	}
	return &Error{ExitRunning, err}
}
