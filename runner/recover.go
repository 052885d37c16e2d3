package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/evidence"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/settle"
	"github.com/dprun/dprun/runner/status"
)

// RecoverRequest asks to undo what earlier runs left.
type RecoverRequest struct {
	Operation
	// Begin receives what must be undone and no live process works on, before the
	// recovery begins. It may be nil.
	Begin func(due []report.Owed)
}

// Recover brings back what dead runs left quiesced, finishes those runs, and
// undoes what ended runs have left. The result says the same as the error.
func (r *Runner) Recover(ctx context.Context, q RecoverRequest) (*report.Result, error) {
	op := r.begin(q.Operation)
	defer op.lines.flush()
	if q.Begin != nil {
		q.Begin(report.Unheld(op.owed(ctx).Owed))
	}
	r.plugins.warn()
	res := &report.Result{}
	op.looking = true
	_, err := op.recover(ctx, res)
	conclude(res, &err)
	return res, err
}

// recover undoes what no live process works on, and enters in res what is left.
// Devices come first, from the pending files alone; then the runs are finished,
// which needs the journal. tried holds the unfinished runs that no other process
// works on.
func (r *operation) recover(ctx context.Context, res *report.Result) (tried map[string]bool, err error) {
	tried, err = r.recoverAll(ctx, res)
	r.noteOwed(ctx, res)
	return tried, err
}

func (r *operation) recoverAll(ctx context.Context, res *report.Result) (tried map[string]bool, err error) {
	tried = map[string]bool{}
	r.forgetRestores(ctx)
	all, err := r.outstanding(ctx)
	if err != nil {
		return tried, err
	}
	unfinished, errs := r.unfinished(ctx)
	held, mine, err := r.takeOverRuns(ctx, all, unfinished)
	errs = errors.Join(errs, err)
	defer func() {
		for _, l := range held {
			_ = l.Release()
		}
	}()
	if all, err = r.outstanding(ctx); err != nil { // others may have undone something before the locks were taken
		return tried, err
	}
	r.settler.Note(ctx, all)
	now := r.Clock.Now()
	byRun := map[string][]settle.Outstanding{}
	var devices []settle.Outstanding
	for _, o := range all {
		if o.Kind == pending.Restore && !r.looking { // no target is out of service because of it, and a look takes time
			continue
		}
		if mine[o.Run] || o.Overdue(now) && !o.Unused() && r.concerns(o.Run) {
			byRun[o.Run] = append(byRun[o.Run], o)
			if o.Kind != pending.PostScript {
				devices = append(devices, o)
			}
		}
	}
	how := map[string][]event.Recovered{}
	for _, s := range r.settler.Settle(ctx, devices, all) {
		how[s.Run] = append(how[s.Run], s.Recovered)
	}
	var scripts []pending.Obligation
	for _, run := range unfinished { // a run that cannot be finished does not stop the others
		tried[run.ID] = mine[run.ID]
		if held[run.ID] == nil {
			r.tellUnsettled(ctx, run, byRun[run.ID], how[run.ID])
			continue
		}
		s, err := r.finish(ctx, run, held[run.ID], byRun[run.ID], how[run.ID])
		errs = errors.Join(errs, err)
		if s == nil {
			r.tellUnsettled(ctx, run, byRun[run.ID], how[run.ID])
			continue
		}
		res.Recovered = append(res.Recovered, *s)
	}
	left, err := r.outstanding(ctx)
	errs = errors.Join(errs, err)
	for _, o := range left {
		if o.Kind == pending.PostScript && held[o.Run] != nil && r.ended(ctx, o.Run) {
			scripts = append(scripts, o.Obligation.Obligation)
		}
	}
	if err := r.settler.Scripts(ctx, scripts); err != nil {
		errs = errors.Join(errs, &Error{ExitBug, err})
	}
	return tried, errs
}

// unfinished lists the runs that have not ended, by the journal.
func (r *operation) unfinished(ctx context.Context) ([]journal.Run, error) {
	if r.journal == nil {
		return nil, r.lost
	}
	runs, err := r.journal.UnfinishedRuns(ctx)
	if err != nil {
		return nil, &Error{ExitBug, err}
	}
	return runs, nil
}

// ended reports whether a run needs no finishing: it has ended, or the journal
// does not know it.
func (r *operation) ended(ctx context.Context, run string) bool {
	if r.journal == nil {
		return true
	}
	known, err := r.journal.Run(ctx, run)
	return errors.Is(err, journal.ErrNotFound) || err == nil && known.State == journal.Finished
}

// takeOverRuns takes the locks of the runs that nobody works on. mine are the
// runs whose devices this process must bring back. That includes runs whose lock
// is still held by something that the dead process started and that hangs.
func (r *operation) takeOverRuns(ctx context.Context, all []settle.Outstanding, unfinished []journal.Run) (held map[string]*lock.Lock, mine map[string]bool, err error) {
	held, mine = map[string]*lock.Lock{}, map[string]bool{}
	var errs []error
	take := func(run string) {
		if _, done := mine[run]; done || !r.concerns(run) {
			return
		}
		l, by, err := r.settler.TakeOver(ctx, run)
		mine[run] = by == nil
		switch {
		case err != nil: // devices do not wait for locks that cannot be taken
			errs = append(errs, &Error{ExitBug, err})
		case by != nil:
			if by.Recovery {
				r.Log.Warn("another process is recovering the run: wait for it to end", "run", run, "process", by.PID)
			}
		case l == nil:
			r.Log.Warn("the process of a run is gone, and something that it started does not end. The devices of the run are brought back now; the rest is done by "+
				"`dprun recover` after that has ended; fuser names it", "run", run, "find it with", "fuser -v "+quoted(r.locks.Path(lock.RunKey(run))))
		default:
			held[run] = l
		}
	}
	for _, o := range all {
		take(o.Run)
	}
	for _, run := range unfinished {
		take(run.ID)
	}
	return held, mine, errors.Join(errs...)
}

// finish replays a run, whose lock the caller holds, and lets the machine finish
// it. owed holds what the run had left to undo, and how says how that went.
func (r *operation) finish(ctx context.Context, run journal.Run, held *lock.Lock, owed []settle.Outstanding, how []event.Recovered) (*event.Summary, error) {
	again, err := r.journal.Run(ctx, run.ID)
	if err != nil {
		return nil, &Error{ExitBug, err}
	}
	if again.State == journal.Finished {
		return nil, nil // finished while we waited
	}
	if r.settler.Unreadable(owed) {
		return nil, nil // it stays unfinished until everything can be read
	}
	host, _ := os.Hostname()
	if err := r.journal.Adopt(ctx, run.ID, host, os.Getpid()); err != nil {
		return nil, &Error{ExitBug, err}
	}
	r.sink.Run(event.RunInfo{Run: run.ID, Plan: run.Plan, Started: run.Started, Recovery: true})
	machine, rec, err := record.Replay(ctx, r.journal, run)
	if err != nil {
		r.Log.Warn("the run cannot be finished as it was begun: its tasks are ended, and dprun undoes separately what it left; `dprun owed` lists what remains", "run", run.ID, "error", err)
		return r.closeUnreplayed(ctx, run)
	}
	plugins := r.startHost(held)
	defer func() { _ = plugins.Close() }()
	rows, err := r.journal.Obligations(ctx, run.ID)
	if err != nil {
		return nil, &Error{ExitBug, err}
	}
	b := r.writerOf(machine, rec, nil)
	how = append(how, r.lookAgain(ctx, b, rows, how)...)
	s, err := r.drive(ctx, machine, plugins, rec.Plan(rows, r.fresh()), rec.Signing(r.fresh()), b, event.Event{Kind: event.Interrupted, Recovered: how}, run.Started)
	if machine.Cancelled() != "" {
		r.stopped = machine.Cancelled()
	}
	return s, err
}

// lookAgain undoes what the replayed machine still has to undo and that has no
// pending file any more. Either an earlier recovery has entered that it is done,
// or the file was removed and the process died before it could enter that.
func (r *operation) lookAgain(ctx context.Context, b *record.Writer, rows []journal.Obligation, how []event.Recovered) (out []event.Recovered) {
	var list []settle.Outstanding
	for _, t := range b.Machine.Tasks() {
		for _, o := range t.Obligations() {
			done := slices.ContainsFunc(how, func(h event.Recovered) bool { return h.Task == o.Task && h.ID == o.ID })
			if o.Kind == lifecycle.OwePostScript || done {
				continue
			}
			if slices.ContainsFunc(rows, func(row journal.Obligation) bool { return row.Task == o.Task && row.ID == o.ID && !row.PaidAt.IsZero() }) {
				out = append(out, event.Recovered{Task: o.Task, ID: o.ID})
				continue
			}
			row, err := b.Row(o)
			if err != nil {
				r.Log.Error("what must be undone cannot be read from the run", "run", b.Record.Spec.ID, "task", o.Task, "error", err)
				continue
			}
			list = append(list, settle.Outstanding{Obligation: journal.Obligation{Obligation: row}})
		}
	}
	for _, s := range r.settler.Settle(ctx, list, nil) {
		out = append(out, s.Recovered)
	}
	return out
}

// writerOf returns the writer of a run's history.
func (r *operation) writerOf(machine *lifecycle.Run, rec record.Run, plan *record.CompiledPlan) *record.Writer {
	return &record.Writer{Journal: r.journal, Pending: r.pending, Log: r.Log, Machine: machine, Record: rec, Plan: plan}
}

// fresh returns a reader that reads secrets anew.
func (r *Runner) fresh() *record.Secrets { return record.NewSecrets(r.Environ, &r.redact, r.Log) }

// closeUnreplayed ends the tasks of a run whose events cannot be replayed.
func (r *operation) closeUnreplayed(ctx context.Context, run journal.Run) (*event.Summary, error) {
	own, tasks, err := r.journal.Record(ctx, run.ID)
	if err != nil {
		return nil, &Error{ExitBug, err}
	}
	now := r.Clock.Now()
	s := &event.Summary{Run: run.ID, Plan: run.Plan, Code: string(status.RunInterrupted), ExitCode: 1, Started: run.Started, Ended: now,
		Message: "the run was interrupted and cannot be finished as it was begun; dprun undoes separately what it left (`dprun owed` lists what remains); run the plan again"}
	var out journal.Batch
	end := func(t journal.Task, before []event.Status, code status.Code, message string) {
		out.Statuses = append(out.Statuses, event.Status{V: event.Version, Run: run.ID, Task: t.ID, Seq: len(before) + 1, Plan: run.Plan, Activity: t.Activity,
			Device: t.Device, Domain: t.Domain, Code: string(code), Final: true, Time: now, Message: message})
	}
	for _, t := range tasks {
		if t.Final {
			continue
		}
		code, message := lifecycle.Unreplayed(status.Code(t.Code))
		end(t.Task, t.History, code, message)
		if code == status.RecoveredNeverStarted {
			s.Cancelled++
		} else {
			s.Failed++
		}
		s.Tasks = append(s.Tasks, event.TaskResult{Task: t.ID, Activity: t.Activity, Device: t.Device, Domain: t.Domain, Code: string(code), Message: message})
	}
	end(journal.Task{}, own, status.RunInterrupted, s.Message)
	if err := r.journal.Append(ctx, run.ID, out); err != nil {
		return nil, &Error{ExitBug, err}
	}
	for _, ended := range out.Statuses {
		r.sink.Status(ended)
	}
	if err := r.journal.FinishRun(ctx, run.ID, journal.End{Time: now, ExitCode: 1, Code: s.Code}); err != nil {
		return nil, &Error{ExitBug, err}
	}
	proof := evidence.Record{Kind: evidence.Recover, Run: run.ID, Plan: run.Plan, Only: run.Only, Started: run.Started, Ended: now, Exit: s.ExitCode, Code: s.Code}
	if err = tell(ctx, r.journal, &proof); err == nil {
		s.Evidence, err = r.witness(ctx, r.journal, nil, proof)
	}
	if err != nil {
		r.Log.Warn(noEvidence, "run", run.ID, "error", err)
	}
	var rec record.Run
	if err := json.Unmarshal(run.Spec, &rec); err == nil { // a run that cannot be replayed may still say whom to notify
		exec := r.settler.Executor(run.ID, run.Plan, rec.Dir, rec.Plan(nil, r.fresh()))
		r.tellEnd(r.notifier(ctx, rec, run.Started, exec.Notify), s)
		exec.Close()
	}
	r.sink.Summary(*s)
	return s, nil
}

// forgottenRun is a run that has left its lock, and that the journal does not
// know.
type forgottenRun struct {
	run    string
	lock   string
	staged string // its directory in the staging area; empty: it has none
}

func (f forgottenRun) String() string {
	s := fmt.Sprintf("the journal does not know run %s, which has left %s", f.run, f.lock)
	if f.staged != "" {
		s += " and " + f.staged
	}
	return s + ": the journal or its -wal file was lost, damaged or replaced since. What the run had quiesced is listed by dprun owed, or was brought back, " +
		"as far as its pending files tell; look at the run's gateways (show domains). When all are in service: dprun recover --ack " + quoted(f.run) + ", which removes what it has left"
}

// forgotten lists the runs that have left traces and that the journal does not
// know. It also removes the locks of runs that have ended, and of those that died
// before they began.
func (r *operation) forgotten(ctx context.Context) ([]forgottenRun, error) {
	if r.journal == nil {
		return nil, nil // callers report a journal that cannot be read
	}
	runs, err := r.locks.Runs()
	if err != nil {
		return nil, err
	}
	var out []forgottenRun
	for _, id := range runs {
		known, err := r.journal.Run(ctx, id)
		switch {
		case err == nil && known.State == journal.Finished:
			_ = r.locks.Remove(lock.RunKey(id))   // it fails while a process still recovers the run
			_ = r.locks.Remove(lock.GuardKey(id)) // left by a guard that was killed
			continue
		case err == nil:
			continue
		case !errors.Is(err, journal.ErrNotFound):
			return nil, fmt.Errorf("ask the journal for run %s: %w", id, err)
		}
		if _, live := r.settler.Holder(ctx, id); live {
			continue // the run is just beginning
		}
		owed, err := r.journal.Obligations(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("ask the journal what must be undone for run %s: %w", id, err)
		}
		if aside, done := noRun(owed); aside { // a drill is never a run of the journal, and a restore only after its beginning
			if done {
				_ = r.locks.Remove(lock.RunKey(id))
			}
			continue
		}
		if r.locks.Left(lock.RunKey(id)).Beginning { // it died before it was entered in the journal, and has contacted no device
			_ = r.locks.Remove(lock.RunKey(id))
			continue
		}
		f := forgottenRun{run: id, lock: r.locks.Path(lock.RunKey(id))}
		if dir := filepath.Join(r.state.Staging(), id); isDir(dir) {
			f.staged = dir
		}
		out = append(out, f)
	}
	return out, nil
}

// noRun reports whether all obligations of a run belong to a drill or a restore,
// and whether all are settled.
func noRun(owed []journal.Obligation) (aside, done bool) {
	aside, done = len(owed) > 0, true
	for _, o := range owed {
		aside, done = aside && (o.Kind == pending.DropDomain || o.Kind == pending.Restore), done && !o.PaidAt.IsZero()
	}
	return aside, done
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
