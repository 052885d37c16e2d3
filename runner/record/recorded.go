package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// recordedPlan answers the executor from the journal, for a run that is being finished.
type recordedPlan struct {
	rec     Run
	owed    []journal.Obligation
	secrets *Secrets
}

// Plan answers the executor from the record of a run that must be finished.
func (r Run) Plan(owed []journal.Obligation, secrets *Secrets) execute.Plan {
	return &recordedPlan{rec: r, owed: owed, secrets: secrets}
}

func (x *recordedPlan) Device(_ context.Context, name string) (execute.Endpoint, error) {
	return x.rec.Devices[name].Open(x.secrets)
}

func (x *recordedPlan) Destination(_ context.Context, name string) (execute.Endpoint, sdk.Verify, error) {
	d := x.rec.Destinations[name]
	e, err := d.Open(x.secrets)
	return e, d.Verify, err
}

// Doubts implements execute.Plan.
func (x *recordedPlan) Doubts(device, destination string) []string {
	if d, ok := x.rec.Devices[device]; ok {
		return d.doubts(x.secrets)
	}
	return x.rec.Destinations[destination].doubts(x.secrets)
}

// Script returns the configuration that was evaluated when the script became pending.
func (x *recordedPlan) Script(_ context.Context, address string, at execute.Scope) (execute.Endpoint, bool, error) {
	task := ""
	if at.Activity != "" {
		task = lifecycle.TaskID(at.Activity, at.Device, at.Domain)
	}
	for _, o := range x.owed {
		// A task may owe the same script twice. Only a post-script is told an outcome.
		if o.Kind != pending.PostScript || o.Script != address || o.Task != task || (o.ID == lifecycle.OwedAfterUnquiesce) != (at.Status == "") {
			continue
		}
		row, err := ScriptOf(o.Obligation)
		if err != nil {
			return execute.Endpoint{}, false, err
		}
		e, err := row.Open(x.secrets, at.Status)
		return e, row.Dpod, err
	}
	for _, n := range x.rec.Notify {
		if n.Address == address && task == "" {
			e, err := n.Script.Open(x.secrets, at.Status)
			return e, n.Script.Dpod, err
		}
	}
	return execute.Endpoint{}, false, failure.New(failure.Precondition, failure.BadConfig, "script %s was not due when the run was interrupted: its configuration is not known", address).
		WithRemedy("run it by hand if it is needed")
}

func (x *recordedPlan) ActivityConfig(context.Context, execute.Scope) (cty.Value, error) {
	return cty.NilVal, failure.New(failure.Internal, "", "recovery captures nothing")
}

func (x *recordedPlan) Set(context.Context, string, execute.Scope) (string, string, error) {
	return "", "", failure.New(failure.Internal, "", "recovery begins no set")
}

var errReplayDiffers = errors.New("the replay gives another history than was recorded")

// Replay feeds a run's events to its machine again and compares the result with what
// was recorded. It returns the machine in the state in which its process ended.
func Replay(ctx context.Context, j *journal.Journal, run journal.Run) (_ *lifecycle.Run, rec Run, err error) {
	defer func() {
		if p := recover(); p != nil { // the events may contain what ended the process
			err = fmt.Errorf("the replay fails: %v", p)
		}
	}()
	if err := json.Unmarshal(run.Spec, &rec); err != nil {
		return nil, rec, fmt.Errorf("read its record: %w", err)
	}
	if run.MachineVersion != lifecycle.MachineVersion {
		return nil, rec, fmt.Errorf("another version of dprun has begun it (machine version %d, and this one's is %d)", run.MachineVersion, lifecycle.MachineVersion)
	}
	machine := lifecycle.NewRun(rec.Spec)
	var statuses []event.Status
	for e, err := range j.Events(ctx, run.ID) {
		if err != nil {
			return nil, rec, err
		}
		statuses = append(statuses, machine.Apply(e)...)
	}
	recorded, err := j.Statuses(ctx, run.ID)
	if err != nil {
		return nil, rec, err
	}
	if len(recorded) != len(statuses) {
		return nil, rec, errReplayDiffers
	}
	counts := map[string]int{}
	for i := range recorded {
		counts[recorded[i].Task+" "+recorded[i].Code]++
		counts[statuses[i].Task+" "+statuses[i].Code]--
	}
	for _, n := range counts {
		if n != 0 {
			return nil, rec, errReplayDiffers
		}
	}
	machine.Dirty()
	return machine, rec, nil
}
