package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
)

var errReplayDiffers = errors.New("the replay gives another history than was recorded")

// Replay folds a run's events and compares with what was recorded. It gives the
// machine as it was when its process ended.
func Replay(ctx context.Context, j *journal.Journal, run journal.Run) (_ *lifecycle.Run, rec Run, err error) {
	defer func() {
		if p := recover(); p != nil { // what ended the process may be in the events
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
