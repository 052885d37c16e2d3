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

const selectLastSets = `SELECT c.plan, c.activity, c.device, c.domain, c.stamp
	FROM (SELECT DISTINCT device, domain, activity FROM copies INDEXED BY copies_subject) s
	CROSS JOIN copies c ON c.k = (SELECT k FROM copies x INDEXED BY copies_subject
		WHERE x.device = s.device AND x.domain = s.domain AND x.activity = s.activity AND x.id < ?2 AND x.state = ?1 AND NOT x.imported ORDER BY x.id DESC LIMIT 1)`

// LastSets are the newest sets of everything, captured before a time, by device, domain and activity.
func (j *Journal) LastSets(ctx context.Context, before time.Time) ([]LastSet, error) {
	return list(ctx, j, "list the last set of everything", func(s scanner) (l LastSet, err error) {
		var stamp string
		if err := s.Scan(&l.Plan, &l.Activity, &l.Device, &l.Domain, &stamp); err != nil {
			return l, err
		}
		l.Captured, err = backups.ParseStamp(stamp)
		return l, err
	}, selectLastSets, string(backups.Whole), backups.FirstID(before))
}
