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
	// Vars are the plan's variables that are not sensitive; Spec is what the
	// run's machine decides on. Runs leaves them out. The text of the plan and
	// of its variable files is not kept: it may hold secrets.
	Vars           json.RawMessage
	Spec           json.RawMessage
	MachineVersion int
	Started        time.Time
	Host           string
	PID            int
	Resumes        string // the run that this one resumes, or empty
	// Partial is true for a run that was narrowed by a filter: it says
	// nothing about which domains a device has.
	Partial bool

	State    State
	Ended    time.Time
	ExitCode int
	Code     string // of the run, as far as it has one
}

// NewRunID is a new name for a run: a ULID, so that names sort by time.
func NewRunID(now time.Time) (string, error) {
	id, err := ulid.New(ulid.Timestamp(now), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("make a run's name: %w", err)
	}
	return id.String(), nil
}

// CreateRun enters a run. State, Ended, ExitCode and Code are not taken over.
func (j *Journal) CreateRun(ctx context.Context, r Run) error {
	if r.ID == "" {
		return errors.New("enter a run into the journal: it has no ID")
	}
	return j.write(ctx, "enter run "+r.ID, func(t *transaction) error {
		_, err := t.exec(`INSERT INTO runs (id, plan, origin, vars, spec, machine_version, started, host, pid, resumes, partial)
			VALUES (?,?,?,?,?,?,?,?,?,?,?)`, r.ID, r.Plan, r.Origin, string(r.Vars), string(r.Spec), r.MachineVersion,
			stamp(r.Started), r.Host, r.PID, r.Resumes, r.Partial)
		return err
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
	// Good are the final codes of tasks that brought a copy; Neutral those
	// that do not count. Where all of an activity's tasks on a device ended
	// so, their domains are what LastDomains gives from now on.
	Good, Neutral []string
}

// FinishRun marks a run as over. What it still owes stays owed.
func (j *Journal) FinishRun(ctx context.Context, run string, e End) error {
	return j.write(ctx, "finish run "+run, func(t *transaction) error {
		res, err := t.exec("UPDATE runs SET state = 'finished', ended = ?, exit_code = ?, code = ? WHERE id = ?", stamp(e.Time), e.ExitCode, e.Code, run)
		if err := touched(res, err, "run "+run); err != nil {
			return err
		}
		return rememberDomains(t, run, e)
	})
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

const (
	runColumns = "id, plan, origin, machine_version, started, host, pid, resumes, partial, state, ended, exit_code, code"
	runBodies  = ", vars, spec"
)

func (r *Run) columns() []any {
	return []any{&r.ID, &r.Plan, &r.Origin, &r.MachineVersion, moment{&r.Started}, &r.Host, &r.PID, &r.Resumes, &r.Partial, &r.State, moment{&r.Ended}, &r.ExitCode, &r.Code}
}

func scanRun(s scanner) (r Run, err error) { return r, s.Scan(r.columns()...) }

func scanWholeRun(s scanner) (r Run, err error) {
	var vars, spec []byte
	err = s.Scan(append(r.columns(), &vars, &spec)...)
	r.Vars, r.Spec = orNil(vars), orNil(spec)
	return r, err
}

// Filter narrows a list of runs; what is empty does not.
type Filter struct {
	Plan   string
	State  State
	Device string // with a task on this device
	After  string // older than the run of this ID
}

// Runs lists runs, the newest first, without their Vars and Spec.
// A limit of 0 is none.
func (j *Journal) Runs(ctx context.Context, f Filter, limit int) ([]Run, error) {
	if limit <= 0 {
		limit = -1
	}
	return list(ctx, j, "list runs", scanRun, "SELECT "+runColumns+` FROM runs
		WHERE (?1 = '' OR plan = ?1) AND (?2 = '' OR state = ?2) AND (?3 = '' OR id IN (SELECT run FROM tasks WHERE device = ?3))
		AND (?4 = '' OR (started, id) < (SELECT started, id FROM runs WHERE id = ?4))
		ORDER BY started DESC, id DESC LIMIT ?5`, f.Plan, string(f.State), f.Device, f.After, limit)
}

// UnfinishedRuns lists the runs that are under way or died, the oldest first, whole.
func (j *Journal) UnfinishedRuns(ctx context.Context) ([]Run, error) {
	return list(ctx, j, "list unfinished runs", scanWholeRun, "SELECT "+runColumns+runBodies+" FROM runs WHERE state = 'running' ORDER BY started, id")
}

// Run finds a run by its ID, by a beginning of it that no other run shares,
// or, with "latest", the newest. It returns ErrNotFound or ErrAmbiguous.
func (j *Journal) Run(ctx context.Context, ref string) (Run, error) {
	doing := fmt.Sprintf("find run %q", ref)
	const columns = "SELECT " + runColumns + runBodies + " FROM runs "
	var found []Run
	var err error
	if ref == "latest" {
		found, err = list(ctx, j, doing, scanWholeRun, columns+"ORDER BY started DESC, id DESC LIMIT 1")
	} else if ref != "" {
		// Two are enough to know that the beginning is not enough.
		found, err = list(ctx, j, doing, scanWholeRun, columns+"WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id <> ?1, id LIMIT 2", strings.ToUpper(ref))
	}
	switch {
	case err != nil:
		return Run{}, err
	case len(found) == 0:
		return Run{}, fmt.Errorf("%s: %w; list the runs with `dprun runs list`", doing, ErrNotFound)
	case len(found) == 2 && found[0].ID != strings.ToUpper(ref):
		return Run{}, fmt.Errorf("%s: %w: %s and %s begin so; give more of it", doing, ErrAmbiguous, found[0].ID, found[1].ID)
	}
	return found[0], nil
}

// orNil is stored JSON; nothing stored is nil again.
func orNil(stored []byte) json.RawMessage {
	if len(stored) == 0 {
		return nil
	}
	return stored
}
