package runner

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/status"
)

// NightsRequest asks for the last nights.
type NightsRequest struct {
	Nights int            // the number of nights, including the present one; at most [NightsMost]
	Zone   *time.Location // a night goes from noon to noon in it; nil: the machine's zone
	Plan   string         // empty: all
}

// NightsMost is the most nights of one answer.
const NightsMost = 400

// Nights returns the results of the plans in the last nights. The error is an
// *[Error].
func (h *History) Nights(ctx context.Context, q NightsRequest) (report.Nights, error) {
	q.Zone = cmp.Or(q.Zone, time.Local)
	out := report.Nights{Zone: q.Zone.String(), Plans: []report.NightsPlan{}}
	k := h.kept.Load()
	if k.journal == nil {
		return out, k.lost
	}
	place := map[time.Time]int{}
	for noon := nightOf(h.now(), q.Zone); len(out.Nights) < min(max(q.Nights, 1), NightsMost); noon = nightOf(noon.Add(-time.Second), q.Zone) {
		place[noon] = len(out.Nights)
		out.Nights = append(out.Nights, noon)
	}
	since := out.Nights[len(out.Nights)-1]
	plans := map[journal.Scheduled][]report.Night{}
	cell := func(key journal.Scheduled, at time.Time) *report.Night {
		i, ours := place[nightOf(at, q.Zone)]
		if !ours || q.Plan != "" && q.Plan != key.Plan {
			return &report.Night{} // not asked for, or from a clock that was ahead
		}
		if plans[key] == nil {
			plans[key] = make([]report.Night, len(out.Nights))
		}
		return &plans[key][i]
	}
	runs, err := k.journal.Counts(ctx, since, neutralCodes())
	if err != nil {
		return out, &Error{ExitBug, err}
	}
	for _, run := range runs {
		c := cell(journal.Scheduled{Plan: run.Plan, Origin: run.Origin}, run.Started)
		c.Runs = append(c.Runs, run.ID)
		if run.State != journal.Finished {
			if run.Succeeded, err = k.journal.Succeeded(ctx, run.ID); err != nil {
				return out, &Error{ExitBug, err}
			}
		}
		c.Tasks, c.Good = c.Tasks+run.Tasks, c.Good+run.Succeeded
		c.Failed += run.Failed
		c.Running = c.Running || run.State != journal.Finished
		if run.State == journal.Finished && run.Failed == 0 && run.ExitCode != 0 && run.ExitCode != ExitNothing {
			c.Failed++ // the run as a whole has failed
		}
	}
	fired, err := k.journal.Undone(ctx, since)
	if err != nil {
		return out, &Error{ExitBug, err}
	}
	for _, f := range fired {
		if missed(f) {
			cell(f.Scheduled, f.Due).Missed++
		}
	}
	for key, cells := range plans {
		for i := range cells {
			cells[i].State = nightState(cells[i])
		}
		out.Plans = append(out.Plans, report.NightsPlan{Plan: key.Plan, File: key.Origin, Cells: cells})
	}
	slices.SortFunc(out.Plans, func(a, b report.NightsPlan) int {
		return cmp.Or(strings.Compare(a.Plan, b.Plan), strings.Compare(a.File, b.File))
	})
	return out, nil
}

func nightState(n report.Night) report.NightState {
	switch {
	case n.Running:
		return report.NightRunning
	case len(n.Runs) == 0 && n.Missed > 0:
		return report.NightMissed
	case len(n.Runs) == 0:
		return report.NightNothing
	case n.Failed+n.Missed == 0:
		return report.NightGood
	case n.Good == 0:
		return report.NightFailed
	}
	return report.NightPartly
}

// OutcomesRequest asks for the results of runs for a device, or for one domain of
// it.
type OutcomesRequest struct {
	Device string
	Domain string // empty: all domains, and the device itself
	After  string // cursor; empty: from the newest run on
	Limit  int    // the approximate size of a page: results of one run stay together
}

const (
	// runsAtOnce is the number of runs that one page of results covers at most.
	runsAtOnce = 200
	// outcomesMost is the largest page.
	outcomesMost = 1000
)

// Outcomes returns the results of runs for a device or domain, the newest first.
// The error is an *[Error].
func (h *History) Outcomes(ctx context.Context, q OutcomesRequest) (report.Outcomes, error) {
	out := report.Outcomes{Items: []report.TaskOutcome{}}
	k := h.kept.Load()
	if k.journal == nil {
		return out, k.lost
	}
	if q.Limit <= 0 || q.Limit > outcomesMost {
		q.Limit = outcomesMost
	}
	runs, err := k.journal.Runs(ctx, journal.Filter{After: q.After}, runsAtOnce)
	if err != nil {
		return out, &Error{ExitBug, err}
	}
	for _, run := range runs {
		found, err := k.journal.TasksOf(ctx, run.ID, q.Device, q.Domain)
		if err != nil {
			return out, &Error{ExitBug, err}
		}
		for _, t := range found {
			o := report.TaskOutcome{Run: run.ID, Plan: run.Plan, File: run.Origin, Narrowed: run.Partial, Started: run.Started, Task: t.ID, Activity: t.Activity, Device: t.Device,
				Domain: t.Domain, Code: t.Code, Final: t.Final, Good: t.Final && t.Code == string(status.Success), Message: t.Message}
			for c, err := range k.journal.Copies(ctx, journal.CopyFilter{Device: t.Device, Domain: t.Domain, Whole: t.Domain == "", Activity: t.Activity, Run: run.ID, Since: run.Started}) {
				if err != nil {
					return out, &Error{ExitBug, err}
				}
				if o.Set == "" || c.State == backups.Whole {
					o.Set, o.SetState = c.Set, string(c.State)
				}
			}
			out.Items = append(out.Items, o)
		}
		if out.Next = run.ID; len(out.Items) >= q.Limit {
			return out, nil
		}
	}
	if len(runs) < runsAtOnce {
		out.Next = ""
	}
	return out, nil
}

// TimelineRequest asks for the timeline of a run.
type TimelineRequest struct {
	Run   string // its ID, a prefix of the ID, or latest
	After string // cursor: the task before the first one; empty: from the first task on
	Limit int    // the most tasks; 0: all
	// Sees reports whether the caller may know about a device in a plan; nil: about
	// all. Tasks that the caller may not see are not counted, and cannot be a
	// cursor.
	Sees func(plan, device string) bool
}

// Timeline returns what a run did and when, and what it kept out of service. The
// error is an *[Error], or one of the journal.
func (h *History) Timeline(ctx context.Context, q TimelineRequest) (report.Timeline, error) {
	t := report.Timeline{Tasks: []report.TimelineTask{}, Out: []report.OutOfService{}}
	j, run, err := h.find(ctx, q.Run)
	if err != nil {
		return t, err
	}
	if t.Run, err = row(ctx, j, run); err != nil {
		return t, err
	}
	own, err := j.History(ctx, run.ID, "")
	if err != nil {
		return t, err
	}
	t.Steps = steps(own)
	owed, err := j.Obligations(ctx, run.ID)
	if err != nil {
		return t, err
	}
	quiesced := map[string]time.Time{}
	after := q.After != ""
	for task, err := range j.Records(ctx, run.ID) {
		if err != nil {
			return t, err
		}
		if q.Sees != nil && !q.Sees(run.Plan, task.Device) {
			continue
		}
		for _, s := range task.History {
			if _, begun := quiesced[task.ID]; s.Code == string(status.QuiesceStarted) && !begun {
				quiesced[task.ID] = s.Time
			}
		}
		switch {
		case after:
			after = task.ID != q.After
		case q.Limit > 0 && len(t.Tasks) == q.Limit:
			t.Next = t.Tasks[q.Limit-1].Task
		default:
			t.Tasks = append(t.Tasks, report.TimelineTask{Task: task.ID, Activity: task.Activity, Device: task.Device, Domain: task.Domain, Code: task.Code, Final: task.Final, Steps: steps(task.History)})
		}
	}
	if after {
		return t, &Error{ExitUsage, errors.New("no task " + q.After + " is known to go on from")}
	}
	if q.Sees != nil {
		owed = slices.DeleteFunc(owed, func(o journal.Obligation) bool { return !q.Sees(run.Plan, o.Device) })
	}
	t.Out = outOfService(owed, quiesced)
	return t, nil
}

// steps returns statuses with the time until the next one.
func steps(history []event.Status) []report.Step {
	out := make([]report.Step, 0, len(history))
	for i, s := range history {
		e, _ := status.Lookup(status.Code(s.Code))
		step := report.Step{Code: s.Code, Begin: s.Time, Message: s.Message}
		if len(e.Phases) > 0 {
			step.Doing = strings.Join(status.Doing(e.Phases[0]), "")
		}
		if i+1 < len(history) {
			step.End = history[i+1].Time
		}
		out = append(out, step)
	}
	return out
}

// outOfService returns the times for which a run kept targets quiesced, from its
// obligations. So a return after the run's end counts too. A permit that was
// returned unused does not count. An open obligation counts whatever the history
// says, because nobody has seen that the target serves.
func outOfService(owed []journal.Obligation, quiesced map[string]time.Time) []report.OutOfService {
	out := []report.OutOfService{}
	for _, o := range owed {
		begun, known := quiesced[o.Task]
		if o.Kind != pending.Unquiesce || !known && !o.PaidAt.IsZero() {
			continue
		}
		if !known {
			begun = o.Since
		}
		out = append(out, report.OutOfService{Task: o.Task, Device: o.Device, Domain: o.Domain, Begin: begun, End: o.PaidAt})
	}
	slices.SortStableFunc(out, func(a, b report.OutOfService) int {
		return cmp.Or(strings.Compare(a.Device, b.Device), strings.Compare(a.Domain, b.Domain), a.Begin.Compare(b.Begin))
	})
	return out
}
