package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/evidence"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/runner/signing"
)

const noEvidence = "the record of evidence was not written; the run is good without it, but nobody can prove it"

// recordsAtOnce is the most records that a run sends to one destination. A new
// destination gets the rest from later runs.
const recordsAtOnce = 1000

// witnessRun writes the record of a run that is about to end, and sends it to the
// destinations that the run has reached. A record that cannot be written does not
// fail the run: witnessRun logs that and returns nil.
func (r *operation) witnessRun(ctx context.Context, exec *execute.Executor, host *pluginhost.Host, keys *signing.Keys, of record.Run, first event.Kind, s *event.Summary) *event.Evidence {
	rec := evidence.Record{Kind: evidence.Apply, User: of.User, Change: of.Change, Reason: of.Reason, Files: of.Files, Run: s.Run, Plan: s.Plan, Only: s.Only,
		Started: s.Started, Ended: s.Ended, Exit: s.ExitCode, Code: s.Code}
	if first == event.Interrupted {
		rec.Kind = evidence.Recover
	}
	for _, name := range host.Names() {
		if i, err := host.Info(name); err == nil && !i.Bundled {
			rec.Plugins = append(rec.Plugins, evidence.Program{Name: name, SHA256: i.Digest})
		}
	}
	err := tell(ctx, r.journal, &rec)
	var e *event.Evidence
	if err == nil {
		e, err = r.witness(ctx, r.journal, keys, rec)
	}
	if err != nil {
		r.Log.Warn(noEvidence, "run", s.Run, "error", err)
		return nil
	}
	var destinations []string
	for _, d := range of.Spec.Destinations {
		destinations = append(destinations, d.Name)
	}
	e.Missing = r.sendEvidence(ctx, r.journal, exec, destinations, evidence.Head{Sequence: e.Sequence, Digest: e.Digest})
	return e
}

// tell adds to a record what the journal knows about its run.
func tell(ctx context.Context, j *journal.Journal, rec *evidence.Record) error {
	own, tasks, err := j.Record(ctx, rec.Run)
	if err != nil {
		return err
	}
	rec.History = history(own)
	for _, t := range tasks {
		rec.Tasks = append(rec.Tasks, evidence.Task{Task: t.ID, Device: t.Device, Domain: t.Domain, Code: t.Code, History: history(t.History)})
	}
	owed, err := j.Obligations(ctx, rec.Run)
	if err != nil {
		return err
	}
	for _, o := range owed {
		if o.Kind != pending.Unquiesce {
			continue
		}
		out := evidence.Outage{Device: o.Device, Domain: o.Domain, From: o.Since, Back: o.PaidAt}
		if !o.PaidAt.IsZero() {
			out.Seconds = o.PaidAt.Sub(o.Since).Seconds()
		}
		rec.Outages = append(rec.Outages, out)
	}
	for c, err := range j.Copies(ctx, journal.CopyFilter{Run: rec.Run, Since: rec.Started}) {
		if err != nil {
			return err
		}
		one := evidence.Copy{Set: c.Set, Device: c.Device, Domain: c.Domain, Destination: c.Destination, Root: c.Root, Path: c.Path, SHA256: c.SHA256,
			Verified: c.Verified, Durable: c.Durable}
		if c.Signature != nil {
			one.SignedBy = c.Signature.Key
		}
		for _, f := range c.Files {
			one.Files = append(one.Files, evidence.File{File: f.File, Size: f.Size, SHA256: f.SHA256})
		}
		rec.Copies = append(rec.Copies, one)
	}
	return nil
}

// history returns statuses in the form of a record. Only the last one has a
// message.
func history(all []event.Status) (out []evidence.Status) {
	for i, s := range all {
		one := evidence.Status{Time: s.Time, Code: s.Code}
		if i == len(all)-1 {
			one.Message = s.Message
		}
		out = append(out, one)
	}
	return out
}

// witness adds a record to the chain of the state directory, about a run or about
// any other action that must be provable.
func (r *Runner) witness(ctx context.Context, j *journal.Journal, keys *signing.Keys, rec evidence.Record) (*event.Evidence, error) {
	id, err := r.state.ID()
	if err != nil {
		return nil, err
	}
	rec.State, rec.Written, rec.Program = id, r.Clock.Now().UTC(), evidence.Program{Name: "dprun", Version: r.Version}
	rec.Host, _ = os.Hostname()
	if rec.User == "" {
		rec.User = username()
	}
	out := &event.Evidence{Signed: keys.Signs()}
	err = j.AppendEvidence(ctx, func(after evidence.Head) (evidence.Head, error) {
		for { // skip records that were written and not entered: by a process that died, or before the journal was lost
			body, err := os.ReadFile(filepath.Join(r.state.Evidence(), evidence.FileName(after.Sequence+1)))
			if errors.Is(err, fs.ErrNotExist) {
				break
			}
			if err != nil {
				return after, err
			}
			after = evidence.Head{Sequence: after.Sequence + 1, Digest: evidence.Digest(body)}
		}
		body, head, err := rec.Encode(after)
		if err != nil {
			return after, err
		}
		name := evidence.FileName(head.Sequence)
		// A signature at this place has no record: a process that died has left it.
		if err := os.Remove(filepath.Join(r.state.Evidence(), name+signing.Suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return after, err
		}
		if out.Signed {
			text, err := keys.Sign(signing.Run, body)
			if err != nil {
				return after, err
			}
			if err := r.state.AddEvidence(name+signing.Suffix, text); err != nil {
				return after, err
			}
		}
		out.Sequence, out.Digest = head.Sequence, head.Digest
		return head, r.state.AddEvidence(name, body)
	})
	if err != nil {
		return nil, fmt.Errorf("add a record to %s: %w", r.state.Evidence(), err)
	}
	return out, nil
}

// prove adds a record about an action that is not a run of a plan, signed as the
// plan says. An unusable key does not undo the action. The next run sends the
// record.
func (r *Runner) prove(ctx context.Context, j *journal.Journal, loaded *Loaded, p *plan.Plan, rec evidence.Record) {
	keys, err := r.keysOf(loaded, p)
	if err != nil {
		keys = signing.Broken(err)
	}
	if _, err := r.witness(context.WithoutCancel(ctx), j, keys, rec); err != nil {
		r.Log.Warn(noEvidence, "kind", rec.Kind, "error", err)
	}
}

// sendEvidence sends destinations the records that they lack, up to head. It
// returns which destinations still lack some, and why. It does not log a
// destination that was not reached: either the run itself reports it, or the run
// had nothing to store there.
func (r *Runner) sendEvidence(ctx context.Context, j *journal.Journal, exec *execute.Executor, destinations []string, head evidence.Head) (missing []string) {
	roots := exec.Roots()
	var wait sync.WaitGroup
	var mu sync.Mutex
	for _, d := range destinations {
		wait.Go(func() {
			err := errors.New("it was not reached")
			root, reached := roots[d]
			if reached {
				err = r.sendEvidenceTo(ctx, j, exec, d, root, head)
			}
			if reached && err != nil {
				r.Log.Warn("a destination does not have all records of evidence; the next run sends them again", "destination", d, "error", err)
			}
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				missing = append(missing, fmt.Sprintf("%s: %v", d, err))
			}
		})
	}
	wait.Wait()
	slices.Sort(missing)
	return missing
}

func (r *Runner) sendEvidenceTo(ctx context.Context, j *journal.Journal, exec *execute.Executor, destination, root string, head evidence.Head) error {
	id, err := r.state.ID()
	if err != nil {
		return err
	}
	has, err := j.Evidence(ctx, root)
	if err != nil {
		return err
	}
	last := min(head.Sequence, has.Sequence+recordsAtOnce)
	for n := has.Sequence + 1; n <= last && err == nil; n++ {
		for _, suffix := range []string{signing.Suffix, ""} {
			name := evidence.FileName(n) + suffix
			file := filepath.Join(r.state.Evidence(), name)
			if _, gone := os.Lstat(file); errors.Is(gone, fs.ErrNotExist) {
				continue // the record is not signed, or a person has removed it; the others are sent, and a verification reports it
			}
			if err = exec.Keep(ctx, destination, file, path.Join(evidence.Dir, id, name)); err != nil {
				break
			}
		}
		if err == nil {
			has = evidence.Head{Sequence: n}
		}
	}
	if err == nil && last < head.Sequence {
		err = fmt.Errorf("it was sent %d records, and does not have the newest yet", recordsAtOnce)
	}
	if has.Sequence == head.Sequence {
		has = head
	}
	return errors.Join(err, j.NoteEvidence(ctx, root, has))
}
