package journal

import (
	"cmp"
	"context"
	"encoding/json"
	"time"
)

// The approvals table keeps the requests that wait for a second person, and their
// results.
const approvals = `
CREATE TABLE approvals (
  id TEXT PRIMARY KEY, action TEXT NOT NULL, plan TEXT NOT NULL, origin TEXT NOT NULL, narrowed TEXT NOT NULL, run TEXT NOT NULL, target TEXT NOT NULL, plans TEXT NOT NULL,
  source TEXT NOT NULL, at INTEGER NOT NULL, asked_by TEXT NOT NULL, reason TEXT NOT NULL, change TEXT NOT NULL, who TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL,
  until INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'waiting', decided INTEGER NOT NULL DEFAULT 0, decided_by TEXT NOT NULL DEFAULT '', decided_reason TEXT NOT NULL DEFAULT '',
  message TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
CREATE UNIQUE INDEX approvals_key ON approvals (who, key) WHERE key <> '';
CREATE INDEX approvals_at ON approvals (at);
`

// The states of a request that waits, or has waited, for a second person.
const (
	Waiting   = "waiting"
	Approved  = "approved"
	Refused   = "refused"
	Withdrawn = "withdrawn" // by the person who asked
	Expired   = "expired"
)

// ClockSteps is how far the clock may be set back while a request waits. If it is
// set back farther, the request expires.
const ClockSteps = time.Minute

// Approval is a request that waits, or has waited, for a second person.
type Approval struct {
	ID        string
	Action    string
	Scheduled        // the plan to start, or whose run to cancel
	Only      string // the filter that narrows a start
	Run       string // the run to cancel, or the run that was started
	Target    string // the target of an acknowledgement
	Plans     []string
	Source    string // a digest of what the request is about, at the time of the request
	Asked
	Who         string // a stable and unique key of the person who asked
	Key, Digest string // of the request; an empty Key: the request has none
	Until       time.Time
	State       string
	Decided     Asked  // zero: nobody has decided
	Message     string // why an approved request was not done, or that this is not known; empty: it was done
}

// Decision is a person's decision about a waiting request.
type Decision struct {
	ID    string
	State string
	Run   string // the run to start or to cancel
	Asked
	Message string // what is known of the deed, see [Approval]
}

const selectApprovals = `SELECT id, action, plan, origin, narrowed, run, target, plans, source, at, asked_by, reason, change, who, key, digest, until, state, decided, decided_by,
	decided_reason, message FROM approvals `

func scanApproval(r scanner) (a Approval, err error) {
	var plans []byte
	err = r.Scan(&a.ID, &a.Action, &a.Plan, &a.Origin, &a.Only, &a.Run, &a.Target, &plans, &a.Source, moment{&a.At}, &a.By, &a.Reason, &a.Change, &a.Who, &a.Key, &a.Digest,
		moment{&a.Until}, &a.State, moment{&a.Decided.At}, &a.Decided.By, &a.Decided.Reason, &a.Message)
	return a, cmp.Or(err, json.Unmarshal(plans, &a.Plans))
}

// EnterApproval enters a request that waits for a second person. It forgets
// requests that are as old as forgotten starts.
func (j *Journal) EnterApproval(ctx context.Context, a Approval) error {
	plans, err := json.Marshal(a.Plans)
	if err != nil {
		return err
	}
	return j.write(ctx, "enter that a second person is to approve what "+a.By+" asks for", func(t *transaction) error {
		if _, err := t.exec(`INSERT INTO approvals (id, action, plan, origin, narrowed, run, target, plans, source, at, asked_by, reason, change, who, key, digest, until)
			VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`, a.ID, a.Action, a.Plan, a.Origin, a.Only, a.Run, a.Target, string(plans), a.Source, stamp(a.At), a.By, a.Reason, a.Change,
			a.Who, a.Key, a.Digest, stamp(a.Until)); err != nil {
			return err
		}
		return t.forgetOld("approvals", a.At)
	})
}

// Decide enters a decision. It returns [ErrNotFound] if the request was decided
// before, or if its time is over.
func (j *Journal) Decide(ctx context.Context, d Decision) error {
	return j.write(ctx, "enter how "+d.By+" has decided about request "+d.ID, func(t *transaction) error { return t.decide(d) })
}

func (t *transaction) decide(d Decision) error {
	res, err := t.exec("UPDATE approvals SET state = ?, run = ?, decided = ?, decided_by = ?, decided_reason = ?, message = ? WHERE id = ? AND state = 'waiting' AND until > ?",
		d.State, d.Run, stamp(d.At), d.By, d.Reason, d.Message, d.ID, stamp(d.At))
	return touched(res, err, "the request "+d.ID+", waiting")
}

// ExpireApprovals enters which requests have waited too long at a time. They stay
// expired if the clock is set back later.
func (j *Journal) ExpireApprovals(ctx context.Context, now time.Time) error {
	return j.write(ctx, "enter which requests nobody has approved in time", func(t *transaction) error {
		_, err := t.exec("UPDATE approvals SET state = 'expired' WHERE state = 'waiting' AND (until <= ? OR at > ?)", stamp(now), stamp(now.Add(ClockSteps)))
		return err
	})
}

// NoteApproval enters why an approved request was not done; an empty message: it
// was done.
func (j *Journal) NoteApproval(ctx context.Context, id, message string) error {
	return j.write(ctx, "enter what became of request "+id, func(t *transaction) error {
		_, err := t.exec("UPDATE approvals SET message = ? WHERE id = ?", message, id)
		return err
	})
}

// Approval returns a request by its ID; nil: there is none.
func (j *Journal) Approval(ctx context.Context, id string) (*Approval, error) {
	return only(list(ctx, j, "look for a request that waits", scanApproval, selectApprovals+"WHERE id = ?", id))
}

// ApprovalByKey returns the request that somebody made with a key; nil: there is
// none.
func (j *Journal) ApprovalByKey(ctx context.Context, who, key string) (*Approval, error) {
	return only(list(ctx, j, "look for a request that waits", scanApproval, selectApprovals+"WHERE who = ? AND key = ? AND key <> ''", who, key))
}

// Approvals returns requests that wait or have waited: first those that wait now,
// then the others, each the newest first.
func (j *Journal) Approvals(ctx context.Context, now time.Time, limit int) ([]Approval, error) {
	return list(ctx, j, "list the requests that wait for a second person", scanApproval, selectApprovals+"ORDER BY (state = 'waiting' AND until > ?) DESC, at DESC, id DESC LIMIT ?", stamp(now), limit)
}
