package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/drill"
	"github.com/dprun/dprun/runner/evidence"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/settle"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// DrillRequest asks to import some sets of a plan on its drill gateway.
type DrillRequest struct {
	Source Source
	Plan   string // the plan's name; empty: the only one of the file
	Drill  string // the drill's name; empty: the only one of the plan
	DryRun bool   // check the gateway, and import nothing
	Keys   Keys   // decrypt what is stored encrypted
	// Failed receives each copy that could not be used. Tried receives each set as
	// soon as its result is known.
	Failed func(report.BackupFault)
	Tried  func(report.DrilledSet)
}

// Drill imports sets of a plan as new domains on a gateway that serves only
// drills, with everything disabled that could start to work. It compares the
// result with the set, enters the proof for [Runner.Coverage], and removes the
// domain again. It writes a pending file before it creates a domain, so
// [Runner.Recover] removes the domain even if this process dies. It saves nothing
// on the gateway.
//
// Drill returns neither a report nor an error if the diagnostics say that the
// plan is wrong. The exit code of the result is 0 if every set is proven, 3 if
// one is not, 14 if there is none to drill, and 16 if a domain may still be
// there.
func (r *Runner) Drill(ctx context.Context, q DrillRequest) (*report.Drill, *report.Result, error) {
	res := &report.Result{}
	s, err := r.shelves(ctx, q.Source, q.Plan, "", "drill", res)
	if err != nil || s == nil {
		return nil, res, err
	}
	defer s.close()
	loaded, p, err := r.load(ctx, q.Source, q.Plan, Only{}, res, func(c *plan.Config) []plan.SecretRef {
		if _, d, err := drillOf(c, q); err == nil {
			return c.SecretsOfRestore(d.Device.Name)
		}
		return nil
	})
	if err != nil || p == nil {
		return nil, res, err
	}
	_, of, err := drillOf(loaded.Config, q)
	if err != nil {
		return nil, res, err
	}
	d := &drilling{shelves: s, operation: r.begin(Operation{}), request: q, of: of}
	if d.endpoint, err = record.RestoreEndpoint(of.Device, loaded.Config.Dir); err != nil {
		return nil, res, &Error{ExitInvalid, err}
	}
	if d.run, err = journal.NewRunID(r.Clock.Now()); err != nil {
		return nil, res, &Error{ExitBug, err}
	}
	held, err := r.locks.TryAcquire(lock.RunKey(d.run), lock.Exclusive, lock.Info{Run: d.run, Beginning: true}) // the journal never has this run
	if err != nil {
		return nil, res, &Error{ExitBug, err}
	}
	defer func() {
		_ = held.Release()
		_ = r.locks.Remove(lock.RunKey(d.run))
	}()
	credentials, err := r.credentials(s.journal)
	if err != nil {
		return nil, res, &Error{ExitBug, err}
	}
	host := r.startHost(held) // a recovery waits for a plugin that still works
	defer func() { _ = host.Close() }()
	d.gateway = r.restorer(loaded, p, execute.Options{Run: d.run, Plugins: host, Credentials: credentials})
	defer d.gateway.Close()
	began := r.Clock.Now()
	out, err := d.all(ctx)
	if out != nil && !out.DryRun {
		rec := evidence.Record{Kind: evidence.Drill, Plan: p.Name, Run: d.run, Started: began, Ended: r.Clock.Now(), Exit: out.ExitCode}
		for _, s := range out.Sets {
			if s.Verdict != "" {
				rec.Actions = append(rec.Actions, evidence.Action{Device: s.Device, Domain: s.Domain, Set: s.Set, Outcome: s.Verdict, Why: strings.Join(s.Why, "; ")})
			}
		}
		r.prove(ctx, s.journal, loaded, p, rec)
	}
	if out != nil {
		res.ExitCode = graverExit(res.ExitCode, out.ExitCode)
	}
	if err == nil && ctx.Err() != nil && res.ExitCode != ExitOwed {
		err = context.Cause(ctx)
	}
	return out, res, err
}

// drillOf finds the requested drill and its plan.
func drillOf(c *plan.Config, q DrillRequest) (*plan.Plan, *plan.Drill, error) {
	p, err := Pick(c, q.Plan)
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for _, d := range p.Drills {
		if q.Drill == d.Name || q.Drill == "" && len(p.Drills) == 1 {
			return p, d, nil
		}
		names = append(names, d.Name)
	}
	switch {
	case len(names) == 0:
		return nil, nil, errorf(ExitUsage, "plan %s has no drill block: it says which sets are imported, and on which gateway", p.Name)
	case q.Drill == "":
		return nil, nil, errorf(ExitUsage, "plan %s has several drills: pick one of %s", p.Name, join(names))
	}
	return nil, nil, &Error{ExitUsage, suggesting(fmt.Sprintf("plan %s has no drill %q", p.Name, q.Drill), q.Drill, names)}
}

// drilling is a drill under way.
type drilling struct {
	*operation
	shelves  *shelves
	request  DrillRequest
	of       *plan.Drill
	run      string
	gateway  *execute.Executor
	endpoint json.RawMessage // how the gateway is reached: plugin and configuration, with references in place of secrets
}

// all drills the sample. It imports one set at a time, so that each result
// belongs to that set alone.
func (d *drilling) all(ctx context.Context) (*report.Drill, error) {
	out := &report.Drill{Plan: d.shelves.plan, Drill: d.of.Name, Device: d.of.Device.Name, Run: d.run, DryRun: d.request.DryRun, Left: map[string]int{}}
	pick, err := d.choose(ctx)
	if err != nil {
		return nil, err
	}
	for why, n := range pick.Left {
		out.Left[string(why)] = n
	}
	if len(pick.Sets) == 0 {
		if pick.Left[drill.LeftProven] == 0 {
			out.ExitCode = ExitNothing
		}
		return out, nil
	}
	if err := d.admit(ctx); err != nil {
		return nil, err
	}
	release, err := d.alone(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	for n, set := range pick.Sets {
		c := set[0]
		one := report.DrilledSet{Set: c.Set, Captured: c.Captured, Activity: c.Activity, Device: c.Device, Domain: c.Domain}
		switch {
		case d.request.DryRun || out.Stopped != "":
		case ctx.Err() != nil:
			out.Stopped = context.Cause(ctx).Error()
		default:
			out.Stopped = d.one(ctx, set, drill.Domain(d.run, n), &one)
		}
		switch backups.Verdict(one.Verdict) {
		case backups.Proven:
			out.Proven++
		case backups.Failed:
			out.Failed++
		case backups.Undecided:
			out.Undecided++
		}
		if one.Left != "" {
			out.ExitCode = ExitOwed
		}
		out.Sets = append(out.Sets, one)
		if one.Verdict != "" {
			d.request.Tried(one)
		}
	}
	switch {
	case d.request.DryRun:
	case out.Proven == 0 && out.Failed == 0:
		out.ExitCode = graverExit(1, out.ExitCode)
	case out.Proven < len(out.Sets):
		out.ExitCode = graverExit(ExitPartly, out.ExitCode)
	}
	return out, nil
}

// choose picks the sets.
func (d *drilling) choose(ctx context.Context) (pick drill.Pick, err error) {
	now := d.Clock.Now()
	latest, err := backups.Latest(backups.Sets(d.journal.Copies(ctx, journal.CopyFilter{Plan: d.shelves.plan})), d.shelves.own, now)
	if err != nil {
		return pick, &Error{ExitBug, err}
	}
	keys, err := d.request.Keys.read()
	if err != nil {
		return pick, err
	}
	proofs, err := d.journal.Proofs(ctx, "")
	if err != nil {
		return pick, &Error{ExitBug, err}
	}
	return drill.Query{Devices: d.of.Devices, Domains: d.of.Domains, Sample: d.of.Sample, MaxAge: d.of.MaxAge, Now: now, Seed: d.run, Proofs: proofs, Opens: keys.OpenAll}.Choose(latest), nil
}

// admit refuses the gateway unless the present plan file, the journal and the
// gateway itself say that it serves only drills. It is called right before each
// import.
func (d *drilling) admit(ctx context.Context) error {
	fail := func(err error) error {
		return errorf(1, "nothing is imported on %s: %w", d.of.Device.Name, err)
	}
	loaded, ds, err := Load(ctx, d.request.Source, d.plugins)
	if err == nil && ds.HasErrors() {
		err = fmt.Errorf("its plan is not valid any more: %w", ds.Err())
	}
	if err != nil {
		return fail(err)
	}
	_, now, err := drillOf(loaded.Config, d.request)
	if err == nil && (now.Identity != d.of.Identity || now.Device.Name != d.of.Device.Name) {
		err = errors.New("the plan names another gateway now; drill again")
	}
	if err != nil {
		return fail(err)
	}
	used, err := d.users(ctx)
	if err != nil {
		return fail(err)
	}
	box, err := d.gateway.Inspect(ctx, d.of.Device.Name, sdk.InspectRequest{Drill: true})
	if err != nil {
		return fail(err)
	}
	if err := (drill.Gateway{Identity: d.of.Identity, Box: box, Used: used}).Refuse(); err != nil {
		return fail(err)
	}
	return nil
}

// users returns the other uses of the gateway that the journal knows: plans that
// have backed the box up, under any name, and groups.
func (d *drilling) users(ctx context.Context) (used []string, err error) {
	add := func(text string) {
		if !slices.Contains(used, text) {
			used = append(used, text)
		}
	}
	for c, err := range d.journal.Copies(ctx, journal.CopyFilter{Identity: d.of.Identity}) {
		if err != nil {
			return nil, err
		}
		add(fmt.Sprintf("plan %s backs it up as device %s", c.Plan, c.Device))
	}
	members, err := d.journal.Members(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		if m.Device == d.of.Device.Name {
			add(fmt.Sprintf("plan %s has it in the group %s", m.Plan, m.Group))
		}
	}
	return used, nil
}

// alone takes the gateway's lock. It refuses a gateway on which an earlier drill
// has left something.
func (d *drilling) alone(ctx context.Context) (release func(), err error) {
	release, err = deviceLocks{d.locks, d.run}.Acquire(ctx, d.of.Identity, true, func(holder string) {
		d.Log.Info("waiting for the drill gateway", "device", d.of.Device.Name, "held by", holder)
	})
	if err != nil {
		return nil, errorf(1, "take the lock of device %s: %w", d.of.Device.Name, err)
	}
	all, err := d.outstanding(ctx)
	if err == nil {
		i := slices.IndexFunc(all, func(o settle.Outstanding) bool {
			return o.Identity == d.of.Identity || o.Device == d.of.Device.Name
		})
		if i >= 0 {
			err = errorf(ExitOwed, "an earlier drill (%s) may have left %s: `dprun recover` removes it; `dprun owed` says more", all[i].Run, all[i].Where())
		}
	}
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// one drills a set and enters the proof. stop says why no other set may follow;
// empty: the drill goes on.
func (d *drilling) one(ctx context.Context, set backups.Set, domain string, out *report.DrilledSet) (stop string) {
	var c drill.Course
	archive, err := d.shelves.archive(ctx, FetchBackupRequest{Set: set[0].Set, Keys: d.request.Keys, Failed: d.request.Failed}, sdk.VariantPersisted)
	if err == nil {
		defer os.RemoveAll(archive.dir)                    //nolint:errcheck // the scratch directory is removed in the end
		if trusted, why := archive.set.Trust(); !trusted { // a copy that this plan does not reach may be trusted
			err = errorf(1, "nobody vouches for the copy that was fetched: %s", why)
		}
	}
	if c.Fetch = err; err == nil {
		c.Was = d.objects(archive)
		if err := d.admit(ctx); err != nil {
			return err.Error()
		}
		out.As = domain
		d.imported(ctx, archive.path, domain, &c, out)
	}
	j := c.Judge()
	out.Verdict, out.Excused, out.Running = string(j.Verdict), j.Excused, j.Running
	for _, why := range j.Why {
		out.Why = append(out.Why, d.redact.Redact(why))
	}
	err = d.journal.Prove(context.WithoutCancel(ctx), backups.Proof{Set: set[0].Set, SHA256: drill.Archive(set[0]).Opened().SHA256, Subject: set.Subject(), At: d.Clock.Now(), Run: d.run, On: d.of.Device.Name, Drill: true,
		Verdict: j.Verdict, Why: shortened(out.Why), Excused: j.Excused})
	switch {
	case out.Left != "":
		return "domain " + domain + " may still be on the gateway"
	case err != nil:
		return "the result of the drill could not be written down: " + err.Error()
	}
	return ""
}

// objects returns the objects of the set's manifest. If it cannot be read, no
// object counts as down.
func (d *drilling) objects(of fetchedArchive) []backups.Objects {
	was, err := of.objects()
	if err != nil {
		d.Log.Warn("it is not known which objects were down at the capture of the set", "set", of.set.Set, "error", err)
	}
	return was
}

// shortened returns the first reasons why a set is not proven. The journal keeps
// only these.
func shortened(why []string) string {
	const most = 3
	if more := len(why) - most; more > 0 {
		why = append(slices.Clone(why[:most]), fmt.Sprintf("and %d more", more))
	}
	return join(why)
}

// imported imports an archive as a domain, compares it, and removes the domain.
func (d *drilling) imported(ctx context.Context, archive, domain string, c *drill.Course, out *report.DrilledSet) {
	owed := pending.Obligation{Key: pending.Key{Run: d.run, ID: domain}, Kind: pending.DropDomain, Plan: d.shelves.plan, Device: d.of.Device.Name, Identity: d.of.Identity, Domain: domain,
		Since: d.Clock.Now(), Endpoint: d.endpoint}
	if c.Create = d.pending.Put(owed); c.Create != nil {
		return
	}
	if err := d.journal.Remember(ctx, owed); err != nil { // only the pending file is decisive
		d.Log.Warn("it could not be entered in the journal that the drill's domain must be removed", "error", err)
	}
	defer func() {
		if c.Create != nil && !failure.From(c.Create).Kind.Retryable() {
			owed.Since = time.Time{} // no domain was created, and none will appear later
		}
		for _, s := range d.settler.Settle(context.WithoutCancel(ctx), []settle.Outstanding{{Obligation: journal.Obligation{Obligation: owed}, Filed: true}}, nil) {
			out.Left = s.Trouble
		}
	}()
	target := sdk.Target{Domain: domain}
	dir := func(call func(string) error) error {
		dir, err := os.MkdirTemp(d.state.Staging(), "drill-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir) //nolint:errcheck // dprun runs prune removes what is left
		return call(dir)
	}
	device := d.of.Device.Name
	c.Create = d.gateway.Restorer(ctx, device, func(ctx context.Context, _ sdk.Source, r sdk.Restorer) error { return r.Create(ctx, target) })
	if c.Create != nil {
		return
	}
	c.Import = dir(func(dir string) error {
		return d.gateway.Restorer(ctx, device, func(ctx context.Context, _ sdk.Source, r sdk.Restorer) (err error) {
			c.Report, err = r.Import(ctx, sdk.ImportRequest{Target: target, File: archive, Dir: dir, Disabled: true, RewriteLocalIP: true})
			return err
		})
	})
	if c.Import != nil || c.Judge().Running {
		return
	}
	c.Look = dir(func(dir string) error {
		return d.gateway.Restorer(ctx, device, func(ctx context.Context, _ sdk.Source, r sdk.Restorer) error {
			found, err := r.Resembles(ctx, sdk.ResembleRequest{Target: target, Files: []string{archive}, Dir: dir, Disabled: true, RewriteLocalIP: true})
			if err == nil {
				c.Seen = &found.Of[0]
			}
			return err
		})
	})
}
