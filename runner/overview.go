package runner

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/plan/pattern"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/schedule"
	"github.com/dprun/dprun/runner/status"
)

// OverviewRequest asks for the overview of everything.
type OverviewRequest struct {
	Served []ServedPlan   // the plans of a server; nil: there is no server
	Zone   *time.Location // zone for nights and mornings; nil: the machine's zone
	// Sees reports whether the caller may know about a plan, or about a device in a
	// plan. For things that belong to no plan, plan is empty. Nil: about everything.
	Sees func(plan, device string) bool
	// Recovered returns the runs that had died and were finished, the newest last;
	// nil: there is no server.
	Recovered func(ctx context.Context) ([]report.RecoveredRun, error)
}

// ServedPlan holds the facts about a served plan that an overview needs. They
// were found when the plan was read, because an overview compiles nothing.
type ServedPlan struct {
	journal.Scheduled
	Schedule schedule.Plan
	Quiesces []string // the devices on which it quiesces something
}

// OverviewFor returns the overview of what the server serves and has done, for a
// caller who may not know everything: see [OverviewRequest].
func (s *Service) OverviewFor(ctx context.Context, sees func(plan, device string) bool) report.Overview {
	read := s.plans.plans.Load() != nil // read this before the plans themselves
	q := OverviewRequest{Served: []ServedPlan{}, Sees: sees, Recovered: s.Recovered}
	for key, p := range s.all() {
		q.Served = append(q.Served, ServedPlan{Scheduled: key, Schedule: p.schedule, Quiesces: p.quiesces})
	}
	slices.SortFunc(q.Served, func(a, b ServedPlan) int {
		return cmp.Or(strings.Compare(a.Plan, b.Plan), strings.Compare(a.Origin, b.Origin))
	})
	o := s.r.Overview(ctx, q)
	if !read && o.Coverage.Unknown == "" { // no plan is judged, because the plans are not known
		o.Coverage.Unknown = "the plans have not been read yet; look again in a minute"
		o.State = overviewState(o)
	}
	return o
}

const (
	// worstListed is the most subjects without a good set that an overview lists.
	worstListed = 100
	// namesListed is the most devices and runs that a cause lists.
	namesListed = 20
	// nextListed is the most due plans that an overview lists.
	nextListed = 20
	// recoveredListed is the most runs listed that had died.
	recoveredListed = 20
	// noticesListed is the most failed notifications listed.
	noticesListed = 20
	// clocksDiffer is how far in the future the capture of a set may lie.
	clocksDiffer = 5 * time.Minute
	// serverLate is the silence after which a scheduler counts as hanging. A working
	// one writes every minute.
	serverLate = 3 * time.Minute
	// fullSoon is how far ahead a destination that fills up is reported.
	fullSoon = 14 * 24 * time.Hour
)

// Overview says what is out of service, what runs, what has no backup, what
// failed tonight, and how reliable that is. It contacts nothing and compiles
// nothing. It always returns an answer, and marks what it could not read as
// unknown.
func (r *Runner) Overview(ctx context.Context, q OverviewRequest) report.Overview {
	q.Zone = cmp.Or(q.Zone, time.Local)
	op := r.begin(Operation{})
	g := &glance{operation: op, request: q, now: r.Clock.Now(), served: map[journal.Scheduled]ServedPlan{}}
	for _, s := range q.Served {
		g.served[s.Scheduled] = s
	}
	o := report.Overview{At: g.now}
	owed := op.owed(ctx)
	owed.Owed = slices.DeleteFunc(owed.Owed, func(x report.Owed) bool { return !g.sees(x.Plan, x.Device) })
	owed.Stops = slices.DeleteFunc(owed.Stops, func(x report.Stop) bool { return x.Device != "" && !g.sees("", x.Device) }) // a hold concerns everybody
	o.Truth = g.truth(ctx)                                                                                                  // first, because only a running server brings things back by itself
	o.Down = g.down(ctx, owed, o.Truth)
	o.Work = g.work(ctx, owed)
	o.Coverage = g.coverage(ctx)
	o.Failures = g.failures(ctx, owed, o.Coverage)
	o.State = overviewState(o)
	return o
}

// glance holds the state that the parts of one overview share.
type glance struct {
	*operation
	request OverviewRequest
	now     time.Time
	served  map[journal.Scheduled]ServedPlan
	whole   map[journal.Scheduled]journal.Run // the last whole run of each plan
}

func (g *glance) sees(plan, device string) bool {
	return g.request.Sees == nil || g.request.Sees(plan, device)
}

// unreadable returns why the journal cannot be read; empty: it can.
func (g *glance) unreadable() string {
	if g.journal == nil {
		return g.lost.Error()
	}
	return ""
}

func (g *glance) down(ctx context.Context, owed report.Pending, truth report.OverviewTruth) report.OverviewDown {
	d := report.OverviewDown{Owed: []report.OverviewOwed{}, Stops: owed.Stops, Recovered: []report.RecoveredRun{}}
	if d.Stops == nil {
		d.Stops = []report.Stop{}
	}
	if owed.Unknown != nil {
		d.Unknown = owed.Unknown.Message
	} else if why := g.unreadable(); why != "" {
		d.Unknown = why
	} else if _, err := g.journal.Owed(ctx); err != nil {
		d.Unknown = err.Error() // the pending files say what must be undone, but not what stops quiesces
	} else if d.Recovered, err = g.recovered(ctx); err != nil {
		d.Unknown = err.Error()
	}
	if d.Unknown != "" && !g.sees("", "") { // the text may name devices that the caller must not see
		d.Unknown = "something that cannot be read may have to be undone; ask somebody who may see all plans"
	}
	serves := truth.Server != nil && truth.Server.Running && !truth.Late
	for _, o := range owed.Owed {
		d.Owed = append(d.Owed, report.OverviewOwed{Owed: o, BringsBack: bringsBack(o, serves)})
	}
	slices.SortStableFunc(d.Owed, func(a, b report.OverviewOwed) int {
		return cmp.Or(cmp.Compare(last10(a.Held), last10(b.Held)), a.Since.Compare(b.Since))
	})
	return d
}

// recovered returns the runs that had died and that the caller may see, the
// newest first.
func (g *glance) recovered(ctx context.Context) ([]report.RecoveredRun, error) {
	out := []report.RecoveredRun{}
	if g.request.Recovered == nil {
		return out, nil
	}
	all, err := g.request.Recovered(ctx)
	for _, run := range slices.Backward(all) {
		if !g.sees(run.Plan, "") {
			continue
		}
		run.Out = slices.DeleteFunc(slices.Clone(run.Out), func(x report.OutOfService) bool { return !g.sees(run.Plan, x.Device) })
		if out = append(out, run); len(out) == recoveredListed {
			break
		}
	}
	return out, err
}

// last10 sorts values that are true behind those that are false.
func last10(is bool) int {
	if is {
		return 1
	}
	return 0
}

func (g *glance) work(ctx context.Context, owed report.Pending) report.OverviewWork {
	w := report.OverviewWork{Unknown: g.unreadable(), Runs: []report.OverviewRun{}, Next: g.next()}
	if w.Unknown != "" {
		return w
	}
	open, err := g.journal.Unended(ctx)
	if err == nil {
		w.Paused, err = pauseOf(g.journal.Paused(ctx))
	}
	if err != nil {
		w.Unknown = err.Error()
		return w
	}
	for _, run := range open {
		if !g.sees(run.Plan, "") {
			continue
		}
		o := report.OverviewRun{File: run.Origin, WindowOpen: true}
		if o.Run, err = row(ctx, g.journal, run); err != nil {
			w.Unknown = err.Error()
			return w
		}
		var holder lock.Info
		if holder, o.Alive = g.settler.Holder(ctx, run.ID); o.Alive {
			o.Holder = holder.String()
		}
		for _, x := range owed.Owed {
			if x.Run == run.ID && x.Kind == string(pending.Unquiesce) {
				o.Quiesced++
			}
		}
		if s, served := g.served[journal.Scheduled{Plan: run.Plan, Origin: run.Origin}]; served && s.Schedule.Window != nil {
			o.WindowOpen = s.Schedule.Window.Open(g.now)
			o.WindowCloses = closes(s.Schedule, g.now)
		}
		w.Runs = append(w.Runs, o)
	}
	return w
}

// closes returns when the window of a plan closes if it is open at a time; zero:
// it is closed, or never closes.
func closes(s schedule.Plan, at time.Time) time.Time {
	if s.Window == nil || !s.Window.Open(at) {
		return time.Time{}
	}
	end, ends := s.Window.ClosesAt(at)
	if !ends {
		return time.Time{}
	}
	return end
}

func (g *glance) next() []report.OverviewNext {
	next := []report.OverviewNext{}
	for _, p := range g.request.Served {
		if !g.sees(p.Plan, "") {
			continue
		}
		quiesces := slices.DeleteFunc(slices.Clone(p.Quiesces), func(device string) bool { return !g.sees(p.Plan, device) })
		for _, slot := range p.Schedule.Next(g.now, 1) {
			next = append(next, report.OverviewNext{Plan: p.Plan, File: p.Origin, Due: slot.Times.In(slot.Due), Start: slot.Times.In(slot.Start), Quiesces: quiesces,
				Outside: slot.Outside, WindowCloses: closes(p.Schedule, slot.Start)})
		}
	}
	slices.SortStableFunc(next, func(a, b report.OverviewNext) int { return a.Start.Compare(b.Start) })
	return next[:min(len(next), nextListed)]
}

// coverage judges every served plan. Without a server, it judges every plan that
// has a known run.
func (g *glance) coverage(ctx context.Context) report.OverviewCoverage {
	c := report.OverviewCoverage{Unknown: g.unreadable(), Plans: []report.OverviewPlan{}, Worst: []report.OverviewSubject{}}
	if c.Unknown != "" {
		return c
	}
	last, err := g.journal.LastRuns(ctx, false)
	whole, wholeErr := g.journal.WholeRuns(ctx)
	if err = errors.Join(err, wholeErr); err != nil {
		c.Unknown = err.Error()
		return c
	}
	g.whole = map[journal.Scheduled]journal.Run{}
	ended := map[journal.Scheduled]journal.Run{}
	var plans []journal.Scheduled
	for _, p := range g.request.Served {
		plans = append(plans, p.Scheduled)
	}
	for _, run := range whole {
		g.whole[journal.Scheduled{Plan: run.Plan, Origin: run.Origin}] = run
	}
	for _, run := range last {
		key := journal.Scheduled{Plan: run.Plan, Origin: run.Origin}
		ended[key] = run
		if _, served := g.served[key]; !served && g.request.Served == nil {
			plans = append(plans, key) // nobody expects backups of a plan that a server no longer serves
		}
	}
	for _, key := range plans {
		if !g.sees(key.Plan, "") {
			continue
		}
		p := report.OverviewPlan{Plan: key.Plan, File: key.Origin, Goal: goalOf(g.served[key].Schedule, g.now)}
		if run, known := ended[key]; known {
			row, err := row(ctx, g.journal, run)
			if err != nil {
				c.Unknown = err.Error()
				return c
			}
			p.LastRun = &row
		}
		worst, err := g.judge(ctx, key, &p)
		if err != nil {
			c.Unknown = err.Error()
			return c
		}
		c.Plans, c.Worst = append(c.Plans, p), append(c.Worst, worst[:min(len(worst), worstListed)]...)
	}
	slices.SortStableFunc(c.Plans, func(a, b report.OverviewPlan) int { return cmp.Compare(urgency(a), urgency(b)) })
	sortWorst(c.Worst)
	c.Worst = c.Worst[:min(len(c.Worst), worstListed)]
	for _, p := range c.Plans {
		c.More += p.Stale + p.None
	}
	c.More -= len(c.Worst)
	return c
}

// sortWorst puts subjects without any set first, then those that can wait least.
func sortWorst(worst []report.OverviewSubject) {
	slices.SortStableFunc(worst, func(a, b report.OverviewSubject) int {
		return cmp.Or(cmp.Compare(last10(a.State != report.CoverageNone), last10(b.State != report.CoverageNone)), cmp.Compare(a.Waits, b.Waits),
			strings.Compare(a.Device, b.Device), strings.Compare(a.Domain, b.Domain), strings.Compare(a.Activity, b.Activity))
	})
}

// urgency orders plans: first those with a subject without any set, then those
// about which nothing is known, then by how long they can wait.
func urgency(p report.OverviewPlan) time.Duration {
	switch {
	case p.None > 0:
		return -1 << 62
	case p.Unknown != "":
		return -1 << 61
	}
	return p.Waits
}

// judge counts the subjects of a plan with a recent good set, and returns the
// others.
func (g *glance) judge(ctx context.Context, key journal.Scheduled, p *report.OverviewPlan) (worst []report.OverviewSubject, err error) {
	run, known := g.whole[key]
	if !known {
		p.Unknown = "the journal knows no whole run of the plan"
		return nil, nil
	}
	limit, future := g.now.Add(-p.Goal), g.now.Add(clocksDiffer)
	failed, never, err := g.failedOf(ctx, run, p)
	if err != nil {
		return nil, err
	}
	aged, err := g.journal.Aged(ctx, run, limit, future)
	if err != nil {
		return nil, err
	}
	add := func(of backups.Subject, s journal.Standing) {
		if !g.sees(key.Plan, of.Device) {
			p.Expected--
			return
		}
		out := report.OverviewSubject{Plan: key.Plan, File: key.Origin, Activity: of.Activity, Device: of.Device, Domain: of.Domain, State: report.CoverageNone, Code: failed[of]}
		if s.Set == "" {
			p.None++
		} else {
			p.Stale++
			out.State, out.Set, out.Captured, out.Waits = report.CoverageStale, s.Set, s.Captured, s.Captured.Sub(limit)
			p.Waits = min(p.Waits, out.Waits)
		}
		worst = append(worst, out)
	}
	for _, s := range aged {
		if _, is := failed[s.Subject]; !is && !s.Wanted {
			continue // the last whole run had no task for it, because its device has it no more
		}
		if !s.Captured.Before(future) { // by a clock that was ahead: an earlier set counts
			if s, err = g.before(ctx, key.Plan, s.Subject, future); err != nil {
				return nil, err
			}
			if !s.Captured.Before(limit) {
				continue
			}
		}
		add(s.Subject, s)
	}
	for _, of := range never {
		add(of, journal.Standing{})
	}
	if p.Fresh = p.Expected - p.Stale - p.None; p.Stale+p.None > 0 {
		sortWorst(worst)
		return worst, nil
	}
	s, err := g.journal.OldestFresh(ctx, run, limit, future)
	if s != nil {
		p.Waits = s.Captured.Sub(limit)
	}
	return nil, err
}

// failedOf returns the subjects that the run should have backed up and did not,
// with their final codes, and those of them that were never stored. It counts the
// subjects that the run should have backed up; domains that are never backed up,
// or are gone, do not count. If a device was not reached, the domains of its last
// good run stand for its only task.
func (g *glance) failedOf(ctx context.Context, run journal.Run, p *report.OverviewPlan) (failed map[backups.Subject]string, never []backups.Subject, err error) {
	bad, err := g.journal.Bad(ctx, run)
	if err != nil {
		return nil, nil, err
	}
	failed = map[backups.Subject]string{}
	p.Expected = run.Tasks - len(bad)
	for _, t := range bad {
		if e, _ := status.Lookup(status.Code(t.Code)); e.Neutral || e.Gone() {
			continue
		}
		of := backups.Subject{Device: t.Device, Domain: t.Domain, Activity: t.Activity}
		var domains []string
		if !literal(t.Domain) {
			if domains, err = g.journal.LastDomains(ctx, run.Plan, run.Origin, t.Activity, t.Device); err != nil {
				return nil, nil, err
			}
		}
		for _, of.Domain = range domains { // a good run has stored them
			failed[of] = t.Code
		}
		if len(domains) == 0 {
			of.Domain = t.Domain
			if failed[of] = t.Code; !t.Stored {
				never = append(never, of)
			}
		}
	}
	p.Expected += len(failed)
	return failed, never, nil
}

// before returns the newest whole set of a subject that was captured before a
// time.
func (g *glance) before(ctx context.Context, plan string, of backups.Subject, at time.Time) (journal.Standing, error) {
	for c, err := range g.journal.Copies(ctx, journal.CopyFilter{Plan: plan, Device: of.Device, Domain: of.Domain, Whole: of.Domain == "", Activity: of.Activity, Before: at, State: backups.Whole}) {
		if err != nil {
			return journal.Standing{}, err
		}
		if !c.Imported {
			return journal.Standing{Subject: of, Set: c.Set, Captured: c.Captured}, nil
		}
	}
	return journal.Standing{Subject: of}, nil
}

func (g *glance) truth(ctx context.Context) report.OverviewTruth {
	t := report.OverviewTruth{Unknown: g.unreadable(), Broken: []report.BrokenPlan{}, Destinations: []report.OverviewDestination{}, Notices: []report.OverviewNotice{}}
	if t.Unknown != "" {
		return t
	}
	fired, err := g.Firings(ctx, 1)
	places, placesErr := g.journal.Places(ctx)
	lines, linesErr := g.journal.Lines(ctx, tonight(g.now, g.request.Zone), "notify", noticesListed)
	runs, runsErr := g.journal.Runs(ctx, journal.Filter{}, 1)
	if err = errors.Join(err, placesErr, linesErr, runsErr); err != nil {
		t.Unknown = err.Error()
		return t
	}
	for _, run := range runs {
		t.Newest = later(run.Started, run.Ended)
	}
	if t.Server = fired.Server; t.Server != nil {
		t.Newest = later(t.Newest, t.Server.Beat)
		if g.sees("", "") {
			t.Broken = append(t.Broken, t.Server.Broken...)
		}
		t.Server.Broken = t.Broken // an invalid file may belong to any plan
		t.Late = t.Server.Running && g.now.Sub(t.Server.Beat).Abs() > serverLate
	}
	for _, p := range places {
		if !g.sees(p.Plan, "") {
			continue
		}
		d := report.OverviewDestination{Plan: p.Plan, Room: room(p.Room)}
		history, err := g.journal.Rooms(ctx, p.Plan, p.Destination, g.now.Add(-roomsSince))
		if err != nil {
			t.Unknown = err.Error()
			return t
		}
		if len(history) > 0 && history[0].Root == p.Root {
			d.FillsIn = fillsIn(history)
		}
		d.Full = d.Total > 0 && d.Free >= 0 && d.Free < d.Total/10 || d.FillsIn > 0 && d.At.Add(d.FillsIn).Before(g.now.Add(fullSoon))
		t.Destinations = append(t.Destinations, d)
	}
	for _, l := range lines {
		if g.sees(l.Plan, "") {
			notice := report.OverviewNotice(l)
			if g.request.Sees != nil { // the text may name devices that are not shown
				notice.Text = "A notification failed. Somebody who may see everything can read why."
			}
			t.Notices = append(t.Notices, notice)
		}
	}
	return t
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// addName adds a name to a short list, at most once.
func addName(list []string, name string) []string {
	if name == "" || len(list) >= namesListed || slices.Contains(list, name) {
		return list
	}
	return append(list, name)
}

// literal reports whether a task is about one domain or a device, and not about
// all that match a pattern.
func literal(domain string) bool { return pattern.IsLiteral(domain) && !strings.Contains(domain, ",") }
