package runner

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/pattern"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/cipher"
	"github.com/dprun/dprun/runner/drill"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

// CoverageRequest asks which parts of a plan have a good backup that is recent
// enough.
type CoverageRequest struct {
	Source Source
	Plan   string // the plan's name; empty: the only one of the file
	MaxAge time.Duration
	Keys   Keys // a set counts only if these open it; none given: every set counts
}

// Coverage finds the last good set of everything that a plan should back up. The
// journal says which domains those are. Coverage contacts nothing and reads no
// secret. It returns neither a report nor an error if the diagnostics say that
// the plan is wrong.
func (r *Runner) Coverage(ctx context.Context, q CoverageRequest) (*report.Coverage, *report.Result, error) {
	res := &report.Result{}
	known, own, err := r.known()
	if err != nil {
		return nil, res, err
	}
	keys, err := q.Keys.read()
	if err != nil {
		return nil, res, err
	}
	loaded, ds, err := Load(ctx, q.Source, r.plugins)
	if res.Diagnostics = ds; err != nil || ds.HasErrors() {
		res.ExitCode = ExitInvalid
		return nil, res, err
	}
	p, err := Pick(loaded.Config, q.Plan)
	if err != nil {
		return nil, res, err
	}
	now := r.Clock.Now()
	c := covering{journal: known, plan: p, keys: keys, origin: originOf(loaded, p)}
	if c.last, err = c.lastRun(ctx); err != nil {
		return nil, res, err
	}
	proofs, err := known.Proofs(ctx, "")
	if err != nil {
		return nil, res, &Error{ExitBug, err}
	}
	c.proofs = drill.Last(proofs)
	out := &report.Coverage{Plan: p.Name, At: now, MaxAge: q.MaxAge}
	for _, a := range p.Activities {
		for _, d := range a.Devices {
			subjects, err := c.subjects(ctx, a, d)
			if err != nil {
				return nil, res, err
			}
			for _, s := range subjects {
				set, err := backups.Last(c.sets(ctx, s.Device, s.Domain), s, own, now)
				if err != nil {
					return nil, res, err
				}
				covered := c.judge(s, set, now, q.MaxAge, own)
				if err := c.unopened(ctx, &covered, s, own, now); err != nil {
					return nil, res, err
				}
				out.Subjects = append(out.Subjects, covered)
			}
		}
	}
	out.Count()
	var places []string
	for _, d := range p.Destinations {
		places = append(places, d.Address)
	}
	if out.Rooms, err = rooms(ctx, known, p.Name, places, now); err != nil {
		return nil, res, err
	}
	res.ExitCode = out.ExitCode
	return out, res, nil
}

// covering holds what the journal knows about a plan's backups.
type covering struct {
	journal *journal.Journal
	plan    *plan.Plan
	keys    *cipher.Identities // nil: none given, every set counts
	origin  string
	last    map[backups.Subject]ending
	proofs  map[backups.Subject]backups.Proof // results of the last imports
}

// sets returns the sets of a domain, or of the whole device, the newest first,
// with only the copies that the given identities open.
func (c *covering) sets(ctx context.Context, device, domain string) iter.Seq2[backups.Set, error] {
	return backups.Sets(func(yield func(backups.Copy, error) bool) {
		for one, err := range c.copies(ctx, device, domain) {
			if (err != nil || c.keys == nil || c.keys.OpenAll(one)) && !yield(one, err) {
				return
			}
		}
	})
}

func (c *covering) copies(ctx context.Context, device, domain string) iter.Seq2[backups.Copy, error] {
	return c.journal.Copies(ctx, journal.CopyFilter{Plan: c.plan.Name, Device: device, Domain: domain, Whole: domain == ""})
}

// unopened says that a subject without a recent good backup has one that no given
// identity opens.
func (c *covering) unopened(ctx context.Context, out *report.CoverageSubject, s backups.Subject, own string, now time.Time) error {
	if c.keys == nil || out.State != report.CoverageNone && out.State != report.CoverageStale {
		return nil
	}
	last, err := backups.Last(backups.Sets(c.copies(ctx, s.Device, s.Domain)), s, own, now)
	if err != nil || last == nil || last[0].Set == out.Set {
		return err
	}
	out.Unopened, out.Code = last[0].Set, ""
	out.Why = "none of the given identities opens set " + last[0].Set + ", which is encrypted for " + join(last[0].EncryptedFor())
	return nil
}

// ending says how a task of the last run ended.
type ending struct{ code, message string }

// runsBack is the number of runs that are searched for the last whole one.
const runsBack = 200

// lastRun returns how the tasks of the plan's last run ended. Narrowed runs, and
// runs that ended before they had tasks, do not count.
func (c *covering) lastRun(ctx context.Context) (map[backups.Subject]ending, error) {
	runs, err := c.journal.Runs(ctx, journal.Filter{Plan: c.plan.Name}, runsBack)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(runs, func(r journal.Run) bool {
		return r.Origin == c.origin && !r.Partial && r.State == journal.Finished && r.Tasks > 0
	})
	if at < 0 {
		return nil, nil
	}
	out := map[backups.Subject]ending{}
	for t, err := range c.journal.Records(ctx, runs[at].ID) {
		if err != nil {
			return nil, err
		}
		e := ending{code: t.Code}
		if n := len(t.History); n > 0 {
			e.message = t.History[n-1].Message
		}
		out[backups.Subject{Device: t.Device, Domain: t.Domain, Activity: t.Activity}] = e
	}
	return out, nil
}

// subjects returns what an activity should back up of a device: the device
// itself, or the domains that the last good run found, that the last run had
// tasks for, and that the plan names. If no run is known, it returns the domains
// with stored sets. If nothing at all is known, the plan's patterns stand for the
// domains.
func (c *covering) subjects(ctx context.Context, a *plan.Activity, d *plan.Device) ([]backups.Subject, error) {
	of := func(domain string) backups.Subject {
		return backups.Subject{Device: d.Name, Domain: domain, Activity: a.Name}
	}
	if a.Schema.Scope != schema.ScopeDomain {
		return []backups.Subject{of("")}, nil
	}
	meant, ds := a.DomainsFor(plan.Scope{Plan: c.plan, Activity: a, Device: d})
	if ds.HasErrors() {
		return nil, &Error{ExitInvalid, ds.Err()}
	}
	names := map[string]bool{}
	add := func(name string) {
		if pattern.IsLiteral(name) && meant.Matches(name) {
			names[name] = true
		}
	}
	known, err := c.journal.LastDomains(ctx, c.plan.Name, c.origin, a.Name, d.Name)
	if err != nil {
		return nil, err
	}
	for _, name := range known {
		add(name)
	}
	for s := range c.last {
		if s.Device == d.Name && s.Activity == a.Name {
			add(s.Domain)
		}
	}
	if len(names) == 0 {
		for found, err := range c.journal.Copies(ctx, journal.CopyFilter{Plan: c.plan.Name, Device: d.Name}) {
			if err != nil {
				return nil, err
			}
			if found.Activity == a.Name && found.State == backups.Whole {
				add(found.Domain)
			}
		}
	}
	unknown := len(names) == 0
	var patterns []string
	for _, p := range meant {
		for _, match := range p.Match {
			if add(match); !pattern.IsLiteral(match) {
				patterns = append(patterns, match)
			}
		}
	}
	var out []backups.Subject
	for _, name := range slices.Sorted(maps.Keys(names)) {
		out = append(out, of(name))
	}
	if unknown && len(patterns) > 0 {
		out = append(out, of(strings.Join(patterns, ",")))
	}
	return out, nil
}

// judge reports whether a subject has a good backup that is recent enough.
func (c *covering) judge(s backups.Subject, set backups.Set, now time.Time, most time.Duration, own string) report.CoverageSubject {
	out := report.CoverageSubject{Activity: s.Activity, Device: s.Device, Domain: s.Domain, State: report.CoverageNone, Places: len(c.plan.Destinations)}
	if set != nil {
		out.Set, out.Captured, out.Age, out.Origin = set[0].Set, set[0].Captured, now.Sub(set[0].Captured), string(set.Origin(own))
		if out.State = report.CoverageStale; out.Age <= most {
			out.State = report.CoverageFresh
		}
		out.Copies, out.Proof = proofOf(set)
	}
	if p, imported := c.proofs[s]; imported {
		was := proof(p, set)
		out.Import = &was
	}
	e, known := c.last[s]
	if !known { // the device was not reached, so one task stands for its domains
		for of, ended := range c.last {
			if of.Device == s.Device && of.Activity == s.Activity && !pattern.IsLiteral(of.Domain) {
				e, known = ended, true
			}
		}
	}
	switch class, _ := status.Lookup(status.Code(e.code)); {
	case !known && out.State == report.CoverageNone:
		out.Why = "the journal knows no run of the plan that should have stored it"
	case e.code == string(status.Success) && out.State == report.CoverageNone:
		out.Why = "the last run has stored it, and no copy is known to be whole: look with `dprun backups list`, or find it with `dprun backups import`"
	case !known || e.code == string(status.Success):
	default:
		out.Code, out.Why = e.code, e.message
		if class.Neutral || class.Gone() {
			out.State = report.CoverageExcluded
		}
	}
	return out
}

// proof returns the result of an import in the form of a report. of is the set
// that the report shows.
func proof(p backups.Proof, of backups.Set) report.Proof {
	return report.Proof{Set: p.Set, Same: slices.ContainsFunc(of, p.Proves), At: p.At, Drill: p.Drill, Device: p.On, Run: p.Run, Verdict: string(p.Verdict), Why: p.Why, Excused: p.Excused}
}

// proofOf counts the whole copies, and says how the best one was verified.
func proofOf(set backups.Set) (whole int, best string) {
	proofs := []string{"manifest", "sent", "checksum_verified"}
	at := 0
	for _, c := range set {
		if c.State != backups.Whole {
			continue
		}
		whole++
		switch trusted, _ := c.Trust(); {
		case !trusted:
		case c.Verified == string(sdk.VerifyReadBack):
			at = 2
		default:
			at = max(at, 1)
		}
	}
	return whole, proofs[at]
}
