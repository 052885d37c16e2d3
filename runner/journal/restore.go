package journal

import (
	"context"
	"encoding/json"
	"time"

	"github.com/dprun/dprun/runner/pending"
)

// Restore is the journal's record of one restore. Run is the run that stored its
// way back.
type Restore struct {
	Run            string
	By             string // user@host
	Device, Domain string
	Set            string // the set that was restored; empty: a file
	Shown          string // the set or the file in words
	WayBack        string // the set with the way back; empty: none was stored
	Reason         string // as a person gave it
	Emergency      bool   // outside of the window
	Began, Ended   time.Time
	End            string // empty: it is under way
	Why            string
	Steps          json.RawMessage // the phases that have passed
}

const (
	restores = `
CREATE TABLE restores (
  run TEXT PRIMARY KEY, by TEXT NOT NULL, device TEXT NOT NULL, domain TEXT NOT NULL, set_id TEXT NOT NULL, shown TEXT NOT NULL, way_back TEXT NOT NULL,
  reason TEXT NOT NULL, emergency INTEGER NOT NULL, began INTEGER NOT NULL, ended INTEGER NOT NULL, end TEXT NOT NULL, why TEXT NOT NULL, steps TEXT NOT NULL) WITHOUT ROWID;
DROP INDEX obligations_back;
CREATE INDEX obligations_back ON obligations (paid_at) WHERE kind IN ('unquiesce', 'restore');
`
	restoreColumns = "run, by, device, domain, set_id, shown, way_back, reason, emergency, began, ended, end, why, steps"
)

// SetRestore enters the record of a restore. It replaces an earlier one.
func (j *Journal) SetRestore(ctx context.Context, r Restore) error {
	return j.exec(ctx, "enter the restore of "+pending.Obligation{Device: r.Device, Domain: r.Domain}.Where(),
		"INSERT OR REPLACE INTO restores ("+restoreColumns+") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)", r.Run, r.By, r.Device, r.Domain, r.Set, r.Shown, r.WayBack,
		r.Reason, r.Emergency, stamp(r.Began), stamp(r.Ended), r.End, r.Why, string(r.Steps))
}

// EndRestore enters how a restore ended. It does nothing if the journal does not
// know the restore.
func (j *Journal) EndRestore(ctx context.Context, run, end, why string, at time.Time) error {
	return j.exec(ctx, "enter how the restore of run "+run+" ended",
		"UPDATE restores SET end = ?, why = ?, ended = ? WHERE run = ?", end, why, stamp(at), run)
}

// Restore returns the restore of a run; nil: there was none.
func (j *Journal) Restore(ctx context.Context, run string) (*Restore, error) {
	return only(list(ctx, j, "read the restore of run "+run, scanRestore, "SELECT "+restoreColumns+" FROM restores WHERE run = ?", run))
}

func scanRestore(s scanner) (r Restore, err error) {
	var steps []byte
	err = s.Scan(&r.Run, &r.By, &r.Device, &r.Domain, &r.Set, &r.Shown, &r.WayBack, &r.Reason, &r.Emergency, moment{&r.Began}, moment{&r.Ended}, &r.End, &r.Why, &steps)
	r.Steps = orNil(steps)
	return r, err
}
