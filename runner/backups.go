package runner

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/report"
)

// BackupsRequest selects sets. An empty field does not narrow the list.
type BackupsRequest struct {
	Plan, Device, Domain string
	At                   time.Time // only sets that existed at that time
	// Latest asks only for the last good set of each device, domain and activity. A
	// set that was only found at a destination does not replace one that a run has
	// stored.
	Latest bool
	After  string // cursor: only sets after this one in the list; empty: from the newest on
	Limit  int    // the most sets to list; 0: all
}

// Backups lists sets, the newest first, except those that are deleted everywhere.
// The ID of the last set is the cursor for the next page.
func (h *History) Backups(ctx context.Context, q BackupsRequest) iter.Seq2[report.Backup, error] {
	return func(yield func(report.Backup, error) bool) {
		own, sets, err := h.sets(ctx, q)
		if err != nil {
			yield(report.Backup{}, err)
			return
		}
		given := 0
		for set, err := range sets {
			if err != nil {
				yield(report.Backup{}, err)
				return
			}
			if !set.Kept() {
				continue
			}
			if q.Limit > 0 && given == q.Limit || !yield(backup(set, own), nil) {
				return
			}
			given++
		}
	}
}

// sets returns the requested sets, and the ID of the state directory.
func (h *History) sets(ctx context.Context, q BackupsRequest) (own string, _ iter.Seq2[backups.Set, error], err error) {
	j, own, err := h.known()
	if err != nil {
		return "", nil, err
	}
	f := journal.CopyFilter{Plan: q.Plan, Device: q.Device, Domain: q.Domain, After: q.After}
	if !q.At.IsZero() {
		f.Before = q.At.Add(time.Millisecond)
	}
	sets := backups.Sets(j.Copies(ctx, f))
	if !q.Latest {
		return own, sets, nil
	}
	latest, err := latestOf(ctx, j, f, own, h.now())
	return own, func(yield func(backups.Set, error) bool) {
		for _, s := range latest {
			if !yield(s, nil) {
				return
			}
		}
	}, err
}

// latestOf returns the last good set of each subject. It reads no more sets than
// it needs.
func latestOf(ctx context.Context, j *journal.Journal, f journal.CopyFilter, own string, now time.Time) (out []backups.Set, err error) {
	subjects, err := j.Subjects(ctx, f.Device, f.Domain)
	if err != nil {
		return nil, err
	}
	for _, of := range subjects {
		f.Device, f.Domain, f.Whole, f.Activity = of.Device, of.Domain, of.Domain == "", of.Activity
		last, err := backups.Last(backups.Sets(j.Copies(ctx, f)), of, own, now)
		if err != nil {
			return nil, err
		}
		if last != nil {
			out = append(out, last)
		}
	}
	slices.SortFunc(out, func(a, b backups.Set) int { return strings.Compare(b[0].Set, a[0].Set) })
	return out, nil
}

// backup summarizes a set.
func backup(s backups.Set, own string) report.Backup {
	first := s[0]
	b := report.Backup{Set: first.Set, Captured: first.Captured, Plan: first.Plan, Run: first.Run, Task: first.Task, Activity: first.Activity, ActivityType: first.Type,
		Device: first.Device, Domain: first.Domain, Bytes: first.Bytes, Origin: string(s.Origin(own))}
	b.Trusted, b.Untrusted = first.Trust()
	for _, c := range s {
		one := report.BackupCopy{Destination: c.Destination, Root: c.Root, Path: c.Path, State: string(c.State), Verified: c.Verified, Durable: c.Durable,
			Stored: c.Stored, Checked: c.Checked, Imported: c.Imported, EncryptedFor: c.EncryptedFor()}
		if c.Signature != nil {
			one.SignedBy = c.Signature.Key
		}
		b.Copies = append(b.Copies, one)
	}
	slices.SortFunc(b.Copies, func(a, b report.BackupCopy) int { return strings.Compare(a.Root, b.Root) })
	return b
}

// Backup returns everything that is known about one set. ref is its ID or a
// prefix of the ID.
func (h *History) Backup(ctx context.Context, ref string) (report.BackupDetail, error) {
	j, own, err := h.known()
	if err != nil {
		return report.BackupDetail{}, err
	}
	id, err := j.Set(ctx, ref)
	if errors.Is(err, journal.ErrNotFound) || errors.Is(err, journal.ErrAmbiguous) {
		err = &Error{ExitUsage, err}
	}
	if err != nil {
		return report.BackupDetail{}, err
	}
	for s, err := range backups.Sets(j.Copies(ctx, journal.CopyFilter{Set: id})) {
		if err != nil {
			return report.BackupDetail{}, err
		}
		first := s[0]
		d := report.BackupDetail{Backup: backup(s, own), Identity: first.Identity, StateID: first.StateID, SHA256: first.SHA256, Withheld: first.Withheld,
			Warnings: first.Warnings, Facts: first.Facts}
		for _, f := range first.Files {
			f = f.Opened()
			d.Files = append(d.Files, report.BackupFile{File: f.File, Variant: f.Variant, Size: f.Size, SHA256: f.SHA256})
		}
		proofs, err := j.Proofs(ctx, id)
		if err != nil {
			return report.BackupDetail{}, err
		}
		for _, p := range proofs {
			d.Imports = append(d.Imports, proof(p, s))
		}
		return d, nil
	}
	return report.BackupDetail{}, errorf(ExitUsage, "set %s is not known any more", id) // it was removed between the two reads
}

// lockSet takes the lock of a set without waiting, with a mode as [lock.SetKey]
// explains. It returns a *lock.HeldError if another process holds the lock.
func (r *Runner) lockSet(set string, mode lock.Mode) (release func(), err error) {
	key := lock.SetKey(set)
	held, err := r.locks.TryAcquire(key, mode, lock.Info{})
	if err != nil {
		return nil, err
	}
	return func() {
		_ = held.Release()
		_ = r.locks.Remove(key) // it fails while others hold the lock, and then they remove it
	}, nil
}
