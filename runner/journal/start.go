package journal

import (
	"cmp"
	"context"
	"strings"
	"time"
)

// asked keeps the runs that people and programs asked a server to start, and
// those that they asked it to cancel. A start is entered before the run begins.
const asked = `
CREATE TABLE starts (
  run TEXT PRIMARY KEY, plan TEXT NOT NULL, origin TEXT NOT NULL, narrowed TEXT NOT NULL, at INTEGER NOT NULL, asked_by TEXT NOT NULL, reason TEXT NOT NULL,
  change TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, ended INTEGER NOT NULL DEFAULT 0, exit_code INTEGER NOT NULL DEFAULT 0, message TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
CREATE UNIQUE INDEX starts_key ON starts (asked_by, key) WHERE key <> '';
CREATE INDEX starts_at ON starts (at);
CREATE TABLE cancels (run TEXT PRIMARY KEY, at INTEGER NOT NULL, asked_by TEXT NOT NULL, reason TEXT NOT NULL, change TEXT NOT NULL) WITHOUT ROWID;
`

// pauses keeps since when a server starts nothing new, who asked for that, and
// who ended it.
const pauses = `
CREATE TABLE pauses (
  since INTEGER NOT NULL, asked_by TEXT NOT NULL, reason TEXT NOT NULL, change TEXT NOT NULL, ended INTEGER NOT NULL DEFAULT 0, ended_by TEXT NOT NULL DEFAULT '',
  ended_reason TEXT NOT NULL DEFAULT '');
CREATE UNIQUE INDEX pauses_open ON pauses (ended) WHERE ended = 0;
`

// Start is a run that somebody asked a server to start.
type Start struct {
	Scheduled
	Run  string // the ID that it has, or would have got
	Only string // the filter that narrows it
	Asked
	Key, Digest string // of the request; an empty Key: the request has none
	// Claim is the decision that approved the start; nil: it needed no second
	// person. Source is the digest of the approved plan. Neither is read back.
	Claim  *Decision
	Source string
	// How it ended, or why it did not begin; zero: it is under way, or the server
	// died.
	Ended    time.Time
	ExitCode int
	Message  string
}

// Asked says who asked for something, when and why.
type Asked struct {
	At     time.Time
	By     string
	Reason string
	Change string // a change number
}

// startsKept is the least time for which a start is kept. It is also how long the
// keys of requests count.
const startsKept = 400 * 24 * time.Hour

// startsAtLeast is the number of newest starts that are kept at any age.
const startsAtLeast = 1000

// EnterStart enters that a run is about to begin, together with its Claim. It
// forgets starts that are older than startsKept. It returns [ErrNotFound] if the
// request of the Claim was decided before.
func (j *Journal) EnterStart(ctx context.Context, s Start) error {
	return j.write(ctx, "enter that plan "+s.Plan+" is to be run", func(t *transaction) error {
		if s.Claim != nil {
			if err := t.decide(*s.Claim); err != nil {
				return err
			}
		}
		if _, err := t.exec(`INSERT INTO starts (run, plan, origin, narrowed, at, asked_by, reason, change, key, digest) VALUES (?,?,?,?,?,?,?,?,?,?)`,
			s.Run, s.Plan, s.Origin, s.Only, stamp(s.At), s.By, s.Reason, s.Change, s.Key, s.Digest); err != nil {
			return err
		}
		return cmp.Or(t.forgetOld("starts", s.At), t.forgetOld("cancels", s.At))
	})
}

// forgetOld removes rows that are older than startsKept from a table, except the
// newest ones. So a clock that is years ahead does not remove the keys of requests.
func (t *transaction) forgetOld(table string, now time.Time) error {
	_, err := t.exec("DELETE FROM "+table+" WHERE at < ? AND at < (SELECT at FROM "+table+" ORDER BY at DESC LIMIT 1 OFFSET ?)", stamp(now.Add(-startsKept)), startsAtLeast)
	return err
}

// EndStart enters how a start ended.
func (j *Journal) EndStart(ctx context.Context, s Start) error {
	return j.write(ctx, "enter how run "+s.Run+" ended", func(t *transaction) error {
		res, err := t.exec("UPDATE starts SET ended = ?, exit_code = ?, message = ? WHERE run = ?", stamp(s.Ended), s.ExitCode, s.Message, s.Run)
		return touched(res, err, "the start of run "+s.Run)
	})
}

const selectStarts = "SELECT run, plan, origin, narrowed, at, asked_by, reason, change, key, digest, ended, exit_code, message FROM starts "

func scanStart(r scanner) (s Start, err error) {
	return s, r.Scan(&s.Run, &s.Plan, &s.Origin, &s.Only, moment{&s.At}, &s.By, &s.Reason, &s.Change, &s.Key, &s.Digest, moment{&s.Ended}, &s.ExitCode, &s.Message)
}

// StartByKey returns the start that somebody requested with a key; nil: there is
// none.
func (j *Journal) StartByKey(ctx context.Context, by, key string) (*Start, error) {
	return only(list(ctx, j, "look for a request", scanStart, selectStarts+"WHERE asked_by = ? AND key = ? AND key <> ''", by, key))
}

// Start returns who asked for a run; nil: nobody asked a server for it.
func (j *Journal) Start(ctx context.Context, run string) (*Start, error) {
	return only(list(ctx, j, "look for who asked for run "+run, scanStart, selectStarts+"WHERE run = ?", run))
}

// OpenStarts returns the starts whose end was not entered.
func (j *Journal) OpenStarts(ctx context.Context) ([]Start, error) {
	return list(ctx, j, "list the runs that were asked for", scanStart, selectStarts+"WHERE ended = 0 ORDER BY at")
}

// EnterCancel enters who asked to cancel a run. Only the first request counts.
func (j *Journal) EnterCancel(ctx context.Context, run string, a Asked) error {
	return j.write(ctx, "enter that run "+run+" is to be cancelled", func(t *transaction) error {
		_, err := t.exec("INSERT INTO cancels (run, at, asked_by, reason, change) VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING", run, stamp(a.At), a.By, a.Reason, a.Change)
		return err
	})
}

// Cancel returns who asked to cancel a run; nil: nobody asked a server to.
func (j *Journal) Cancel(ctx context.Context, run string) (*Asked, error) {
	return only(list(ctx, j, "look for who cancelled run "+run, func(r scanner) (a Asked, err error) {
		return a, r.Scan(moment{&a.At}, &a.By, &a.Reason, &a.Change)
	}, "SELECT at, asked_by, reason, change FROM cancels WHERE run = ?", run))
}

// BeginPause enters that the server is to start nothing new. An open pause stays
// as it is.
func (j *Journal) BeginPause(ctx context.Context, a Asked) error {
	return j.write(ctx, "enter that nothing new is to be started", func(t *transaction) error {
		_, err := t.exec("INSERT INTO pauses (since, asked_by, reason, change) VALUES (?,?,?,?) ON CONFLICT DO NOTHING", stamp(a.At), a.By, a.Reason, a.Change)
		return err
	})
}

// EndPause enters that the server is to start what is due again. It returns
// [ErrNotFound] if there is no pause.
func (j *Journal) EndPause(ctx context.Context, a Asked) error {
	return j.write(ctx, "enter that plans are to be started again", func(t *transaction) error {
		res, err := t.exec("UPDATE pauses SET ended = max(?,1), ended_by = ?, ended_reason = ? WHERE ended = 0", stamp(a.At), a.By, strings.TrimSpace(a.Reason+" "+a.Change))
		return touched(res, err, "the pause")
	})
}

// Paused returns who asked to start nothing new; nil: nobody did.
func (j *Journal) Paused(ctx context.Context) (*Asked, error) {
	return only(list(ctx, j, "look whether anything new is to be started", func(r scanner) (a Asked, err error) {
		return a, r.Scan(moment{&a.At}, &a.By, &a.Reason, &a.Change)
	}, "SELECT since, asked_by, reason, change FROM pauses WHERE ended = 0"))
}
