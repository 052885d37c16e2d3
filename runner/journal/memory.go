package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/pending"
)

// Size is the size of the last good capture of something, and the time that it
// kept its device busy.
type Size struct {
	Device, Activity, Domain string
	Bytes                    int64
	Took                     time.Duration // average over several runs; later ones count more
	At                       time.Time     // the end of the run
}

// Good says that a task has brought a good copy, how large the copy is, and how
// long the task kept its device busy.
type Good struct {
	Task  string
	Bytes int64
	Took  time.Duration
}

// rememberSizes makes the good copies of a run the last ones. It leaves the
// copies of a later run, because a run that died may be finished after that one.
const rememberSizes = `INSERT INTO sizes (origin, plan, device, activity, domain, bytes, took, at, run)
	SELECT ?1, ?2, device, activity, domain, bytes, took, ?3, ?4 FROM tasks WHERE k BETWEEN ?5 AND ?6 AND good
	ON CONFLICT (origin, device, activity, plan, domain) DO UPDATE SET bytes = excluded.bytes, at = excluded.at, run = excluded.run,
		took = iif(took = 0, excluded.took, (took + excluded.took) / 2)
	WHERE run <= excluded.run`

const selectSizes = `SELECT domain, bytes, took, max(at) FROM sizes WHERE origin = ? AND device = ? AND activity = ? GROUP BY domain ORDER BY domain`

// LastSizes returns the sizes of the last good captures of a device by an
// activity, in any plan of a file.
func (j *Journal) LastSizes(ctx context.Context, origin, device, activity string) ([]Size, error) {
	return list(ctx, j, "read the last sizes of "+device, func(s scanner) (z Size, err error) {
		z.Device, z.Activity = device, activity
		return z, s.Scan(&z.Domain, &z.Bytes, &z.Took, moment{&z.At})
	}, selectSizes, origin, device, activity)
}

// LastDomains returns the domains, sorted, that an activity backed up on a device
// in the plan's last good run; none if there was no such run. Partial runs do not
// count.
func (j *Journal) LastDomains(ctx context.Context, plan, origin, activity, device string) ([]string, error) {
	found, err := only(list(ctx, j, "read the last domains of "+device, func(s scanner) (domains []string, err error) {
		var body []byte
		if err := s.Scan(&body); err != nil {
			return nil, err
		}
		return domains, json.Unmarshal(body, &domains)
	}, "SELECT domains FROM good_domains WHERE plan = ? AND origin = ? AND activity = ? AND device = ?", plan, origin, activity, device))
	if found == nil {
		return nil, err
	}
	return *found, nil
}

// rememberDomains stores the result of LastDomains at the end of a run, in a
// table of its own that outlives the run. It returns how many tasks brought a
// copy.
func (o *openRun) rememberDomains(t *transaction, run string, e End) (copies int, err error) {
	var partial bool
	if err := t.row("SELECT partial FROM runs WHERE n = ?", o.n).Scan(&partial); err != nil {
		return 0, err
	}
	good, copies, err := o.goodDomains(t, e)
	if err != nil || partial {
		return copies, err
	}
	for where, domains := range good {
		if len(domains) == 0 {
			continue
		}
		slices.Sort(domains)
		body, err := json.Marshal(domains)
		if err != nil {
			return 0, fmt.Errorf("encode domains: %w", err)
		}
		if _, err := t.exec(`INSERT INTO good_domains (plan, activity, device, run, at, domains, origin) VALUES (?1,?2,?3,?4,?5,?6,?7)
			ON CONFLICT (plan, origin, activity, device) DO UPDATE SET run = ?4, at = ?5, domains = ?6
			WHERE coalesce((SELECT n FROM runs WHERE id = good_domains.run), 0) <= ?8`,
			o.plan, where.activity, where.device, run, stamp(e.Time), string(body), o.origin, o.n); err != nil {
			return 0, err
		}
	}
	return copies, nil
}

type place struct{ activity, device string }

// goodDomains returns the domains with a good copy for every activity and device
// whose other tasks all ended in a neutral code, and counts the good tasks.
func (o *openRun) goodDomains(t *transaction, e End) (good map[place][]string, copies int, err error) {
	first, last := rangeOf(o.n)
	rows, err := t.query("SELECT activity, device, domain, code, final, good FROM tasks WHERE k BETWEEN ? AND ?", first, last)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	good, bad := map[place][]string{}, map[place]bool{}
	for rows.Next() {
		var p place
		var domain, code string
		var final, copied bool
		if err := rows.Scan(&p.activity, &p.device, &domain, &code, &final, &copied); err != nil {
			return nil, 0, err
		}
		switch {
		case copied:
			copies++
			if domain != "" {
				good[p] = append(good[p], domain)
			}
		case !final || !slices.Contains(e.Neutral, code):
			bad[p] = true
		}
	}
	for p := range bad {
		delete(good, p)
	}
	return good, copies, rows.Err()
}

// Device holds the facts that dprun last read from a device.
type Device struct {
	Name     string
	Identity string
	Facts    json.RawMessage
	Seen     time.Time
}

func (d Device) write(t *transaction) error {
	_, err := t.exec(`INSERT INTO devices (name, identity, facts, seen) VALUES (?1,?2,?3,?4)
		ON CONFLICT (name) DO UPDATE SET identity = ?2, facts = ?3, seen = ?4`, d.Name, d.Identity, string(d.Facts), stamp(d.Seen))
	return err
}

// LastRuns returns the last finished run of each plan and file. With good, it
// considers only runs that ended with exit code 0 and were not narrowed.
func (j *Journal) LastRuns(ctx context.Context, good bool) ([]Run, error) {
	return list(ctx, j, "list the last run of each plan", scanRun,
		"SELECT "+runColumns+" FROM runs WHERE n IN (SELECT max(n) FROM runs WHERE state = 'finished' AND (NOT ? OR exit_code = 0 AND NOT partial) GROUP BY plan, origin) ORDER BY plan, origin", good)
}

// LastSet is the newest set of a subject that this state directory stored and
// that, as far as is known, is whole at a destination.
type LastSet struct {
	Plan, Activity, Device, Domain string
	Captured                       time.Time
}

const selectLastSets = `SELECT c.plan, c.activity, c.device, c.domain, c.stamp
	FROM (SELECT DISTINCT device, domain, activity FROM copies INDEXED BY copies_subject) s
	CROSS JOIN copies c ON c.k = (SELECT k FROM copies x INDEXED BY copies_subject
		WHERE x.device = s.device AND x.domain = s.domain AND x.activity = s.activity AND x.id < ?2 AND x.state = ?1 AND NOT x.imported ORDER BY x.id DESC LIMIT 1)`

// LastSets returns the newest set of each subject among those captured before a
// time.
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

// Lockout is a credential that a device has refused. dprun does not use it for a
// while, so that the device does not lock the account.
type Lockout struct {
	Credential string // an opaque name, which contains no part of the secret
	Device     string // the device that refused it
	Since      time.Time
	Until      time.Time
}

// LockOut enters that a credential was refused. A later refusal replaces an
// earlier one.
func (j *Journal) LockOut(ctx context.Context, l Lockout) error {
	return j.exec(ctx, "note that a credential was refused",
		`INSERT INTO lockouts (credential, device, since, until) VALUES (?1,?2,?3,?4)
			ON CONFLICT (credential) DO UPDATE SET device = ?2, since = ?3, until = ?4`, l.Credential, l.Device, stamp(l.Since), stamp(l.Until))
}

// LockedOut returns the refusal that forbids a credential now; nil: it may be
// used.
func (j *Journal) LockedOut(ctx context.Context, credential string, now time.Time) (*Lockout, error) {
	return only(list(ctx, j, "look whether a credential may be used", func(s scanner) (l Lockout, err error) {
		return l, s.Scan(&l.Credential, &l.Device, moment{&l.Since}, moment{&l.Until})
	}, "SELECT credential, device, since, until FROM lockouts WHERE credential = ? AND until > ?", credential, stamp(now)))
}

// EndLockouts allows the credentials again that a device has refused. It returns
// [ErrNotFound] if there are none.
func (j *Journal) EndLockouts(ctx context.Context, device string, now time.Time) error {
	err := j.write(ctx, "let the credential of "+device+" be used", func(t *transaction) error {
		res, err := t.exec("DELETE FROM lockouts WHERE device = ? AND until > ?", device, stamp(now))
		return touched(res, err, "a refused credential of "+device)
	})
	if errors.Is(err, ErrNotFound) {
		return ErrNotFound
	}
	return err
}

// The proofs table holds the results of imports. They outlive the copies: a
// failed import of a domain counts until another import succeeds.
const proofs = `
CREATE TABLE proofs (
  k INTEGER PRIMARY KEY, id TEXT NOT NULL, sha256 TEXT NOT NULL, device TEXT NOT NULL, domain TEXT NOT NULL, activity TEXT NOT NULL, at INTEGER NOT NULL,
  run TEXT NOT NULL, imported_on TEXT NOT NULL, drill INTEGER NOT NULL, verdict TEXT NOT NULL, why TEXT NOT NULL, excused INTEGER NOT NULL);
CREATE INDEX proofs_set ON proofs (id);
`

// Prove enters the result of an import.
func (j *Journal) Prove(ctx context.Context, p backups.Proof) error {
	return j.exec(ctx, "enter what the import of set "+p.Set+" has shown",
		"INSERT INTO proofs (id, sha256, device, domain, activity, at, run, imported_on, drill, verdict, why, excused) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
		p.Set, p.SHA256, p.Device, p.Domain, p.Activity, stamp(p.At), p.Run, p.On, p.Drill, string(p.Verdict), p.Why, p.Excused)
}

// Proofs lists the results of imports, the newest first. An empty set means all.
func (j *Journal) Proofs(ctx context.Context, set string) ([]backups.Proof, error) {
	return list(ctx, j, "list what imports have shown", func(s scanner) (p backups.Proof, err error) {
		return p, s.Scan(&p.Set, &p.SHA256, &p.Device, &p.Domain, &p.Activity, moment{&p.At}, &p.Run, &p.On, &p.Drill, &p.Verdict, &p.Why, &p.Excused)
	}, "SELECT id, sha256, device, domain, activity, at, run, imported_on, drill, verdict, why, excused FROM proofs WHERE ?1 = '' OR id = ?1 ORDER BY at DESC, k DESC", set)
}

// The rooms table holds a row for each destination that a run looked at.
const rooms = `
CREATE TABLE rooms (
  run TEXT NOT NULL, destination TEXT NOT NULL, root TEXT NOT NULL, free INTEGER NOT NULL, total INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (run, destination)) WITHOUT ROWID;
CREATE INDEX rooms_destination ON rooms (destination, at);
`

// Room is the free space of a destination when a run first looked at it.
type Room struct {
	Destination string // address in the plan, such as sftp.vault
	Root        string // the name that the destination gives itself
	Free, Total int64  // bytes; -1: the destination cannot tell
	At          time.Time
}

func (r Room) write(t *transaction, run string) error {
	_, err := t.exec("INSERT INTO rooms (run, destination, root, free, total, at) VALUES (?,?,?,?,?,?) ON CONFLICT DO NOTHING", run, r.Destination, r.Root, r.Free, r.Total, stamp(r.At))
	return err
}

func scanRoom(s scanner) (r Room, err error) {
	return r, s.Scan(&r.Destination, &r.Root, &r.Free, &r.Total, moment{&r.At})
}

// RoomsOf returns the space at the destinations that a run looked at.
func (j *Journal) RoomsOf(ctx context.Context, run string) ([]Room, error) {
	return list(ctx, j, "list the room at destinations", scanRoom, "SELECT destination, root, free, total, at FROM rooms WHERE run = ? ORDER BY destination", run)
}

// Rooms returns the space that runs of a plan have seen at a destination since a
// time, the newest first.
func (j *Journal) Rooms(ctx context.Context, plan, destination string, since time.Time) ([]Room, error) {
	return list(ctx, j, "list the room at a destination", scanRoom,
		"SELECT destination, root, free, total, at FROM rooms WHERE destination = ? AND at >= ? AND run IN (SELECT id FROM runs WHERE plan = ?) ORDER BY at DESC", destination, stamp(since), plan)
}

// Script says whether a script has begun. The row outlives the run's events,
// because a pending script must run exactly once, even after its run.
type Script struct {
	Task, Action string
	Begun        bool
}

func (s Script) write(t *transaction, run string) error {
	_, err := t.exec(`INSERT INTO scripts (run, task, action, begun) VALUES (?1,?2,?3,?4) ON CONFLICT (run, task, action) DO UPDATE SET begun = ?4`,
		run, s.Task, s.Action, s.Begun)
	return err
}

// Begun reports whether a script action has started.
func (j *Journal) Begun(ctx context.Context, id pending.Key, action string) (bool, error) {
	found, err := list(ctx, j, "look whether a script was started for "+id.String(), func(s scanner) (begun bool, err error) { return begun, s.Scan(&begun) },
		selectBegun, id.Run, id.Task, action)
	return len(found) > 0 && found[0], err
}

const selectBegun = "SELECT begun FROM scripts WHERE run = ? AND task = ? AND action = ?"
