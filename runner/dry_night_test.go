package runner

import (
	"context"
	"testing"

	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/sdk"
)

// asked counts the actions that reach it.
type asked map[lifecycle.ActionKind]int

func (a asked) Do(_ context.Context, j engine.Job) (*event.Result, error) {
	a[j.Action.Kind]++
	return &event.Result{}, nil
}

func TestADryNightLetsReadsThroughAndNothingElse(t *testing.T) {
	t.Parallel()
	real := asked{}
	x := &dryExecutor{real: real, down: map[string]bool{}}
	do := func(kind lifecycle.ActionKind) *event.Result {
		r, err := x.Do(t.Context(), engine.Job{Task: &lifecycle.TaskSpec{ID: "t"}, Action: lifecycle.Action{ActionID: lifecycle.ActionID{Kind: kind}}})
		if err != nil || r == nil {
			t.Fatalf("%s: %v, %v", kind, r, err)
		}
		return r
	}
	for _, kind := range []lifecycle.ActionKind{lifecycle.ActScript, lifecycle.ActLock, lifecycle.ActQuiesce, lifecycle.ActQuiesceState, lifecycle.ActCapture, lifecycle.ActUnquiesce,
		lifecycle.ActUnquiesceState, lifecycle.ActStore, lifecycle.ActManifest, lifecycle.ActDiscard, "something_new"} {
		r := do(kind)
		if len(real) > 0 {
			t.Errorf("%s was done", kind)
		}
		if q := r.Quiesce; q != nil && (q.State == sdk.StateQuiesced) != (kind == lifecycle.ActQuiesceState) {
			t.Errorf("%s: state %s", kind, q.State)
		}
	}
	for _, kind := range []lifecycle.ActionKind{lifecycle.ActInspect, lifecycle.ActCheck, lifecycle.ActHealth} {
		if do(kind); real[kind] != 1 {
			t.Errorf("%s was not done", kind)
		}
	}
}
