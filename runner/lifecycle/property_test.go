package lifecycle

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/event"
)

func TestEveryRunEndsWithOneFinalCodeATaskAndNothingLeftDownUnsaid(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(w *world) {
		w.finish()
		w.check()
	})
}

func TestReplayOfTheSameEventsGivesTheSameHistory(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(w *world) {
		w.finish()
		again := NewRun(w.spec)
		history := map[string][]event.Status{}
		for _, e := range w.log {
			for _, s := range again.Apply(e) {
				history[s.Task] = append(history[s.Task], s)
			}
		}
		if d := cmp.Diff(w.history, history); d != "" {
			t.Fatalf("replay differs (-first +replay):\n%s", d)
		}
	})
}

// TestARunInterruptedAnywhereUndoesAndEnds: once or twice, for a moment or for
// days, and whatever the clock shows afterwards.
func TestARunInterruptedAnywhereUndoesAndEnds(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(w *world) {
		for range 1 + w.rng.IntN(2) {
			for range w.rng.IntN(150) {
				if w.step() {
					return
				}
			}
			w.start() // what was in flight when the process died
			if _, done := w.run.Done(); done {
				return
			}
			w.after = true
			w.now = w.now.Add(pick(w, time.Second, 3*24*time.Hour))
			w.settle()
			w.apply(event.Event{Kind: event.Interrupted})
		}
		w.finish()
		w.check()
		for id, h := range w.history {
			for i, s := range h {
				if i > 0 && (Code(s.Code) == FailedLongRunning || Code(s.Code) == StoreTimeoutOccurred) && h[i-1].Time.Before(epoch.Add(48*time.Hour)) && s.Time.After(epoch.Add(48*time.Hour)) {
					t.Fatalf("task %s: %s counts the time that nobody worked: %s", id, s.Code, codes(h))
				}
			}
		}
	})
}

// TestWhatIsOwedDoesNotWaitForTheClock: after a restart the clock may stand
// before the time of the last event; the unquiesce is sent all the same.
func TestWhatIsOwedDoesNotWaitForTheClock(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(w *world) {
		down := func() (id string) {
			for _, t := range w.run.Tasks() {
				if t.MayBeDown() && t.Final() == nil && !t.undo.over {
					return t.Spec().ID
				}
			}
			return ""
		}
		for down() == "" {
			if w.step() {
				return
			}
		}
		w.start()
		w.now = w.now.AddDate(-1, 0, 0)
		w.apply(event.Event{Kind: event.Interrupted})
		id := down()
		for _, a := range w.run.PendingOf(id) {
			if a.Kind == ActUnquiesce && !a.NotBefore.After(w.now) {
				return
			}
		}
		t.Fatalf("task %s: no unquiesce at once: %+v", id, w.run.PendingOf(id))
	})
}

func TestATaskThatHasBegunIsUntouchedByWindowEndAndHalt(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(w *world) {
		w.finish()
		for id, h := range w.history {
			begun := false
			for _, s := range h {
				switch Code(s.Code) {
				case QuiesceStarted, ExportPersistedStarted, ExportNonPersistedStarted, SecureBackupStarted:
					begun = true
				case CanceledBecauseMaintenanceWindow, CanceledBecauseErrorPolicy, SkippedBecauseErrorPolicy, CanceledBecauseADayPassed:
					if begun {
						t.Fatalf("task %s: %s after it had begun: %s", id, s.Code, codes(h))
					}
				}
			}
		}
	})
}

// TestTheWorldsReachWhatMatters: a property says nothing about what never happens.
func TestTheWorldsReachWhatMatters(t *testing.T) {
	t.Parallel()
	seen := map[Code]int{}
	exits := map[int]int{}
	for n := range uint64(runs) {
		w := newWorld(t, rand.New(rand.NewPCG(n, 1)))
		w.finish()
		exit, _ := w.run.Done()
		exits[exit]++
		for _, h := range w.history {
			for _, s := range h {
				seen[Code(s.Code)]++
			}
		}
	}
	for _, c := range []Code{Success, QuiesceWaiting, QuiesceTimeoutOccurred, QuiesceError, UnquiesceDone, UnquiesceTimeoutOccurred, UnquiesceOnErrorTimeoutOccurred,
		CanceledDeviceDidNotReturn, CanceledJournalFailed, CanceledByUser, CanceledBecauseErrorPolicy, CanceledBecauseMaintenanceWindow, FailedLongRunning,
		StoreTimeoutOccurred, CheckManifestWaiting, PreScriptError, PostScriptError, SecureBackupDone, DomainVanished, SkippedDeviceStillOwes} {
		if seen[c] == 0 {
			t.Errorf("%s is never reached", c)
		}
	}
	for _, e := range []int{exitOK, exitFailed, exitPartly, exitOutsideWindow, exitPlanCheck, exitStillQuiesced, exitInternal, exitInterrupt, exitTerminate} {
		if exits[e] == 0 {
			t.Errorf("exit code %d is never reached; %v", e, exits)
		}
	}
}
