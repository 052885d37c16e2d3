package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/sdk/failure"
)

func TestALockThatCannotBeHadEndsTheTask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.out.on = func(_ context.Context, j Job) (*event.Result, error, bool) {
			if j.Action.Kind != lifecycle.ActLock {
				return nil, nil, false
			}
			return nil, failure.New(failure.Internal, "", "too many open files"), true
		}
		if exit := h.run(t); exit != 1 {
			t.Errorf("exit %d", exit)
		}
		if got := h.book.codes(); got[len(got)-1] != "EXECUTION_FAILED_WITH_INTERNAL_EXCEPTION" {
			t.Errorf("history %v", got)
		}
	})
}

// TestTheJournalMayFailAtAnyBatch: whenever it does, the run ends by itself
// with the code of an internal error, and nothing is left quiesced; also where
// actions have begun whose events wait to be written.
func TestTheJournalMayFailAtAnyBatch(t *testing.T) {
	t.Parallel()
	for group, atLeast := range map[time.Duration]int{0: 10, 2 * time.Millisecond: 5} {
		t.Run(group.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for n := 1; ; n++ {
					h := newHarness(t)
					h.engine.Group = group
					batches := 0
					h.book.fail = func(Batch) error {
						if batches++; batches >= n {
							return errors.New("disk full")
						}
						return nil
					}
					exit := h.run(t)
					if batches < n {
						if n < atLeast {
							t.Errorf("only %d batches", n)
						}
						return
					}
					if exit != 70 {
						t.Errorf("batch %d: exit %d, want 70; %v", n, exit, h.book.codes())
					}
					if h.out.quiesced {
						t.Errorf("batch %d: left quiesced; %v", n, h.book.codes())
					}
					if h.out.called("unquiesce/1") != h.out.called("quiesce/1") {
						t.Errorf("batch %d: a quiesce that was not sent is undone, or the other way round; %v", n, h.out.calls)
					}
					if len(h.book.owed) > 0 {
						t.Errorf("batch %d: still owed: %v", n, h.book.owed)
					}
					for _, s := range h.book.statuses {
						if s.Final && h.book.committed[s.Task+s.Code] == 0 {
							t.Errorf("batch %d: %s is told as final, and is not durable", n, s.Code)
						}
					}
				}
			})
		})
	}
}

// TestTheResultOfAFlightThatWasGivenUpEndsNoOther: a call that is begun anew
// under the same name goes on when the first one comes back late.
func TestTheResultOfAFlightThatWasGivenUpEndsNoOther(t *testing.T) {
	t.Parallel()
	e := newHarness(t).engine
	a := lifecycle.Action{ActionID: lifecycle.ActionID{Kind: lifecycle.ActInspect, Target: "d1", Attempt: 1}}
	key := keyOf(a)
	given, now := &flight{action: a, at: -1}, &flight{action: a, at: -1}
	e.flights[key] = now
	e.apply(event.Event{Kind: event.Finished, Action: a.String()}, given, &Batch{})
	if e.flights[key] != now {
		t.Error("the late result has ended the flight that goes on")
	}
}
