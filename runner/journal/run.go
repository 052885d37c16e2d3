package journal

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/dprun/dprun/runner/event"
)

// State says whether a run is over.
type State string

// The states of a run. A run that died stays running until it is recovered.
const (
	Running  State = "running"
	Finished State = "finished"
)

// Run is one execution of a plan.
type Run struct {
	ID   string
	Plan string
	// Origin is the absolute path of the file that holds the plan: two files
	// may have plans of one name.
	Origin string
	Only   string // what narrowed it, as text
	// Spec is what the run's machine decides on, kept until the run is finished;
	// Runs leaves it out. The text of the plan and of its variable files is not
	// kept: it may hold secrets.
	Spec           json.RawMessage
	MachineVersion int
	Started        time.Time
	Host           string
	PID            int
	// Partial is true for a run that was narrowed by a filter: it says
	// nothing about which domains a device has.
	Partial bool

	State    State
	Ended    time.Time
	ExitCode int
	Code     string // of the run, as far as it has one
	// Tasks counts its tasks, Succeeded those that ended well: of an unfinished run, see [Journal.Succeeded].
	Tasks, Succeeded int
}

// NewRunID is a new name for a run: a ULID, so that names sort by time.
func NewRunID(now time.Time) (string, error) {
	id, err := ulid.New(ulid.Timestamp(now), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("make a run's name: %w", err)
	}
	return id.String(), nil
}

// CreateRun enters a run. It ignores the fields that are known only later.
func (j *Journal) CreateRun(ctx context.Context, r Run) error {
	if r.ID == "" {
		return errors.New("enter a run into the journal: it has no ID")
	}
	return j.write(ctx, "enter run "+r.ID, func(t *transaction) error {
		res, err := t.exec("INSERT INTO runs (id, plan, origin, narrowed, machine_version, started, host, pid, partial) VALUES (?,?,?,?,?,?,?,?,?)",
			r.ID, r.Plan, r.Origin, r.Only, r.MachineVersion, stamp(r.Started), r.Host, r.PID, r.Partial)
		if err != nil {
			return err
		}
		n, err := res.LastInsertId()
		if err != nil {
			return err
		}
		if _, err = t.exec("INSERT INTO specs (run, spec) VALUES (?,?)", n, string(r.Spec)); err != nil {
			return err
		}
		return t.feed(r.ID, NewsRun, 1, event.RunInfo{Run: r.ID, Plan: r.Plan, Only: r.Only, Started: r.Started})
	})
}

// Adopt enters the process that goes on with an unfinished run.
func (j *Journal) Adopt(ctx context.Context, run, host string, pid int) error {
	return j.write(ctx, "take over run "+run, func(t *transaction) error {
		res, err := t.exec("UPDATE runs SET host = ?, pid = ? WHERE id = ? AND state = 'running'", host, pid, run)
		return touched(res, err, "an unfinished run "+run)
	})
}

// End is how a run ended.
type End struct {
	Time     time.Time
	ExitCode int
	Code     string
	// Neutral are the final codes of tasks that do not count. Where all others of
	// an activity's tasks on a device brought a good copy, their domains are what
	// LastDomains gives from now on.
	Neutral []string `json:",omitempty"`
}

// FinishRun marks a run as over, and removes its events, which nobody replays
// any more. Its open obligations stay.
func (j *Journal) FinishRun(ctx context.Context, run string, e End) error {
	err := j.write(ctx, "finish run "+run, func(t *transaction) error {
		o, err := j.openRun(t, run)
		if err == nil && o == nil {
			err = fmt.Errorf("an unfinished run %s: %w", run, ErrNotFound)
		}
		if err != nil {
			return err
		}
		delete(j.open, run)
		if err := o.closeAll(t, run); err != nil {
			return err
		}
		first, last := rangeOf(o.n)
		if _, err := t.exec(rememberSizes, o.origin, o.plan, stamp(e.Time), o.n, first, last); err != nil {
			return err
		}
		good, err := o.rememberDomains(t, run, e)
		if err != nil {
			return err
		}
		_, err = t.exec("UPDATE runs SET state = 'finished', ended = ?, exit_code = ?, code = coalesce(nullif(?, ''), code), history = ?, succeeded = ? WHERE n = ?",
			stamp(e.Time), e.ExitCode, e.Code, "["+string(o.own.body)+"]", good, o.n)
		if err != nil {
			return err
		}
		return t.feed(run, NewsEnd, 1, End{Time: e.Time, ExitCode: e.ExitCode, Code: e.Code})
	})
	if err == nil {
		// The run is finished, whatever becomes of this: what stays is removed when the
		// next one ends, or when old runs are.
		_ = j.tidy(ctx)
	}
	return err
}

// closeAll writes the rows of the tasks that never ended.
func (o *openRun) closeAll(t *transaction, run string) error {
	if len(o.tasks) == 0 {
		return nil
	}
	f, err := foldRun(t.ctx, t.conn, run)
	if err != nil {
		return err
	}
	for _, id := range f.order {
		if r := f.tasks[id]; !r.Final {
			if err := o.close(t, r.History[len(r.History)-1], nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// entriesAtOnce is how many entries are removed in one transaction: others can write in between.
const entriesAtOnce = 4096

const selectDone = "SELECT run FROM specs CROSS JOIN runs ON runs.n = specs.run WHERE state = 'finished'" // there are few specs

// tidy removes what only unfinished runs need of those that are finished, and
// gives the room back.
func (j *Journal) tidy(ctx context.Context) error {
	done, err := list(ctx, j, "find finished runs", func(s scanner) (n int64, err error) { return n, s.Scan(&n) }, selectDone)
	if err != nil || len(done) == 0 {
		return err
	}
	for _, n := range done {
		first, last := rangeOf(n)
		for more := true; more; {
			err := j.write(ctx, "remove the events of a finished run", func(t *transaction) error {
				res, err := t.exec("DELETE FROM entries WHERE k IN (SELECT k FROM entries WHERE k BETWEEN ? AND ? LIMIT ?)", first, last, entriesAtOnce)
				if err != nil {
					return err
				}
				removed, err := res.RowsAffected()
				if more = removed == entriesAtOnce; more || err != nil {
					return err
				}
				_, err = t.exec("DELETE FROM specs WHERE run = ?", n) // last: it says that there may be more
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return j.shrink(ctx)
}

// touched turns a change that met no row into ErrNotFound.
func touched(res sql.Result, err error, what string) error {
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return fmt.Errorf("%s: %w", what, ErrNotFound)
}

const runColumns = "id, plan, origin, narrowed, machine_version, started, host, pid, partial, state, ended, exit_code, code, tasks, succeeded"

func (r *Run) columns() []any {
	return []any{&r.ID, &r.Plan, &r.Origin, &r.Only, &r.MachineVersion, moment{&r.Started}, &r.Host, &r.PID, &r.Partial, &r.State, moment{&r.Ended},
		&r.ExitCode, &r.Code, &r.Tasks, &r.Succeeded}
}

func scanRun(s scanner) (r Run, err error) { return r, s.Scan(r.columns()...) }

const selectWholeRuns = "SELECT " + runColumns + ", spec FROM runs LEFT JOIN specs ON specs.run = runs.n "

func scanWholeRun(s scanner) (r Run, err error) {
	var spec []byte
	err = s.Scan(append(r.columns(), &spec)...)
	r.Spec = orNil(spec)
	return r, err
}

// Filter narrows a list of runs; what is empty does not.
type Filter struct {
	Plan   string
	Origin string
	After  string // older than the run of this ID
}

// Runs lists runs, the newest first, without their Spec. A limit of 0 is none.
func (j *Journal) Runs(ctx context.Context, f Filter, limit int) ([]Run, error) {
	query, args := f.query(limit)
	return list(ctx, j, "list runs", scanRun, query, args...)
}

// query asks for what the filter says and no more: so an index can answer it.
func (f Filter) query(limit int) (query string, args []any) {
	query = "SELECT " + runColumns + " FROM runs WHERE true"
	if f.Plan != "" {
		query += " AND plan = ?"
		args = append(args, f.Plan)
	}
	if f.Origin != "" {
		query += " AND origin = ?"
		args = append(args, f.Origin)
	}
	if f.After != "" {
		query += " AND (started, id) < (SELECT started, id FROM runs WHERE id = ?)"
		args = append(args, f.After)
	}
	query += " ORDER BY started DESC, id DESC"
	if limit > 0 {
		query += " LIMIT ?"
		args = append(args, limit)
	}
	return query, args
}

const selectUnfinished = selectWholeRuns + "WHERE state = 'running' ORDER BY started, id"

// UnfinishedRuns lists the runs that are under way or died, the oldest first, whole.
func (j *Journal) UnfinishedRuns(ctx context.Context) ([]Run, error) {
	return list(ctx, j, "list unfinished runs", scanWholeRun, selectUnfinished)
}

const (
	selectNewest   = selectWholeRuns + "ORDER BY started DESC, id DESC LIMIT 1"
	selectByPrefix = selectWholeRuns + "WHERE id >= ?1 AND id < ?1 || char(1114111) ORDER BY id LIMIT 2" // the one that is exactly so comes first
)

// Run finds a run by its ID, by a beginning of it that no other run shares,
// or, with "latest", the newest. It returns ErrNotFound or ErrAmbiguous.
func (j *Journal) Run(ctx context.Context, ref string) (Run, error) {
	doing := fmt.Sprintf("find run %q", ref)
	var found []Run
	var err error
	if ref == "latest" {
		found, err = list(ctx, j, doing, scanWholeRun, selectNewest)
	} else if ref != "" {
		// Two are enough to know that the beginning is not enough.
		found, err = list(ctx, j, doing, scanWholeRun, selectByPrefix, strings.ToUpper(ref))
	}
	if err != nil {
		return Run{}, err
	}
	return unique(found, func(r Run) string { return r.ID }, strings.ToUpper(ref), doing, "list the runs with `dprun runs list`")
}

// orNil is stored JSON; nothing stored is nil again.
func orNil(stored []byte) json.RawMessage {
	if len(stored) == 0 {
		return nil
	}
	return stored
}
