package runner

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/retention"
	"github.com/dprun/dprun/sdk"
)

// policyOf returns a rule in the form that retention reads.
func policyOf(r *plan.Retention) (retention.Policy, error) {
	if r == nil {
		return retention.Policy{}, nil
	}
	zone, err := time.LoadLocation(r.Timezone)
	if err != nil {
		return retention.Policy{}, fmt.Errorf("the time zone of retention %s: %w", r.Address, err)
	}
	return retention.Policy{Last: r.KeepLast, Daily: r.KeepDaily, Weekly: r.KeepWeekly, Monthly: r.KeepMonthly, Within: r.KeepWithin, Zone: zone}, nil
}

// foreseePrune says what a prune would delete at the destinations that answered.
// It asks only the journal.
func (r *Runner) foreseePrune(ctx context.Context, p *plan.Plan, origin string, answered map[string]*sdk.DestinationReport) (out []report.PreviewRetention, err error) {
	k := r.kept.Load()
	own, err := r.state.ID()
	if err != nil {
		return nil, &Error{ExitBug, err}
	}
	if k.journal == nil {
		return nil, nil
	}
	restoring, err := r.setsOfRestores()
	if err != nil {
		return nil, nil // then a prune deletes nothing
	}
	all := make([]*pruning, len(p.Destinations))
	for i, d := range p.Destinations {
		all[i] = &pruning{restoring: restoring, ledger: k.journal, now: r.Clock.Now, own: own, plan: p, origin: origin, destination: d.Address, rule: p.RetentionAt(d)}
		if a := answered[d.Address]; a != nil {
			all[i].root = a.Location
		}
	}
	for _, w := range all {
		if w.rule == nil || w.root == "" {
			continue
		}
		w.others = samePlace(w, all)
		goes, err := w.foresee(ctx)
		if err != nil {
			return nil, err
		}
		if goes.Sets > 0 {
			out = append(out, goes)
		}
	}
	return out, nil
}

// foresee says what a prune would delete, by the journal alone.
func (w *pruning) foresee(ctx context.Context) (goes report.PreviewRetention, err error) {
	copies, err := w.copies(ctx, journal.CopyFilter{Root: w.root})
	if err == nil {
		err = w.know(ctx, copies)
	}
	if err != nil {
		return goes, err
	}
	maps.DeleteFunc(copies, func(_ string, c backups.Copy) bool { return c.Plan != w.plan.Name || c.State != backups.Whole })
	verdicts, err := w.verdicts(copies)
	goes.Destination, goes.Retention = w.destination, w.rule.Address
	for _, v := range verdicts {
		if v.Keep || w.shared(copies[v.ID]) != "" {
			continue
		}
		if goes.Sets++; goes.Oldest.IsZero() || v.Stamp.Before(goes.Oldest) {
			goes.Oldest = v.Stamp
		}
		if v.Stamp.After(goes.Newest) {
			goes.Newest = v.Stamp
		}
		goes.Bytes += copies[v.ID].Bytes
	}
	return goes, err
}

// verdicts applies the rule to copies, and the rules of other destinations that
// are the same place.
func (w *pruning) verdicts(copies map[string]backups.Copy) ([]retention.Verdict, error) {
	var sets []retention.Set
	for _, c := range copies {
		sets = append(sets, w.candidate(c))
	}
	now := w.now()
	policy, err := policyOf(w.rule)
	if err != nil {
		return nil, err
	}
	verdicts := retention.Decide(policy, sets, now)
	keep := func(v *retention.Verdict, format string, args ...any) {
		v.Keep, v.Why = true, []string{fmt.Sprintf(format, args...)}
	}
	for i := range verdicts {
		if w.rule == nil {
			keep(&verdicts[i], "no retention is set")
		}
	}
	for i, v := range verdicts {
		if w.restoring[v.ID] {
			keep(&verdicts[i], "a restore that is not proven may need it: dprun owed")
		}
	}
	for _, o := range w.others {
		policy, err := policyOf(o.rule)
		if err != nil {
			return nil, err
		}
		for i, v := range retention.Decide(policy, sets, now) { // in the same order
			switch {
			case verdicts[i].Keep:
			case o.rule == nil:
				keep(&verdicts[i], "destination %s is the same place, and has no retention", o.destination)
			case v.Keep:
				keep(&verdicts[i], "destination %s is the same place, and its retention %s keeps it: %s", o.destination, o.rule.Address, join(v.Why))
			}
		}
	}
	return verdicts, nil
}

// candidate returns a copy in the form that retention judges. If the destination
// was listed, a copy is good only if its files are there with their stored sizes.
func (w *pruning) candidate(c backups.Copy) retention.Set {
	trusted, _ := c.Trust()
	s := retention.Set{ID: c.Set, Destination: w.root, Device: c.Device, Domain: c.Domain, Activity: c.Activity, Stamp: c.Captured,
		Foreign: c.StateID != w.own, Imported: !trusted, Gone: !inPlan(w.plan, c)}
	switch {
	case w.theirs(c.Run) != "":
		s.Bad = w.theirs(c.Run)
	case c.State != backups.Whole:
		s.Bad = string(c.State)
	case w.objects == nil:
	case w.begun(c):
		s.Bad = "its manifest is missing at the destination"
	default:
		for _, f := range c.Files {
			name := c.At(f)
			if size, there := w.objects[name]; !there {
				s.Bad = "missing at the destination: " + name
			} else if size != f.Size {
				s.Bad = fmt.Sprintf("%s has %d bytes at the destination, not %d", name, size, f.Size)
			}
		}
	}
	return s
}

func inPlan(p *plan.Plan, c backups.Copy) bool {
	a := p.Activity(c.Activity)
	return a != nil && slices.ContainsFunc(a.Devices, func(d *plan.Device) bool { return d.Name == c.Device })
}
