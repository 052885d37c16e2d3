package runner

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/settle"
	"github.com/dprun/dprun/runner/signing"
)

// Apply runs a plan. It first finishes what an earlier process left. The error is
// an *Error, or the error that Confirm returned; the result says the same.
func (r *Runner) Apply(ctx context.Context, q ApplyRequest) (res *report.Result, err error) {
	op := r.begin(q.Operation)
	defer op.lines.flush()
	op.change, op.reason, op.by = q.Change, q.Reason, cmp.Or(q.By, username())
	res = &report.Result{}
	err = op.apply(ctx, q, res)
	if stop := q.Stop; err != nil && res.Summary == nil && stop != nil {
		if e := new(Error); errors.As(context.Cause(stop.asked), &e) {
			err = e // there was no run yet that could be cancelled
		}
	}
	conclude(res, &err)
	return res, err
}

func (r *operation) apply(ctx context.Context, q ApplyRequest, res *report.Result) error {
	only, err := ParseOnly(q.Only)
	if err != nil {
		return &Error{ExitUsage, err}
	}
	// The plan is read first, which contacts no gateway. The recovery comes next in
	// any case: a broken plan must not keep dprun from bringing devices back.
	reading := ctx
	if q.Stop != nil {
		reading = q.Stop.asked
	}
	loaded, p, broken := r.load(reading, q.Source, q.Plan, only, res)
	var spec lifecycle.RunSpec
	if broken == nil && p != nil {
		spec, broken = r.narrow(p, q.Run, only, q.Parallel, res)
	}
	var keys *signing.Keys
	if broken == nil && p != nil {
		keys, broken = r.keysOf(loaded, p)
	}
	if q.Read != nil {
		q.Read(res.Diagnostics, broken, report.Unheld(r.owed(ctx).Owed))
		res.Told, res.Diagnostics = res.Diagnostics, nil
	}
	tried, err := r.recover(ctx, res)
	if broken != nil || spec.ID == "" {
		return errors.Join(broken, err)
	}
	if err == nil {
		err = r.unlessStopped()
	}
	if err != nil {
		return err
	}
	held, err := r.holdPlan(ctx, p.Name, originOf(loaded, p), tried, res)
	if err != nil {
		return err
	}
	defer func() { _ = held.Release() }()

	if err := r.remember(ctx, originOf(loaded, p), &spec); err != nil {
		return err
	}
	others, err := r.group(ctx, loaded, p, &spec)
	if err != nil {
		return err
	}
	if d := disruptionOf(spec); len(d.Activities) > 0 && q.Confirm != nil {
		if err := q.Confirm(d); err != nil {
			return err
		}
	}
	if len(disruptionOf(spec).Activities) > 0 {
		if r.guarded, err = r.guard(spec.ID, q.Guard); err != nil {
			return err
		}
		defer r.guarded.leave() // runs after the last look at what is pending: the guard then works on that
	}
	res.ExitCode = 0 // the last look at what is pending decides it
	if err := r.run(ctx, loaded, p, spec, keys, others, q.Only != "", res); err != nil {
		_, again := r.recover(ctx, res)
		return errors.Join(err, again)
	}
	r.noteOwed(ctx, res)
	res.Owed = slices.DeleteFunc(res.Owed, func(o report.Owed) bool { return o.Held }) // other runs work on these
	return nil
}

// holdPlan takes a plan's lock for a new run. Since this process looked for dead
// runs, a run of the plan may have died, or another process may have begun to
// recover one, and the new run must not begin beside it. Once the lock is ours,
// no new run of the plan can appear.
//
// tried holds the dead runs for which this process has done what it can.
func (r *operation) holdPlan(ctx context.Context, plan, origin string, tried map[string]bool, res *report.Result) (_ *lock.Lock, err error) {
	held, err := r.locks.TryAcquire(lock.PlanKey(plan, origin), lock.Exclusive, lock.Info{})
	if h := new(lock.HeldError); errors.As(err, &h) {
		return nil, errorf(ExitRunning, "plan %s is already running: %s; wait for it to end", plan, h.Holder)
	}
	if err != nil {
		return nil, &Error{ExitBug, err}
	}
	defer func() {
		if err != nil {
			_ = held.Release()
		}
	}()
	runs, err := r.journal.UnfinishedRuns(ctx)
	if err != nil {
		return nil, &Error{ExitBug, err}
	}
	again := false
	for _, run := range runs {
		if run.Plan != plan || run.Origin != origin {
			continue
		}
		by, live := r.settler.Holder(ctx, run.ID)
		if live {
			return nil, errorf(ExitRunning, "plan %s: its run %s is being recovered by process %d; wait for that to end, then run the plan again", plan, run.ID, by.PID)
		}
		again = again || !tried[run.ID]
	}
	if again { // a run died since this process looked
		if _, err := r.recover(ctx, res); err != nil {
			return nil, err
		}
		return held, r.unlessStopped()
	}
	// Others may have finished, or left behind, what they held at the first look.
	if res.ExitCode == ExitOwed || res.ExitCode == ExitAway {
		res.ExitCode = 0
	}
	r.noteOwed(ctx, res)
	return held, r.unlessStopped()
}

// unlessStopped returns an error if a recovery was asked to stop: nobody who
// stops a recovery wants a new run.
func (r *operation) unlessStopped() error {
	if r.stopped == "" {
		return nil
	}
	return errorf(1, "stopped by %s while an earlier run was being finished; the plan was not begun", r.stopped)
}

// remember adds facts of earlier runs to the spec: sizes, domains, and devices
// that are blocked because something must still be undone on them.
func (r *operation) remember(ctx context.Context, origin string, s *lifecycle.RunSpec) error {
	s.LastSize, s.Usual, s.LastDomains = map[string]int64{}, map[string]time.Duration{}, map[string][]string{}
	for _, a := range s.Activities {
		for _, d := range a.Devices {
			sizes, err := r.journal.LastSizes(ctx, origin, d, a.Name)
			if err != nil {
				return &Error{ExitBug, err}
			}
			for _, z := range sizes {
				id := lifecycle.TaskID(a.Name, d, z.Domain)
				s.LastSize[id], s.Usual[id] = z.Bytes, z.Took
			}
			domains, err := r.journal.LastDomains(ctx, s.Plan, origin, a.Name, d)
			if err != nil {
				return &Error{ExitBug, err}
			}
			if len(domains) > 0 {
				s.LastDomains[a.Name+"/"+d] = domains
			}
		}
	}
	all, err := r.outstanding(ctx)
	if err != nil {
		return err
	}
	blocked, boxes := settle.Blocked(all, r.Clock.Now())
	s.BlockedBoxes = boxes
	for name, why := range blocked {
		if d, ok := s.Devices[name]; ok {
			d.Blocked = why
			s.Devices[name] = d
		}
	}
	return nil
}

// group enters the groups of the plan's file in the journal, and adds to the spec
// the other members of each device's group.
func (r *operation) group(ctx context.Context, loaded *Loaded, p *plan.Plan, s *lifecycle.RunSpec) (map[string]record.Endpoint, error) {
	mine, err := record.Members(loaded.Config, p, originOf(loaded, p))
	if err == nil {
		err = r.journal.SetMembers(ctx, p.Name, originOf(loaded, p), mine)
	}
	if err == nil {
		err = r.forgetMembers(ctx, loaded)
	}
	if err != nil {
		return nil, &Error{ExitBug, err}
	}
	return r.peers(ctx, loaded, s)
}

// forgetMembers removes group members that other plans of the same files declared
// and the files no longer declare, because the device was removed or is in
// another group. Those plans may be gone, or may not run for a month.
func (r *operation) forgetMembers(ctx context.Context, loaded *Loaded) error {
	all, err := r.journal.Members(ctx)
	if err != nil {
		return err
	}
	type key struct{ plan, origin string }
	stale, says := map[key]bool{}, map[key][]journal.Member{}
	for _, m := range all {
		k := key{m.Plan, m.Origin}
		if isStale(loaded, m) {
			stale[k] = true
		} else {
			says[k] = append(says[k], m)
		}
	}
	for k := range stale { // a live run still uses the groups that it began with
		if held, _, err := r.locks.Held(lock.PlanKey(k.plan, k.origin)); held || err != nil {
			delete(stale, k)
		}
	}
	for k := range stale {
		if err := r.journal.SetMembers(ctx, k.plan, k.origin, says[k]); err != nil {
			return err
		}
	}
	return nil
}

// isStale reports whether the file of a member's plan is loaded and no longer
// declares the member.
func isStale(loaded *Loaded, m journal.Member) bool {
	return slices.ContainsFunc(loaded.Config.Plans, func(p *plan.Plan) bool { return originOf(loaded, p) == m.Origin }) &&
		!slices.ContainsFunc(loaded.Config.Devices, func(d *plan.Device) bool { return d.Name == m.Device && d.Group == m.Group })
}

// peers adds to the spec the other members of each device's group, from all
// plans. It returns the connections of members that the plan's file does not
// name. A plan whose file is gone no longer declares members.
func (r *operation) peers(ctx context.Context, loaded *Loaded, s *lifecycle.RunSpec) (map[string]record.Endpoint, error) {
	all, err := r.journal.Members(ctx)
	if err != nil {
		return nil, &Error{ExitBug, err}
	}
	here := map[string]bool{}
	for _, d := range loaded.Config.Devices {
		here[d.Name] = true
		all = append(all, journal.Member{Group: d.Group, Device: d.Name})
	}
	others := map[string]record.Endpoint{}
	for name, d := range s.Devices {
		for _, m := range all {
			if d.Group == "" || m.Group != d.Group || m.Device == name || slices.Contains(d.Peers, m.Device) || m.Origin != "" && isStale(loaded, m) {
				continue
			}
			if !here[m.Device] {
				if _, err := os.Stat(m.Origin); errors.Is(err, fs.ErrNotExist) {
					continue
				}
				var e record.Endpoint
				if err := json.Unmarshal(m.Endpoint, &e); err != nil {
					return nil, &Error{ExitBug, fmt.Errorf("read how device %s is reached: %w", m.Device, err)}
				}
				others[m.Device] = e
			}
			d.Peers = append(d.Peers, m.Device)
		}
		s.Devices[name] = d
	}
	return others, nil
}

func disruptionOf(s lifecycle.RunSpec) report.Disruption {
	d := report.Disruption{Plan: s.Plan}
	for _, a := range s.Activities {
		if a.Quiesce == lifecycle.QuiesceNone || a.Quiesce == "" {
			continue
		}
		d.Activities = append(d.Activities, a.Name)
		for _, name := range a.Devices {
			if !slices.Contains(d.Devices, name) {
				d.Devices = append(d.Devices, name)
			}
		}
	}
	return d
}

// run creates the run in the journal and drives it to its end.
func (r *operation) run(ctx context.Context, loaded *Loaded, p *plan.Plan, spec lifecycle.RunSpec, keys *signing.Keys, others map[string]record.Endpoint, partial bool, res *report.Result) error {
	held, err := r.locks.TryAcquire(lock.RunKey(spec.ID), lock.Exclusive, lock.Info{Run: spec.ID, Beginning: true})
	if err != nil {
		return &Error{ExitBug, err}
	}
	defer func() { _ = held.Release() }()
	return r.runUnder(ctx, held, loaded, p, spec, keys, others, partial, res)
}

// runUnder is [operation.run] with the run's lock held.
func (r *operation) runUnder(ctx context.Context, held *lock.Lock, loaded *Loaded, p *plan.Plan, spec lifecycle.RunSpec, keys *signing.Keys, others map[string]record.Endpoint, partial bool, res *report.Result) error {
	host := r.startHost(held)
	defer func() { _ = host.Close() }()
	// Half of the free room. The other half is for captures under way, for what
	// failed tasks leave, and for the journal.
	free, err := r.staging.Free()
	if err != nil {
		return &Error{ExitBug, err}
	}
	spec.Staging = max(free/2, 1)
	x := record.NewCompiledPlan(loaded.Config, p, loaded.secrets, &r.redact)
	x.Know(others, r.fresh())
	rec, err := record.Of(x, spec)
	if err != nil {
		return &Error{ExitBug, err}
	}
	rec.User, rec.Change, rec.Reason = r.by, r.change, r.reason
	body, err := json.Marshal(rec)
	if err != nil {
		return &Error{ExitBug, fmt.Errorf("encode the run: %w", err)}
	}
	hostname, _ := os.Hostname()
	started := r.Clock.Now()
	if err := r.journal.CreateRun(ctx, journal.Run{ID: spec.ID, Plan: p.Name, Origin: originOf(loaded, p), Only: spec.Only, Spec: body, MachineVersion: lifecycle.MachineVersion,
		Started: started, Host: hostname, PID: os.Getpid(), Partial: partial}); err != nil {
		return &Error{ExitBug, err}
	}
	held.Begun()
	machine := lifecycle.NewRun(spec)
	r.sink.Run(event.RunInfo{Run: spec.ID, Plan: spec.Plan, Only: spec.Only, Started: started})
	summary, err := r.drive(ctx, machine, host, x, keys, r.writerOf(machine, rec, x), event.Event{Kind: event.RunStarted}, started)
	if err != nil {
		return err
	}
	res.Summary = summary
	res.ExitCode = graverExit(res.ExitCode, summary.ExitCode)
	return nil
}
