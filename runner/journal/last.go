package journal

import (
	"context"
	"time"

	"github.com/dprun/dprun/runner/backups"
)

// LastRuns are the last finished run of each plan and file; good: of those that
// ended with exit code 0 and were not narrowed.
func (j *Journal) LastRuns(ctx context.Context, good bool) ([]Run, error) {
	return list(ctx, j, "list the last run of each plan", scanRun,
		"SELECT "+runColumns+" FROM runs WHERE n IN (SELECT max(n) FROM runs WHERE state = 'finished' AND (NOT ? OR exit_code = 0 AND NOT partial) GROUP BY plan, origin) ORDER BY plan, origin", good)
}

// LastSet is the newest set of something that this state directory stored and
// that is whole at a destination, as far as is known.
type LastSet struct {
	Plan, Activity, Device, Domain string
	Captured                       time.Time
}

// LastSets are the newest sets of everything, captured before a time.
func (j *Journal) LastSets(ctx context.Context, before time.Time) ([]LastSet, error) {
	return list(ctx, j, "list the last set of everything", func(s scanner) (l LastSet, err error) {
		var newest, stamp string
		if err := s.Scan(&l.Plan, &l.Activity, &l.Device, &l.Domain, &newest, &stamp); err != nil {
			return l, err
		}
		l.Captured, err = backups.ParseStamp(stamp)
		return l, err
	}, "SELECT plan, activity, device, domain, max(id), stamp FROM copies WHERE state = ? AND NOT imported AND id < ? GROUP BY plan, activity, device, domain ORDER BY 1, 2, 3, 4",
		string(backups.Whole), backups.FirstID(before))
}
