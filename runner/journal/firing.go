package journal

import (
	"context"
	"encoding/json"
	"time"
)

// Scheduled names a plan that has schedules: its name and the file it stands in.
type Scheduled struct{ Plan, Origin string }

// Firing is what a server decided about one time at which a plan was due.
type Firing struct {
	Scheduled
	Due     time.Time // a whole second
	Decided time.Time
	Verdict string // run, or why it was not run
	// Of a run:
	Run      string    // its ID; empty: it was not begun
	Ended    time.Time // zero: it is under way, or the server died
	ExitCode int
	Message  string // what there is to say beside the run's own record
}

// firingsKept is how many due times of a plan are kept, the newest.
const firingsKept = 2000

// ran is the verdict by which a plan was started.
const ran = "run"

// NoteSchedule enters the rules of a plan's schedules, and says from when on the
// plan has them: other rules begin now, and so do those of a clock that was
// ahead.
func (j *Journal) NoteSchedule(ctx context.Context, s Scheduled, rules string, now time.Time) (since time.Time, err error) {
	return since, j.write(ctx, "note the schedules of plan "+s.Plan, func(t *transaction) error {
		if _, err := t.exec(`INSERT INTO schedules (plan, origin, rules, since) VALUES (?1,?2,?3,?4) ON CONFLICT (plan, origin) DO UPDATE
			SET rules = ?3, since = ?4 WHERE rules <> ?3 OR since > ?4`, s.Plan, s.Origin, rules, stamp(now)); err != nil {
			return err
		}
		return t.row("SELECT since FROM schedules WHERE plan = ? AND origin = ?", s.Plan, s.Origin).Scan(moment{&since})
	})
}

// ForgetSchedules forgets the schedules of plans that are served no more. When
// they come back they begin anew.
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

// EnterFiring enters what was decided about a due time, and reports whether the
// decision is the caller's: nobody has decided about it before. A run starts
// only after that, so one due time gives at most one run, however the process
// ends. A time that was not run does not count if the clock that decided it was
// ahead.
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

// EndFiring enters how a start ended, or, without an end, which run it has begun.
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

// Decided lists the times at which a plan was due after t and that count as
// decided at now, by Unix seconds.
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
// it lists the starts of which no end was entered.
func (j *Journal) Firings(ctx context.Context, open bool, limit int) ([]Firing, error) {
	where := ""
	if open {
		where = "WHERE verdict = '" + ran + "' AND ended = 0 "
	}
	return list(ctx, j, "list when plans were due", scanFiring, selectFirings+where+"ORDER BY due DESC, origin, plan LIMIT ?", limit)
}

// Server is what a server says of itself.
type Server struct {
	Host    string
	PID     int
	Plans   string // the directory of its plans
	Started time.Time
	Beat    time.Time // when it was alive last
	Stopped time.Time // zero: it is at work, or died
	Broken  []BrokenPlan
}

// BrokenPlan is a plan file of a server that does not validate.
type BrokenPlan struct {
	Path     string    `json:"path"`
	Since    time.Time `json:"since"`
	Why      string    `json:"why"`
	LastGood bool      `json:"last_good,omitempty"` // it is served as it was before
}

// SetServer enters what the server of this state directory says of itself.
func (j *Journal) SetServer(ctx context.Context, s Server) error {
	broken, err := json.Marshal(s.Broken)
	if err != nil {
		return err
	}
	return j.exec(ctx, "enter that the server is alive",
		"INSERT OR REPLACE INTO server (only, host, pid, plans, started, beat, stopped, broken) VALUES (1,?,?,?,?,?,?,?)",
		s.Host, s.PID, s.Plans, stamp(s.Started), stamp(s.Beat), stamp(s.Stopped), string(broken))
}

// Server is what the last server said of itself; nil: there was none.
func (j *Journal) Server(ctx context.Context) (*Server, error) {
	return only(list(ctx, j, "read what the server says", func(r scanner) (s Server, err error) {
		var broken []byte
		if err := r.Scan(&s.Host, &s.PID, &s.Plans, moment{&s.Started}, moment{&s.Beat}, moment{&s.Stopped}, &broken); err != nil {
			return s, err
		}
		return s, json.Unmarshal(broken, &s.Broken)
	}, "SELECT host, pid, plans, started, beat, stopped, broken FROM server"))
}
