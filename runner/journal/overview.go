package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/dprun/dprun/runner/backups"
)

// newest holds a row for each subject of a plan with its newest set that is whole
// somewhere and was stored from here; an empty ID: none is any more. With it, and
// an index of the tasks that brought no copy, a look at everything reads what is
// wrong and not all that is well.
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

// Standing is the newest set of something that a plan stored and that is whole
// somewhere, as far as is known.
type Standing struct {
	backups.Subject
	Set      string    // empty: there was one, and none is whole any more
	Captured time.Time // to the millisecond; zero: there is none
	// Wanted says that the run which was asked about, or a later one, had it to back up and did.
	Wanted bool
}

func scanStanding(s scanner) (of Standing, err error) {
	if err := s.Scan(&of.Device, &of.Domain, &of.Activity, &of.Set, &of.Wanted); err != nil {
		return of, err
	}
	of.Captured, err = captured(of.Set)
	return of, err
}

// captured is when a set was, to the millisecond; of none the zero time.
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

// Aged are the standings of a run's plan whose set was captured before a time, or
// at another one or later, which is the future, or of which there is none.
func (j *Journal) Aged(ctx context.Context, of Run, before, future time.Time) ([]Standing, error) {
	return list(ctx, j, "list the old backups of plan "+of.Plan, scanStanding, selectAged, of.Plan, of.Origin, of.ID, backups.FirstID(before), backups.FirstID(future))
}

// OldestFresh is the oldest standing that Aged leaves out; nil: there is none.
func (j *Journal) OldestFresh(ctx context.Context, of Run, before, future time.Time) (*Standing, error) {
	return one(list(ctx, j, "find the oldest backup of plan "+of.Plan, scanStanding, selectOldest, of.Plan, of.Origin, of.ID, backups.FirstID(before), backups.FirstID(future)))
}

func one[T any](found []T, err error) (*T, error) {
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// BadTask is a task that has ended without a good copy.
type BadTask struct {
	Task
	// Stored says that its plan has stored a set of the same before or since.
	Stored bool
}

// Bad lists the tasks of a run that have ended without a good copy, in the order
// in which they ended.
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

// Failed is how many tasks of a run have ended on a device in a code without a good copy.
type Failed struct {
	Code, Device string
	Tasks        int // all of them
	MadeUp       int // of these, with a good set that was captured after the run
	None         int // of these, of a domain or a device of which there is no good set
	Unexpanded   int // of these, that stand for all domains that match: the device was not reached
	// Oldest is when the oldest of the last good sets of the rest was captured; zero: the rest has none.
	Oldest time.Time
	sample int64
}

// Failed counts what of a run has ended without a good copy, by code and device.
func (j *Journal) Failed(ctx context.Context, of Run) ([]Failed, error) {
	n, finished, err := j.number(ctx, of.ID)
	if err != nil || n == 0 {
		return nil, err
	}
	first, last := rangeOf(n)
	after := "Z" // of a run under way nothing is made up for
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

// Message is what the last status of the newest of the tasks says that are not made up for.
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

// Unended lists the runs that are under way or died, the oldest first, without their Spec.
func (j *Journal) Unended(ctx context.Context) ([]Run, error) {
	return list(ctx, j, "list the runs under way", scanRun, selectOpen)
}

// WholeRuns are the last finished run of each plan and file that had tasks and was not narrowed.
func (j *Journal) WholeRuns(ctx context.Context) ([]Run, error) {
	return list(ctx, j, "list the last whole run of each plan", scanRun, selectWhole)
}

// Place is the room of a destination as the last run saw it that looked.
type Place struct {
	Room
	Plan string // whose run it was; empty: the run is gone
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

// Lines are the newest lines of one stream of the runs that began since a time, the newest first.
func (j *Journal) Lines(ctx context.Context, since time.Time, stream string, limit int) ([]Line, error) {
	return list(ctx, j, "list what runs have said", func(s scanner) (l Line, err error) {
		return l, s.Scan(&l.Run, &l.Plan, moment{&l.Time}, &l.Text)
	}, selectNotices, stamp(since), stream, limit)
}

// Counted is a run, and how many of its tasks have ended without a good copy and should have brought one.
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

// Counts are the runs that began at a time or later, the newest first. Tasks that end in a neutral code do not count as failed.
func (j *Journal) Counts(ctx context.Context, since time.Time, neutral []string) ([]Counted, error) {
	codes, err := json.Marshal(neutral)
	if err != nil {
		return nil, err
	}
	return list(ctx, j, "count what failed in each night", func(s scanner) (c Counted, err error) {
		return c, s.Scan(append(c.columns(), &c.Failed)...)
	}, selectCounts, stamp(since), string(codes))
}

// Undone lists the due times since a time that came to no run, the newest first; also those whose run is about to begin.
func (j *Journal) Undone(ctx context.Context, since time.Time) ([]Firing, error) {
	return list(ctx, j, "list which due times came to no run", scanFiring, selectUndone, since.Unix())
}

// TaskEnd is a task and what its last status says.
type TaskEnd struct {
	Task
	Message string
}

// TasksOf lists the tasks of a run for a device, or for one domain of it.
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
