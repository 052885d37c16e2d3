package journal

import (
	"context"
	"encoding/json"
	"time"
)

// Scheduled names a plan that has schedules: its name and the file that holds it.
type Scheduled struct{ Plan, Origin string }

// Firing is a server's decision about one time at which a plan was due.
type Firing struct {
	Scheduled
	Due     time.Time // a whole second
	Decided time.Time
	Verdict string // "run", or why the plan was not run
	// The rest is about a run.
	Run      string    // its ID; empty: the run did not begin
	Ended    time.Time // zero: the run is under way, or the server died
	ExitCode int
	Message  string // adds to the run's own record
}

// firingsKept is the number of newest due times that are kept for each plan.
const firingsKept = 2000

// ran is the verdict of a due time that started a run.
const ran = "run"

// NoteSchedule enters the rules of a plan's schedules, and returns the time from
// which they apply. That is now if the rules have changed, or if the noted time
// lies in the future because an earlier clock was ahead.
func (j *Journal) NoteSchedule(ctx context.Context, s Scheduled, rules string, now time.Time) (since time.Time, err error) {
	return since, j.write(ctx, "note the schedules of plan "+s.Plan, func(t *transaction) error {
		if _, err := t.exec(`INSERT INTO schedules (plan, origin, rules, since) VALUES (?1,?2,?3,?4) ON CONFLICT (plan, origin) DO UPDATE
			SET rules = ?3, since = ?4 WHERE rules <> ?3 OR since > ?4`, s.Plan, s.Origin, rules, stamp(now)); err != nil {
			return err
		}
		return t.row("SELECT since FROM schedules WHERE plan = ? AND origin = ?", s.Plan, s.Origin).Scan(moment{&since})
	})
}

// ForgetSchedules removes the schedules of plans for which still returns false.
// If such a plan comes back, its schedules apply from then.
func (j *Journal) ForgetSchedules(ctx context.Context, still func(Scheduled) bool) error {
	all, err := list(ctx, j, "list the schedules", func(s scanner) (k Scheduled, err error) { return k, s.Scan(&k.Plan, &k.Origin) }, "SELECT plan, origin FROM schedules")
	if err != nil {
		return err
	}
	for _, k := range all {
		if still(k) {
			continue
		}
		if err := j.exec(ctx, "forget the schedules of plan "+k.Plan, "DELETE FROM schedules WHERE plan = ? AND origin = ?", k.Plan, k.Origin); err != nil {
			return err
		}
	}
	return nil
}

// EnterFiring enters the decision about a due time, and reports whether it is the
// first one: only then may the caller start a run. So one due time gives at most
// one run, whenever the process ends. A decision not to run is replaced if it was
// made later than this one, which means that the earlier clock was ahead.
func (j *Journal) EnterFiring(ctx context.Context, f Firing) (mine bool, err error) {
	return mine, j.write(ctx, "enter that plan "+f.Plan+" is due", func(t *transaction) error {
		res, err := t.exec(`INSERT INTO firings (plan, origin, due, decided, verdict, message) VALUES (?,?,?,?,?,?) ON CONFLICT (plan, origin, due) DO UPDATE
			SET decided = excluded.decided, verdict = excluded.verdict, message = excluded.message WHERE verdict <> '`+ran+`' AND decided > excluded.decided`,
			f.Plan, f.Origin, f.Due.Unix(), stamp(f.Decided), f.Verdict, f.Message)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if mine = n > 0; err != nil || !mine {
			return err
		}
		_, err = t.exec(`DELETE FROM firings WHERE plan = ?1 AND origin = ?2 AND due < (SELECT due FROM firings WHERE plan = ?1 AND origin = ?2 ORDER BY due DESC LIMIT 1 OFFSET ?3)`,
			f.Plan, f.Origin, firingsKept)
		return err
	})
}

// EndFiring enters how a start ended, or, with a zero Ended, which run it has
// begun.
func (j *Journal) EndFiring(ctx context.Context, f Firing) error {
	return j.write(ctx, "enter how plan "+f.Plan+" ended", func(t *transaction) error {
		res, err := t.exec("UPDATE firings SET run = ?, ended = ?, exit_code = ?, message = ? WHERE plan = ? AND origin = ? AND due = ?",
			f.Run, stamp(f.Ended), f.ExitCode, f.Message, f.Plan, f.Origin, f.Due.Unix())
		return touched(res, err, "the start of plan "+f.Plan)
	})
}

const selectFirings = "SELECT plan, origin, due, decided, verdict, run, ended, exit_code, message FROM firings "

func scanFiring(s scanner) (f Firing, err error) {
	var due int64
	err = s.Scan(&f.Plan, &f.Origin, &due, moment{&f.Decided}, &f.Verdict, &f.Run, moment{&f.Ended}, &f.ExitCode, &f.Message)
	f.Due = time.Unix(due, 0).UTC()
	return f, err
}

// Decided returns the due times of a plan later than after that were decided, as
// Unix seconds. It leaves out decisions made after now, except those to run.
func (j *Journal) Decided(ctx context.Context, s Scheduled, after, now time.Time) (map[int64]bool, error) {
	found, err := list(ctx, j, "list when plan "+s.Plan+" was due", scanFiring,
		selectFirings+"WHERE plan = ? AND origin = ? AND due > ? AND (verdict = '"+ran+"' OR decided <= ?)", s.Plan, s.Origin, after.Unix(), stamp(now))
	decided := make(map[int64]bool, len(found))
	for _, f := range found {
		decided[f.Due.Unix()] = true
	}
	return decided, err
}

// Firings lists the newest due times of all plans, the newest first. With open,
// it lists only starts whose end was not entered.
func (j *Journal) Firings(ctx context.Context, open bool, limit int) ([]Firing, error) {
	where := ""
	if open {
		where = "WHERE verdict = '" + ran + "' AND ended = 0 "
	}
	return list(ctx, j, "list when plans were due", scanFiring, selectFirings+where+"ORDER BY due DESC, origin, plan LIMIT ?", limit)
}

// Server holds the facts that a server enters about itself.
type Server struct {
	Host    string
	PID     int
	Plans   string // the directory of its plans
	Started time.Time
	Beat    time.Time // the last time it said that it was alive
	Stopped time.Time // zero: it is running, or died
	Broken  []BrokenPlan
}

// BrokenPlan is a plan file of a server that does not validate.
type BrokenPlan struct {
	Path     string    `json:"path"`
	Since    time.Time `json:"since"`
	Why      string    `json:"why"`
	LastGood bool      `json:"last_good,omitempty"` // the server still uses its last good version
}

// SetServer replaces the facts about the server of this state directory.
func (j *Journal) SetServer(ctx context.Context, s Server) error {
	broken, err := json.Marshal(s.Broken)
	if err != nil {
		return err
	}
	return j.exec(ctx, "enter that the server is alive",
		"INSERT OR REPLACE INTO server (only, host, pid, plans, started, beat, stopped, broken) VALUES (1,?,?,?,?,?,?,?)",
		s.Host, s.PID, s.Plans, stamp(s.Started), stamp(s.Beat), stamp(s.Stopped), string(broken))
}

// Server returns the facts about the last server; nil: there was none.
func (j *Journal) Server(ctx context.Context) (*Server, error) {
	return only(list(ctx, j, "read what the server says", func(r scanner) (s Server, err error) {
		var broken []byte
		if err := r.Scan(&s.Host, &s.PID, &s.Plans, moment{&s.Started}, moment{&s.Beat}, moment{&s.Stopped}, &broken); err != nil {
			return s, err
		}
		return s, json.Unmarshal(broken, &s.Broken)
	}, "SELECT host, pid, plans, started, beat, stopped, broken FROM server"))
}
