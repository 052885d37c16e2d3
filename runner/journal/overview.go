package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/dprun/dprun/runner/backups"
)

// The newest table has a row for each subject of a plan: its newest set that a
// run of this state directory stored and that is whole somewhere. An empty ID
// means that none is whole any more. The table, and an index of the tasks that
// brought no copy, let an overview read only what is wrong.
const newest = `
CREATE TABLE newest (
  plan TEXT NOT NULL, device TEXT NOT NULL, domain TEXT NOT NULL, activity TEXT NOT NULL, id TEXT NOT NULL,
  PRIMARY KEY (plan, device, domain, activity)) WITHOUT ROWID;
INSERT INTO newest SELECT plan, device, domain, activity, max(iif(state = 'whole', id, '')) FROM copies WHERE NOT imported GROUP BY plan, device, domain, activity;
CREATE INDEX newest_age ON newest (plan, id);
CREATE TRIGGER newest_stored AFTER INSERT ON copies WHEN new.state = 'whole' AND NOT new.imported BEGIN
  INSERT INTO newest VALUES (new.plan, new.device, new.domain, new.activity, new.id) ON CONFLICT DO UPDATE SET id = excluded.id WHERE id < excluded.id;
END;
CREATE TRIGGER newest_changed AFTER UPDATE ON copies WHEN old.state <> new.state OR old.imported <> new.imported BEGIN
  INSERT INTO newest VALUES (new.plan, new.device, new.domain, new.activity, coalesce((SELECT id FROM copies
    WHERE device = new.device AND domain = new.domain AND activity = new.activity AND plan = new.plan AND state = 'whole' AND NOT imported ORDER BY id DESC LIMIT 1), ''))
  ON CONFLICT DO UPDATE SET id = excluded.id;
END;
CREATE INDEX tasks_bad ON tasks (k) WHERE NOT good;
CREATE INDEX runs_whole ON runs (plan, origin, n) WHERE state = 'finished' AND NOT partial AND tasks > 0;
`

// Standing is the newest set of a subject that a plan stored and that, as far as
// is known, is whole somewhere.
type Standing struct {
	backups.Subject
	Set      string    // empty: there was one, and none is whole any more
	Captured time.Time // to the millisecond; zero: Set is empty
	// Wanted says that the given run, or a later one, was to back up the subject,
	// and did.
	Wanted bool
}

func scanStanding(s scanner) (of Standing, err error) {
	if err := s.Scan(&of.Device, &of.Domain, &of.Activity, &of.Set, &of.Wanted); err != nil {
		return of, err
	}
	of.Captured, err = captured(of.Set)
	return of, err
}

// captured returns the time of a set's capture, to the millisecond; zero if set
// is empty.
func captured(set string) (time.Time, error) {
	if set == "" {
		return time.Time{}, nil
	}
	id, err := ulid.ParseStrict(set)
	if err != nil {
		return time.Time{}, fmt.Errorf("the set %q: %w", set, err)
	}
	return id.Timestamp().UTC(), nil
}

const (
	standing = `SELECT w.device, w.domain, w.activity, w.id, EXISTS (SELECT 1 FROM sizes z WHERE z.origin = ?2 AND z.device = w.device AND z.activity = w.activity AND z.plan = ?1
		AND z.domain = w.domain AND z.run >= (SELECT n FROM runs WHERE id = ?3)) FROM newest w WHERE w.plan = ?1 AND `
	selectAged   = standing + "w.id < ?4 UNION ALL " + standing + "w.id >= ?5"
	selectOldest = standing + "w.id >= ?4 AND w.id < ?5 ORDER BY w.id LIMIT 1" // of those that selectAged leaves out
	selectBad    = `SELECT t.id, t.activity, t.device, t.domain, t.code, t.final, w.id IS NOT NULL FROM tasks t INDEXED BY tasks_bad
		LEFT JOIN newest w ON w.plan = ?3 AND w.device = t.device AND w.domain = t.domain AND w.activity = t.activity WHERE t.k BETWEEN ?1 AND ?2 AND NOT t.good`
	selectFailed = `SELECT code, device, count(*), sum(id > ?4), sum(id = '' AND NOT wild), sum(wild), coalesce(min(iif(id > ?4, NULL, nullif(id, ''))), ''), max(iif(id > ?4, 0, k))
		FROM (SELECT t.k, t.code, t.device, coalesce(w.id, '') AS id, instr(t.domain, '*') > 0 OR instr(t.domain, ',') > 0 AS wild FROM tasks t INDEXED BY tasks_bad
		LEFT JOIN newest w ON w.plan = ?3 AND w.device = t.device AND w.domain = t.domain AND w.activity = t.activity WHERE t.k BETWEEN ?1 AND ?2 AND NOT t.good)
		GROUP BY code, device`
	selectBody    = "SELECT history FROM bodies WHERE k = ?"
	selectSince   = "SELECT " + runColumns + " FROM runs WHERE started >= ? ORDER BY started DESC, id DESC"
	selectWhole   = "SELECT " + runColumns + " FROM runs WHERE n IN (SELECT max(n) FROM runs INDEXED BY runs_whole WHERE state = 'finished' AND NOT partial AND tasks > 0 GROUP BY plan, origin)"
	selectPlaces  = "SELECT m.destination, m.root, m.free, m.total, max(m.at), coalesce(r.plan, '') FROM rooms m LEFT JOIN runs r ON r.id = m.run GROUP BY m.root, m.destination ORDER BY m.root"
	selectNotices = "SELECT l.run, r.plan, l.time, l.text FROM runs r CROSS JOIN logs l ON l.run = r.id AND l.task = '' AND l.stream = ?2 WHERE r.started >= ?1 ORDER BY l.time DESC LIMIT ?3"
	selectOpen    = "SELECT " + runColumns + " FROM runs WHERE state = 'running' ORDER BY started, id"
)

// Aged returns the standings of a run's plan that are old, impossible or empty:
// captured before one time, captured at future or later, or without a whole set.
func (j *Journal) Aged(ctx context.Context, of Run, before, future time.Time) ([]Standing, error) {
	return list(ctx, j, "list the old backups of plan "+of.Plan, scanStanding, selectAged, of.Plan, of.Origin, of.ID, backups.FirstID(before), backups.FirstID(future))
}

// OldestFresh returns the oldest standing that Aged leaves out; nil: there is
// none.
func (j *Journal) OldestFresh(ctx context.Context, of Run, before, future time.Time) (*Standing, error) {
	return only(list(ctx, j, "find the oldest backup of plan "+of.Plan, scanStanding, selectOldest, of.Plan, of.Origin, of.ID, backups.FirstID(before), backups.FirstID(future)))
}

// BadTask is a task that ended without a good copy.
type BadTask struct {
	Task
	// Stored says that its plan has stored a set of the same subject, before or
	// since.
	Stored bool
}

// Bad lists the tasks of a run that ended without a good copy, in the order of
// their ends.
func (j *Journal) Bad(ctx context.Context, of Run) ([]BadTask, error) {
	n, _, err := j.number(ctx, of.ID)
	if err != nil || n == 0 {
		return nil, err
	}
	first, last := rangeOf(n)
	return list(ctx, j, "list what failed in run "+of.ID, func(s scanner) (t BadTask, err error) {
		t.Run = of.ID
		return t, s.Scan(&t.ID, &t.Activity, &t.Device, &t.Domain, &t.Code, &t.Final, &t.Stored)
	}, selectBad, first, last, of.Plan)
}

// Failed counts the tasks of a run that ended without a good copy, for one code
// and one device.
type Failed struct {
	Code, Device string
	Tasks        int // all of them
	MadeUp       int // those that have a good set captured after the run
	None         int // those whose domain or device has no good set
	Unexpanded   int // those that stand for all matching domains, because the device was not reached
	// Oldest is the capture time of the oldest of the last good sets that the other
	// tasks have; zero: there is none.
	Oldest time.Time
	sample int64
}

// Failed counts the tasks of a run that ended without a good copy, by code and
// device.
func (j *Journal) Failed(ctx context.Context, of Run) ([]Failed, error) {
	n, finished, err := j.number(ctx, of.ID)
	if err != nil || n == 0 {
		return nil, err
	}
	first, last := rangeOf(n)
	after := "Z" // greater than every ID: a run under way has no later sets
	if finished {
		after = backups.FirstID(of.Ended)
	}
	return list(ctx, j, "count what failed in run "+of.ID, func(s scanner) (f Failed, err error) {
		var oldest string
		if err := s.Scan(&f.Code, &f.Device, &f.Tasks, &f.MadeUp, &f.None, &f.Unexpanded, &oldest, &f.sample); err != nil {
			return f, err
		}
		f.Oldest, err = captured(oldest)
		return f, err
	}, selectFailed, first, last, of.Plan, after)
}

// Message returns the message of the last status of the newest task in f that has
// no newer good set.
func (j *Journal) Message(ctx context.Context, f Failed) (string, error) {
	found, err := list(ctx, j, "read how a task of "+f.Device+" ended", func(s scanner) (string, error) {
		var body []byte
		var steps []step
		if err := s.Scan(&body); err != nil {
			return "", err
		}
		if err := decode(body, &steps); err != nil || len(steps) == 0 {
			return "", err
		}
		return steps[len(steps)-1].Message, nil
	}, selectBody, f.sample)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0], nil
}

// Since lists the runs that began at a time or later, the newest first.
func (j *Journal) Since(ctx context.Context, at time.Time) ([]Run, error) {
	return list(ctx, j, "list the runs of a night", scanRun, selectSince, stamp(at))
}

// Unended lists the runs that are under way or died, the oldest first, without
// their Spec.
func (j *Journal) Unended(ctx context.Context) ([]Run, error) {
	return list(ctx, j, "list the runs under way", scanRun, selectOpen)
}

// WholeRuns returns, for each plan and file, the last finished run that had tasks
// and was not narrowed.
func (j *Journal) WholeRuns(ctx context.Context) ([]Run, error) {
	return list(ctx, j, "list the last whole run of each plan", scanRun, selectWhole)
}

// Place is the space at a destination when a run last looked at it.
type Place struct {
	Room
	Plan string // the plan of that run; empty: the run was removed
}

// Places lists the destinations that runs have looked at.
func (j *Journal) Places(ctx context.Context) ([]Place, error) {
	return list(ctx, j, "list the destinations", func(s scanner) (p Place, err error) {
		return p, s.Scan(&p.Destination, &p.Root, &p.Free, &p.Total, moment{&p.At}, &p.Plan)
	}, selectPlaces)
}

// Line is a line of output of a run itself.
type Line struct {
	Run  string
	Plan string
	Time time.Time
	Text string
}

// Lines returns the newest lines of one stream, of the runs that began since a
// time, the newest first.
func (j *Journal) Lines(ctx context.Context, since time.Time, stream string, limit int) ([]Line, error) {
	return list(ctx, j, "list what runs have said", func(s scanner) (l Line, err error) {
		return l, s.Scan(&l.Run, &l.Plan, moment{&l.Time}, &l.Text)
	}, selectNotices, stamp(since), stream, limit)
}

// Counted is a run, and the number of its tasks that should have brought a good
// copy and did not.
type Counted struct {
	Run
	Failed int
}

const (
	selectCounts = "SELECT " + runColumns + `, (SELECT count(*) FROM tasks INDEXED BY tasks_bad WHERE k BETWEEN n * 4294967296 AND n * 4294967296 + 4294967295 AND NOT good
		AND code NOT IN (SELECT value FROM json_each(?2))) FROM runs WHERE started >= ?1 ORDER BY started DESC, id DESC`
	selectUndone = selectFirings + "WHERE due >= ? AND run = '' ORDER BY due DESC"
	selectOf     = `SELECT t.id, t.activity, t.device, t.domain, t.code, t.final, coalesce(json_extract(nullif(b.history, ''), '$[#-1].m'), '')
		FROM tasks t LEFT JOIN bodies b ON b.k = t.k WHERE t.k BETWEEN ?1 AND ?2 AND t.device = ?3 AND (?4 = '' OR t.domain = ?4) ORDER BY t.activity, t.domain, t.id`
)

// Counts returns the runs that began at a time or later, the newest first. Tasks
// that ended in a neutral code do not count as failed.
func (j *Journal) Counts(ctx context.Context, since time.Time, neutral []string) ([]Counted, error) {
	codes, err := json.Marshal(neutral)
	if err != nil {
		return nil, err
	}
	return list(ctx, j, "count what failed in each night", func(s scanner) (c Counted, err error) {
		return c, s.Scan(append(c.columns(), &c.Failed)...)
	}, selectCounts, stamp(since), string(codes))
}

// Undone lists the due times since a time that have no run, the newest first.
// That includes those whose run is about to begin.
func (j *Journal) Undone(ctx context.Context, since time.Time) ([]Firing, error) {
	return list(ctx, j, "list which due times came to no run", scanFiring, selectUndone, since.Unix())
}

// TaskEnd is a task and the message of its last status.
type TaskEnd struct {
	Task
	Message string
}

// TasksOf lists the tasks of a run on a device; with a domain, only those of the
// domain.
func (j *Journal) TasksOf(ctx context.Context, run, device, domain string) ([]TaskEnd, error) {
	n, finished, err := j.number(ctx, run)
	if err != nil || n == 0 {
		return nil, err
	}
	if finished {
		first, last := rangeOf(n)
		return list(ctx, j, "list what run "+run+" did with "+device, func(s scanner) (t TaskEnd, err error) {
			t.Run = run
			return t, s.Scan(&t.ID, &t.Activity, &t.Device, &t.Domain, &t.Code, &t.Final, &t.Message)
		}, selectOf, first, last, device, domain)
	}
	_, all, err := j.Record(ctx, run)
	var out []TaskEnd
	for _, t := range all {
		if t.Device == device && (domain == "" || t.Domain == domain) {
			e := TaskEnd{Task: t.Task}
			if len(t.History) > 0 {
				e.Message = t.History[len(t.History)-1].Message
			}
			out = append(out, e)
		}
	}
	return out, err
}
