package runner

import (
	"context"
	"errors"
	"time"

	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/staging"
)

// PruneRequest asks to remove old runs and old staged files.
type PruneRequest struct {
	RunsOlderThan   time.Duration // counted from their ends
	StagedOlderThan time.Duration
	DryRun          bool // only report what would be removed
}

// Prune removes runs that ended long ago, and files that tasks of ended runs left
// in staging. A run stays if something of it must still be undone, or if it has
// the last good copy of a device or domain. Even with an error it may return what
// it has removed.
func (h *History) Prune(ctx context.Context, q PruneRequest) (*report.Pruned, error) {
	k := h.kept.Load()
	if e := new(Error); errors.As(k.lost, &e) {
		return nil, errorf(e.ExitCode, "%w. %s", e.Err, h.unprunable())
	}
	needed, err := needed(ctx, k.journal)
	if err != nil {
		return nil, err
	}
	now := h.now()
	// Staged files first, because the journal may need the room that they free.
	remove := h.staging.Sweep
	if q.DryRun {
		remove = h.staging.Stale
	}
	swept, unswept := remove(now.Add(-q.StagedOlderThan), func(e staging.Entry) bool { return needed[e.Run] })
	p := &report.Pruned{DryRun: q.DryRun}
	for _, e := range swept {
		p.Staged = append(p.Staged, stagedOf(e))
	}
	pruned, err := k.journal.Prune(ctx, journal.PruneRequest{Before: now.Add(-q.RunsOlderThan), DryRun: q.DryRun})
	if err != nil {
		return nil, errors.Join(err, unswept)
	}
	p.Runs = pruned.Runs
	for _, k := range pruned.Kept {
		p.Kept = append(p.Kept, report.KeptRun{Run: k.Run, Why: string(k.Why)})
	}
	return p, unswept
}

// needed returns the runs whose staged files may be needed: unfinished runs, and
// runs of which something must still be undone.
func needed(ctx context.Context, j *journal.Journal) (map[string]bool, error) {
	unfinished, err := j.UnfinishedRuns(ctx)
	if err != nil {
		return nil, err
	}
	owed, err := j.Owed(ctx)
	if err != nil {
		return nil, err
	}
	needed := map[string]bool{}
	for _, run := range unfinished {
		needed[run.ID] = true
	}
	for _, o := range owed {
		needed[o.Run] = true
	}
	return needed, nil
}

// unprunable says what to do if the journal cannot be opened.
func (h *History) unprunable() string {
	return "Nothing was removed: only the journal tells which staged files an unfinished run still needs. If room is missing, remove staged files first, " +
		"by hand: the directories of " + h.state.Staging() + " have the names of their runs; remove those of runs that need not be finished, then prune again"
}
