package runner

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/journal"
)

// CompleteRequest asks for names that a shell offers for completion.
type CompleteRequest struct {
	StateDir string // a missing one is not created
	Run      string // the run whose tasks are wanted
	Limit    int    // the most names
}

// CompleteRuns returns the runs, each with a description after a tab.
func CompleteRuns(ctx context.Context, q CompleteRequest) []string {
	return q.read(func(j *journal.Journal) []string {
		names := []string{"latest"}
		runs, _ := j.Runs(ctx, journal.Filter{}, q.Limit)
		for _, r := range runs {
			names = append(names, r.ID+"\t"+r.Plan+" "+r.Started.Format("2006-01-02 15:04")+" "+r.Code)
		}
		return names
	})
}

// CompleteTasks returns the tasks of a run.
func CompleteTasks(ctx context.Context, q CompleteRequest) []string {
	return q.read(func(j *journal.Journal) (names []string) {
		r, err := j.Run(ctx, q.Run)
		if err != nil {
			return nil
		}
		tasks, _ := j.Tasks(ctx, r.ID)
		for _, t := range tasks {
			names = append(names, t.ID)
		}
		return names
	})
}

// CompleteSets returns the newest sets, each with a description after a tab.
func CompleteSets(ctx context.Context, q CompleteRequest) []string {
	return q.read(func(j *journal.Journal) (names []string) {
		for s, err := range backups.Sets(j.Copies(ctx, journal.CopyFilter{})) {
			if err != nil || len(names) == q.Limit {
				break
			}
			names = append(names, s[0].Set+"\t"+strings.TrimSpace(s[0].Device+" "+s[0].Domain)+" "+s[0].Captured.Format("2006-01-02 15:04"))
		}
		return names
	})
}

// CompleteOwing returns the devices and the runs on which something must be
// undone.
func CompleteOwing(ctx context.Context, q CompleteRequest) []string {
	return q.read(func(j *journal.Journal) (names []string) {
		owed, _ := j.Owed(ctx)
		for _, o := range owed {
			names = append(names, acknowledgedBy(o.Obligation))
		}
		slices.Sort(names)
		return slices.Compact(names)
	})
}

// read returns names from the journal; none if there is no journal.
func (q CompleteRequest) read(names func(*journal.Journal) []string) []string {
	if _, err := os.Stat(q.StateDir); err != nil {
		return nil
	}
	h, err := OpenHistory(q.StateDir)
	if err != nil {
		return nil
	}
	defer h.Close() //nolint:errcheck // it was only read
	k := h.kept.Load()
	if k.journal == nil {
		return nil
	}
	return names(k.journal)
}
