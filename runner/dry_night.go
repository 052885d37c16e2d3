package runner

import (
	"context"
	"sync"

	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/sdk"
)

// dryExecutor does what a run reads, and answers for everything else as if it
// had gone well: nothing is quiesced, captured or stored, and no script is run.
// Of a permit it is asked what would forbid it.
// What is not named as a read is not done.
type dryExecutor struct {
	real engine.Executor

	mu   sync.Mutex
	down map[string]bool // by task: it would have quiesced its target
}

// Do implements [engine.Executor].
func (x *dryExecutor) Do(ctx context.Context, j engine.Job) (*event.Result, error) {
	task := ""
	if j.Task != nil {
		task = j.Task.ID
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch j.Action.Kind {
	case lifecycle.ActQuiesce:
		x.down[task] = true
	case lifecycle.ActUnquiesce:
		delete(x.down, task)
	case lifecycle.ActQuiesceState, lifecycle.ActUnquiesceState:
		state := sdk.StateNormal
		if x.down[task] {
			state = sdk.StateQuiesced
		}
		return &event.Result{Quiesce: &sdk.QuiesceReport{State: state}}, nil
	case lifecycle.ActCapture:
		return &event.Result{Capture: &event.Captured{Variant: j.Action.Variant, Artifacts: []event.Artifact{{Name: "none", File: "none"}}}}, nil
	case lifecycle.ActStore, lifecycle.ActManifest:
		return &event.Result{Store: &sdk.StoreReport{}}, nil
	case lifecycle.ActScript:
		return &event.Result{Script: &sdk.RunReport{}}, nil
	case lifecycle.ActInspect, lifecycle.ActCheckDestination, lifecycle.ActPrepare, lifecycle.ActProbe, lifecycle.ActValidate, lifecycle.ActCheck, lifecycle.ActRecheck,
		lifecycle.ActPermit, lifecycle.ActConfirm, lifecycle.ActPeers, lifecycle.ActHealth, lifecycle.ActHealthAgain, lifecycle.ActHealthBack:
		x.mu.Unlock()
		defer x.mu.Lock()
		return x.real.Do(ctx, j)
	}
	return &event.Result{}, nil
}

// dryNight goes through a whole run but for what changes something. The window
// is for runs: a dry night may be made at noon.
func (l *look) dryNight(ctx context.Context, spec lifecycle.RunSpec) (*lifecycle.Run, *answers) {
	spec.Window = nil
	machine, told := lifecycle.NewRun(spec), newAnswers()
	engine.New(engine.Options{Run: machine, Executor: &dryExecutor{real: l.exec, down: map[string]bool{}}, Journal: told, Clock: l.Clock, Sink: previewing{log: l.Log}, Log: l.Log}).
		Run(ctx, event.Event{Kind: event.RunStarted})
	return machine, told
}
