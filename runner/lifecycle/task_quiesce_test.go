package lifecycle

import (
	"slices"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// TestTheGatewayForcesOnlyWhereThePlanLetsIt: it cuts traffic at its own
// time-out, which lies beyond ours unless on_busy is force.
func TestTheGatewayForcesOnlyWhereThePlanLetsIt(t *testing.T) {
	t.Parallel()
	well := objects("orders", "+Service api")
	for mode, want := range map[OnBusy]time.Duration{"": 3 * time.Minute, Abort: 3 * time.Minute, Force: time.Minute} {
		var sent, limit time.Duration
		watch := func(task *Task, a Action) {
			if a.Kind == ActQuiesce {
				timer := slices.IndexFunc(task.Pending(), func(a Action) bool { return a.Kind == ActQuiesceTimer })
				sent, limit = a.DeviceTimeout, task.Pending()[timer].NotBefore.Sub(task.quiesce.since)
			}
		}
		seen(t, TaskSpec{Activity: Activity{OnBusy: mode}}, well, well, well, watch)
		if sent != want || limit != 2*time.Minute {
			t.Errorf("%q: the gateway is told to force after %s, want %s; ours ends after %s", mode, sent, want, limit)
		}
	}
}

// TestLettingTrafficInIsOwedBeforeItIsLedAway: whoever dies while
// before_quiesce runs has after_unquiesce on the list already.
func TestLettingTrafficInIsOwedBeforeItIsLedAway(t *testing.T) {
	t.Parallel()
	well := objects("orders", "+Service api")
	spec := TaskSpec{Activity: Activity{BeforeQuiesce: &Script{Address: "exec.drain"}, AfterUnquiesce: &Script{Address: "exec.rejoin"}}}
	owes := func(task *Task) bool {
		return slices.ContainsFunc(task.Obligations(), func(o Obligation) bool { return o.ID == OwedAfterUnquiesce && o.Script == "exec.rejoin" })
	}
	watched := 0
	task, history, _ := seen(t, spec, well, well, well, func(task *Task, a Action) {
		switch {
		case a.Kind == ActScript && a.Hook == hookBefore:
			watched++
			if !owes(task) {
				t.Error("before_quiesce runs, and after_unquiesce is not owed")
			}
		case task.phase < PhaseQuiesce:
			if owes(task) {
				t.Errorf("after_unquiesce is owed at %s", a)
			}
		}
	})
	if watched != 1 || owes(task) {
		t.Errorf("before_quiesce ran %d times; owed at the end: %v; %s", watched, owes(task), codes(history))
	}
	rejoined := 0
	task, _, _ = seen(t, spec, well, well, well, func(task *Task, a Action) {
		if a.Kind == ActScript && a.Hook == hookBefore {
			task.Apply(event.Event{Kind: event.Interrupted, Time: task.now})
		}
		if a.Kind == ActScript && a.Hook == hookAfter {
			rejoined++
		}
	})
	if task.debt != nil || rejoined != 1 || owes(task) {
		t.Errorf("interrupted while traffic is led away: a quiesce was sent: %v; after_unquiesce ran %d times, and is owed: %v", task.debt != nil, rejoined, owes(task))
	}
}

// TestWhatSomebodyHasStoppedIsReadLastBeforeAQuiesce: members of the group that
// do not answer may be asked for minutes, and a hold may be set meanwhile.
func TestWhatSomebodyHasStoppedIsReadLastBeforeAQuiesce(t *testing.T) {
	t.Parallel()
	well := objects("orders", "+Service api")
	spec := TaskSpec{Group: "pair", Peers: []string{"gw-2"}, Guard: Guard{Peers: true}, Activity: Activity{BeforeQuiesce: &Script{Address: "exec.drain"}}}
	_, history, acts := seen(t, spec, well, well, well, func(task *Task, a Action) {
		e := event.Event{Kind: event.Finished, Time: task.now.Add(time.Minute), Action: a.String(), Result: &event.Result{}}
		switch {
		case a.Kind == ActScript && a.Hook == hookBefore: // it takes a while
			e.Result.Script = &sdk.RunReport{}
		case a.Kind == ActPeers && a.Attempt == 1:
			e.Failure = failure.New(failure.Unavailable, "", "no answer")
		default:
			return
		}
		task.Apply(e)
	})
	peers, confirm, quiesce := 0, slices.Index(acts, ActConfirm), slices.Index(acts, ActQuiesce)
	for i, kind := range acts {
		if kind == ActPeers {
			peers = i
		}
	}
	if peers == 0 || confirm < peers || quiesce < confirm {
		t.Errorf("members were last read as action %d, what forbids it as %d, the quiesce was sent as %d: %v; %s", peers, confirm, quiesce, acts, codes(history))
	}
}
