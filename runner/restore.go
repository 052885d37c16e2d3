package runner

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/window"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/evidence"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/listen"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/permit"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/restore"
	"github.com/dprun/dprun/runner/settle"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

// RestoreRequest asks to restore an archive into a domain.
type RestoreRequest struct {
	Operation
	RehearseRequest
	Reason        string // for the record of evidence
	Emergency     bool   // allow it outside of the plan's window; requires a reason
	TrustUnsigned bool   // allow a set for which neither the journal nor a signature vouches
	// Confirm shows the rehearsal to a person and asks. An error ends the restore
	// before anything is sent. Nil: the caller has the consent already.
	Confirm func(report.Rehearsal) error
}

// Restore imports an archive into a domain. First it stores an export of the
// domain, the way back, as a set of a run of its own. It returns neither a result
// nor an error if the diagnostics say that the plan is wrong. If in the end
// neither the old nor the new state of the domain is proven and saved, the
// restore stays pending, and the exit code is [ExitOwed].
func (r *Runner) Restore(ctx context.Context, q RestoreRequest) (out *report.Restore, res *report.Result, err error) {
	op := r.begin(q.Operation)
	defer op.lines.flush()
	res = &report.Result{}
	out, err = op.restore(ctx, q, res)
	if out != nil && res.ExitCode == 0 {
		res.ExitCode = exitRestored(restore.End(out.End))
	}
	if out != nil && out.Pending {
		op.noteOwed(ctx, res)
	}
	conclude(res, &err)
	return out, res, err
}

// exitRestored returns the exit code for the end of a restore.
func exitRestored(e restore.End) int {
	switch e {
	case restore.Restored, restore.Same:
		return 0
	case restore.Faulty:
		return ExitPartly
	case restore.NotSaved, restore.Unknown:
		return ExitOwed
	}
	return 1
}

// restoring is one restore under way.
type restoring struct {
	*operation
	q       RestoreRequest
	asked   context.Context // ends when the restore is asked to stop
	loaded  *Loaded
	way     *plan.Plan // the plan that exports the domain
	task    lifecycle.TaskSpec
	spec    lifecycle.RunSpec
	others  map[string]record.Endpoint
	held    *lock.Lock // the lock of the run
	reads   *execute.Executor
	imports *execute.Executor
	facts   *sdk.Facts
	release []func()
	machine *restore.Machine
	up      []string     // what was up at the capture of the set
	copy    backups.Copy // the copy to restore, if it is of a set
	record  record.Restore
	row     journal.Restore
	owed    *pending.Obligation // nil: no pending file was written
	open    *window.Window      // nil: always open
	shown   *report.Rehearsal   // the rehearsal
	begun   bool                // its run has begun
	refused error               // why a phase before the import failed
	res     *report.Result
}

func (r *operation) restore(ctx context.Context, q RestoreRequest, res *report.Result) (*report.Restore, error) {
	w := &restoring{operation: r, q: q, asked: ctx, machine: restore.New(), res: res}
	if q.Stop != nil {
		w.asked = q.Stop.asked
	}
	if q.Emergency && strings.TrimSpace(q.Reason) == "" {
		return nil, errorf(ExitUsage, "--emergency restores outside of the window: say why with --reason")
	}
	if r.journal == nil {
		return nil, r.lost
	}
	r.forgetRestores(ctx)
	var err error
	if w.q.Policy, err = policyFile(q.Policy); err != nil {
		return nil, err
	}
	loaded, p, err := r.load(w.asked, q.Source, q.Plan, Only{}, res, secretsOfRestore(q.Device))
	if err != nil || p == nil {
		return nil, err
	}
	w.loaded = loaded
	from, err := r.rehearsed(w.asked, q.RehearseRequest, &report.Result{})
	if err != nil || from == nil {
		return nil, err
	}
	defer from.close()
	defer w.free()
	r.reason = q.Reason
	if err := w.prepare(p, from); err != nil {
		return nil, err
	}
	out, err := w.run(ctx)
	if out != nil {
		r.prove(ctx, r.journal, loaded, p, evidence.Record{Kind: evidence.Restore, Reason: q.Reason, Plan: p.Name, Run: out.Run, Started: out.Began, Ended: out.Ended, Exit: exitRestored(restore.End(out.End)),
			Actions: []evidence.Action{{Device: out.Device, Domain: out.Domain, Set: out.Set, Outcome: out.End, Why: out.Why}}})
	}
	return out, err
}

// prepare checks everything that needs no gateway, takes the lock of the run, and
// copies the archive to a directory where it stays until the restore has ended.
func (w *restoring) prepare(p *plan.Plan, from *rehearsed) error {
	d := deviceOf(w.loaded, w.q.Device)
	switch {
	case d == nil:
		return errorf(ExitUsage, "the plan has no device %q", w.q.Device)
	case !d.Restores():
		return errorf(ExitUsage, "the plan does not say how to log in to device %s for a restore: the account for backups has no right to import. "+
			"Add a block restore { username = …, password = … } to the device; --dry-run needs none", d.Name)
	case from.untrusted != "" && !w.q.TrustUnsigned:
		return errorf(ExitUsage, "%s is not restored: %s. Anybody who can write there may have made it. Compare it with a backup that you trust (dprun diff --sets); if you trust it, add --trust-unsigned",
			from.shown, from.untrusted)
	}
	var export *schema.Activity
	for _, a := range w.loaded.inputs.Schemas.Sources[d.Type].Activities {
		if a.Scope == schema.ScopeDomain && export == nil {
			export = &a
		}
	}
	if export == nil {
		return errorf(ExitUsage, "the plugin of device %s cannot export a single domain, so there would be no way back", d.Name)
	}
	w.open, w.up = p.Window, from.up
	w.way = w.loaded.Config.WayBack(p, d, *export, w.q.Domain)
	err := w.q.Keys.readBack(w.way.Destinations)
	if err != nil {
		return err
	}
	if w.spec, err = w.narrow(w.way, "", Only{}, 0, w.res); err != nil {
		return err
	}
	if w.spec.ID == "" {
		return Invalid(w.res.Diagnostics)
	}
	run := w.spec.ID
	if w.held, err = w.locks.TryAcquire(lock.RunKey(run), lock.Exclusive, lock.Info{Run: run, Beginning: true}); err != nil {
		return &Error{ExitBug, err}
	}
	w.release = append(w.release, func() { _ = w.held.Release() })
	dir := filepath.Join(w.state.Restores(), run)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return errorf(1, "make a directory for the restore: %w; make room in the state directory", err)
	}
	w.record = record.Restore{Set: from.set, Shown: from.shown, Archive: filepath.Join(dir, "archive.zip"), WayBack: filepath.Join(dir, "way-back.zip"), RewriteLocalIP: w.q.RewriteLocalIP}
	w.release = append(w.release, func() {
		if w.owed == nil {
			_ = os.RemoveAll(dir)
		}
	})
	if err := copyFile(from.path, w.record.Archive); err != nil {
		return errorf(1, "copy the archive: %w; make room in the state directory", err)
	}
	if w.q.Policy != "" { // it is needed unchanged until the restore is proven
		w.record.Policy, w.record.Variables = filepath.Join(dir, "policy.xml"), w.q.Variables
		if err := copyFile(w.q.Policy, w.record.Policy); err != nil {
			return errorf(1, "copy the deployment policy: %w; make room in the state directory", err)
		}
		w.q.Policy = w.record.Policy
	}
	w.copy = from.copy
	w.row = journal.Restore{Run: run, By: whoami(), Device: d.Name, Domain: w.q.Domain, Set: from.set, Shown: from.shown, Reason: w.q.Reason, Emergency: w.q.Emergency, Began: w.Clock.Now()}
	return nil
}

func (w *restoring) free() {
	for _, f := range slices.Backward(w.release) {
		f()
	}
	w.release = nil
}

// executors makes the executors for gateways: one reads with the plan's own
// account, and one imports with the account of the restore block.
func (w *restoring) executors(ctx context.Context) error {
	if err := w.remember(ctx, originOf(w.loaded, w.way), &w.spec); err != nil {
		return err
	}
	var err error
	if w.others, err = w.group(ctx, w.loaded, w.way, &w.spec); err != nil {
		return err
	}
	d, a := w.spec.Devices[w.q.Device], w.spec.Activities[0]
	a.Quiesce = lifecycle.QuiesceDomain // an import affects a domain like a quiesce
	w.task = lifecycle.TaskSpec{ID: lifecycle.TaskID(a.Name, w.q.Device, w.q.Domain), Run: w.spec.ID, Plan: w.spec.Plan, Activity: a, Device: w.q.Device, Domain: w.q.Domain,
		Timeouts: w.spec.Timeouts, Guard: w.spec.Guard, Group: d.Group, Peers: d.Peers}
	if value, has := d.Labels[w.spec.Guard.Environment]; has {
		w.task.Environment = w.spec.Guard.Environment + "=" + value
	}
	x := record.NewCompiledPlan(w.loaded.Config, w.way, w.loaded.secrets, &w.redact)
	x.Know(w.others, w.fresh())
	body, err := record.RestoreEndpoint(deviceOf(w.loaded, w.q.Device), w.loaded.Config.Dir)
	if err == nil {
		err = json.Unmarshal(body, &w.record.Endpoint)
	}
	if err != nil {
		return &Error{ExitUsage, err}
	}
	host := w.startHost(w.held)
	w.release = append(w.release, func() { _ = host.Close() })
	desk := &permit.Desk{Journal: w.journal, Pending: w.pending, Clock: w.Clock, Log: w.Log,
		Record: record.Run{Spec: w.spec, Devices: map[string]record.Endpoint{w.q.Device: w.record.Endpoint}}}
	w.release = append(w.release, desk.Close)
	for _, e := range []struct {
		into **execute.Executor
		plan execute.Plan
	}{{&w.reads, x}, {&w.imports, x.ForRestores()}} {
		made := w.executor(w.spec.ID, w.spec.Plan, w.loaded.Config.Dir, e.plan, host, desk)
		if made.Credentials, err = w.credentials(w.journal); err != nil {
			return &Error{ExitBug, err}
		}
		*e.into = made
		w.release = append(w.release, made.Close)
	}
	return nil
}

// job returns an action of the restore's task.
func (w *restoring) job(kind lifecycle.ActionKind) engine.Job {
	return engine.Job{Action: lifecycle.Action{ActionID: lifecycle.ActionID{Kind: kind}, Task: w.task.ID, Device: w.q.Device, Domain: w.q.Domain,
		Owe: &lifecycle.Obligation{ID: owedRestore, Kind: lifecycle.OweRestore, Device: w.q.Device, Domain: w.q.Domain}},
		Task: &w.task, Facts: w.facts, Progress: func(int64, int64) {}, Notify: func(n event.Notice) {
			if n.Waiting != "" {
				w.Log.Warn("the restore waits: " + n.Waiting)
			}
		}}
}

// owedRestore is the ID of the only obligation of a restore.
const owedRestore = "restore"

// run drives the machine to its end.
func (w *restoring) run(ctx context.Context) (*report.Restore, error) {
	if err := w.executors(ctx); err != nil {
		return nil, err
	}
	insisting, deaf := ctx, func() {}
	defer func() { deaf() }()
	for {
		phase, notBefore := w.machine.Next()
		if phase == restore.Ended {
			break
		}
		if phase == restore.Promise { // from here on, only insisting receives the signals
			insisting, deaf = w.insisting(ctx)
		}
		w.Log.Info("restore", "run", w.spec.ID, "phase", phase)
		a := w.do(insisting, phase, notBefore)
		w.machine.Answer(w.Clock.Now(), a)
		w.note(ctx, "")
	}
	return w.ended(ctx)
}

// do does one phase. Before the import, the first request to stop ends it; from
// then on, the second one does.
func (w *restoring) do(ctx context.Context, phase restore.Phase, notBefore time.Time) restore.Answer {
	var err error
	good := restore.Answer{Kind: restore.Good}
	switch phase {
	case restore.Permit:
		err = w.permit(w.asked)
	case restore.Refusals:
		_, err = w.rehearsal(w.asked)
	case restore.WayBack:
		err = w.wayBack(ctx)
	case restore.Rehearse:
		if w.shown, err = w.rehearsal(w.asked); err == nil {
			good.Same = w.same()
		}
	case restore.Ask:
		if w.q.Confirm != nil {
			err = w.q.Confirm(*w.shown)
		}
	case restore.Recheck:
		err = w.recheck(w.asked)
	case restore.Promise:
		err = w.promise()
	case restore.Import:
		return w.importIt(ctx)
	case restore.Save:
		err = w.imports.Restorer(ctx, w.q.Device, func(ctx context.Context, _ sdk.Source, r sdk.Restorer) error { return r.Save(ctx, w.target()) })
	default:
		return w.look(ctx, notBefore)
	}
	if err == nil && w.asked.Err() != nil && phase != restore.Save {
		err = context.Cause(w.asked)
	}
	if err != nil {
		w.refused = err
		a := restore.Failed(err)
		if e := new(Error); errors.As(err, &e) {
			a.Kind = restore.Refused
		}
		return a
	}
	return good
}

// same reports whether an import would change nothing, and so would be a needless
// outage. It is false if changes may be unsaved, because a restore also saves
// them, and with a policy, because its effect on the archive shows only after the
// import.
func (w *restoring) same() bool {
	return !w.q.Unsaved && w.q.Policy == "" && !w.q.RewriteLocalIP && !slices.ContainsFunc(w.shown.Changes, func(c sdk.Change) bool {
		return c.Effect != sdk.EffectStays
	})
}

func (w *restoring) target() sdk.Target { return sdk.Target{Domain: w.q.Domain} }

// rehearsal asks the device what the import would do, and refuses an import that
// must not happen.
func (w *restoring) rehearsal(ctx context.Context) (*report.Rehearsal, error) {
	found, err := w.rehearse(ctx, w.imports, w.q.RehearseRequest, w.record.Archive)
	if err != nil {
		return nil, err
	}
	found.Archive = w.record.Shown
	for _, f := range found.Findings {
		if f.Level == sdk.LevelError {
			say := strings.TrimPrefix(f.Subject+": "+f.Message, ": ")
			if f.Remedy != "" {
				say += "; " + f.Remedy
			}
			return nil, errorf(1, "the restore is refused: %s", say)
		}
	}
	return found, nil
}

// wayBack stores an export of the domain as a set of this run, and reads the set
// back from a destination.
func (w *restoring) wayBack(ctx context.Context) error {
	res := &report.Result{}
	w.begun = true
	keys, err := w.keysOf(w.loaded, w.way)
	if err != nil {
		return err
	}
	if err := w.runUnder(ctx, w.held, w.loaded, w.way, w.spec, keys, w.others, true, res); err != nil {
		return err
	}
	if res.ExitCode != 0 {
		why := res.Summary.Message
		for _, t := range res.Summary.Tasks {
			why = t.Code + ": " + t.Message
		}
		return errorf(1, "the way back was not stored, so nothing was sent: %s", why)
	}
	var set string
	for c, err := range w.journal.Copies(ctx, journal.CopyFilter{Device: w.q.Device, Domain: w.q.Domain}) {
		if err != nil {
			return &Error{ExitBug, err}
		}
		if c.Run == w.spec.ID && c.State == backups.Whole {
			set = c.Set
			break
		}
	}
	if set == "" {
		return errorf(ExitBug, "run %s has stored a way back that is not listed", w.spec.ID)
	}
	s, err := w.shelves(ctx, w.q.Source, w.q.Plan, "", "restore", &report.Result{})
	if err != nil || s == nil {
		return errors.Join(err, errorf(1, "the way back cannot be read"))
	}
	defer s.close()
	// The import replaces the running configuration. If nothing was unsaved, it
	// equals the saved one.
	got, err := s.archive(ctx, FetchBackupRequest{Set: set, Keys: w.q.Keys, Failed: w.q.Failed}, sdk.VariantRunning)
	if err == nil {
		err = copyFile(got.path, w.record.WayBack)
	}
	if err != nil {
		return err
	}
	w.record.WayBackSet, w.row.WayBack = set, set
	return nil
}

// promise writes the pending file of the restore.
func (w *restoring) promise() error {
	o, err := w.record.Obligation(*w.job(lifecycle.ActPermit).Action.Owe, w.spec.ID, w.spec.Plan, w.facts.Identity)
	if err != nil {
		return err
	}
	o.Since = w.Clock.Now()
	if err := w.pending.Put(o); err != nil {
		return err
	}
	w.owed = &o
	return nil
}

// importIt sends the archive once.
func (w *restoring) importIt(ctx context.Context) restore.Answer {
	dir, err := os.MkdirTemp(filepath.Dir(w.record.Archive), "import-")
	if err != nil {
		return restore.Answer{Kind: restore.Refused, Why: err.Error()}
	}
	var got *sdk.ImportReport
	err = w.imports.Restorer(ctx, w.q.Device, func(ctx context.Context, _ sdk.Source, r sdk.Restorer) (err error) {
		got, err = r.Import(ctx, sdk.ImportRequest{Target: w.target(), File: w.record.Archive, Before: w.record.WayBack, Dir: dir, Policy: w.q.Policy, Variables: w.q.Variables,
			RewriteLocalIP: w.q.RewriteLocalIP})
		return err
	})
	if err != nil {
		w.refused = err
		return restore.Failed(err)
	}
	a := restore.Imported(got)
	a.Faults = append(a.Faults, w.notUp(ctx)...)
	for i, f := range a.Faults {
		a.Faults[i] = w.redact.Redact(f)
	}
	return a
}

// notUp returns the services and handlers that were up at the capture of the set
// and are down now. With a policy it returns none, because a policy may omit and
// disable objects on purpose.
func (w *restoring) notUp(ctx context.Context) []string {
	if len(w.up) == 0 || w.q.Policy != "" {
		return nil
	}
	var now *sdk.HealthReport
	err := w.imports.Restorer(ctx, w.q.Device, func(ctx context.Context, s sdk.Source, _ sdk.Restorer) (err error) {
		now, err = execute.Health(ctx, s, sdk.HealthRequest{Target: w.target()})
		return err
	})
	return restore.NotUp(w.up, now, err)
}

// look reads the present state of the domain.
func (w *restoring) look(ctx context.Context, notBefore time.Time) restore.Answer {
	if now := w.Clock.Now(); notBefore.After(now) {
		w.Log.Warn("the result of the import is not proven yet; dprun looks at the domain again", "at", notBefore.Format(time.TimeOnly))
		waiter := w.Clock.Waiter()
		defer waiter.Stop()
		select {
		case <-waiter.Wait(notBefore, 0):
		case <-ctx.Done():
			return restore.Answer{Kind: restore.Cut, Why: "stopped"}
		}
	}
	var a restore.Answer
	err := w.imports.Restorer(ctx, w.q.Device, func(ctx context.Context, s sdk.Source, _ sdk.Restorer) error {
		a = settle.LookAt(ctx, s, w.record, w.q.Domain)
		return ctx.Err()
	})
	if err != nil {
		return restore.Failed(err)
	}
	a.Why = w.redact.Redact(a.Why)
	return a
}

// insisting returns a context that ends at the second request to stop: dprun does
// not abandon a sent import at the first one.
func (w *restoring) insisting(ctx context.Context) (_ context.Context, deaf func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	heard := 0
	end := listen.To(w.requests, func(string) bool {
		if heard++; heard > 1 {
			cancel()
		}
		return true
	})
	return ctx, func() { end(); cancel() }
}
