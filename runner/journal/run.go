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
	// Origin is the absolute path of the plan's file. It is needed because two files
	// may have plans with the same name.
	Origin string
	Only   string // the filter that narrowed it, as text
	// Spec is the input of the run's machine. It is kept until the run is finished,
	// and Runs leaves it out. The journal does not keep the text of the plan and of
	// its variable files, because that text may hold secrets.
	Spec           json.RawMessage
	MachineVersion int
	Started        time.Time
	Host           string
	PID            int
	// Partial says that a filter narrowed the run. Such a run does not tell which
	// domains a device has.
	Partial bool

	State    State
	Ended    time.Time
	ExitCode int
	Code     string // the run's own code, if it has one
	// Tasks counts all tasks, Succeeded those that ended well. Of an unfinished run,
	// use [Journal.Succeeded].
	Tasks, Succeeded int
}

// NewRunID returns a new ID for a run: a ULID, so that IDs sort by time.
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

// Adopt enters the process that continues an unfinished run.
func (j *Journal) Adopt(ctx context.Context, run, host string, pid int) error {
	return j.write(ctx, "take over run "+run, func(t *transaction) error {
		res, err := t.exec("UPDATE runs SET host = ?, pid = ? WHERE id = ? AND state = 'running'", host, pid, run)
		return touched(res, err, "an unfinished run "+run)
	})
}

// End says how a run ended.
type End struct {
	Time     time.Time
	ExitCode int
	Code     string
	// Neutral are the final codes of tasks that do not count. If all other tasks of
	// an activity on a device brought a good copy, LastDomains returns their domains
	// from now on.
	Neutral []string `json:",omitempty"`
}

// FinishRun marks a run as finished, and removes its events, because nobody
// replays them any more. Its open obligations stay.
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
		// The run is finished even if this fails. The next run that ends, or a prune,
		// removes what is left.
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

// entriesAtOnce is the number of entries that one transaction removes, so that
// others can write in between.
const entriesAtOnce = 4096

const selectDone = "SELECT run FROM specs CROSS JOIN runs ON runs.n = specs.run WHERE state = 'finished'" // there are few specs

// tidy removes the entries and specs of finished runs, which only unfinished runs
// need, and returns the room to the file system.
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
				_, err = t.exec("DELETE FROM specs WHERE run = ?", n) // last: the spec says that entries may be left
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return j.shrink(ctx)
}

// touched returns ErrNotFound for a change that met no row.
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

// Filter narrows a list of runs. An empty field does not narrow it.
type Filter struct {
	Plan   string
	Origin string
	After  string // only runs older than the one with this ID
}

// Runs lists runs, the newest first, without their Spec. A limit of 0 means no
// limit.
func (j *Journal) Runs(ctx context.Context, f Filter, limit int) ([]Run, error) {
	query, args := f.query(limit)
	return list(ctx, j, "list runs", scanRun, query, args...)
}

// query has only the conditions that the filter needs, so that an index can
// answer it.
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

// UnfinishedRuns lists the runs that are under way or died, the oldest first,
// with their Spec.
func (j *Journal) UnfinishedRuns(ctx context.Context) ([]Run, error) {
	return list(ctx, j, "list unfinished runs", scanWholeRun, selectUnfinished)
}

const (
	selectNewest   = selectWholeRuns + "ORDER BY started DESC, id DESC LIMIT 1"
	selectByPrefix = selectWholeRuns + "WHERE id >= ?1 AND id < ?1 || char(1114111) ORDER BY id LIMIT 2" // an ID that equals ref comes first
)

// Run finds a run by its ID, by a prefix of the ID that no other run shares, or,
// with "latest", the newest one. It returns ErrNotFound or ErrAmbiguous.
func (j *Journal) Run(ctx context.Context, ref string) (Run, error) {
	doing := fmt.Sprintf("find run %q", ref)
	var found []Run
	var err error
	if ref == "latest" {
		found, err = list(ctx, j, doing, scanWholeRun, selectNewest)
	} else if ref != "" {
		// Two results show that the prefix is ambiguous.
		found, err = list(ctx, j, doing, scanWholeRun, selectByPrefix, strings.ToUpper(ref))
	}
	if err != nil {
		return Run{}, err
	}
	return unique(found, func(r Run) string { return r.ID }, strings.ToUpper(ref), doing, "list the runs with `dprun runs list`")
}

// orNil returns stored JSON; nil if nothing was stored.
func orNil(stored []byte) json.RawMessage {
	if len(stored) == 0 {
		return nil
	}
	return stored
}
