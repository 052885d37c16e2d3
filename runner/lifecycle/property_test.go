package lifecycle

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dprun/dprun/runner/event"
)

func TestEveryRunEndsWithOneFinalCodeATaskAndAnUnquiesceForEveryQuiesce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, drawSpec(t))
		w.finish()
		w.check()
	})
}

func TestReplayOfTheSameEventsGivesTheSameHistory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		spec := drawSpec(t)
		w := newWorld(t, spec)
		w.finish()
		again := NewRun(spec)
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

func TestARunInterruptedAnywhereUndoesAndEnds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, drawSpec(t))
		for range rapid.IntRange(0, 120).Draw(t, "steps before") {
			as := w.start()
			if _, done := w.run.Done(); done || len(as) == 0 {
				break
			}
			w.answer(as)
		}
		if _, done := w.run.Done(); done {
			return
		}
		w.start() // what was in flight when the process died
		w.after = true
		w.apply(event.Event{Kind: event.Interrupted})
		w.finish()
		w.check()
	})
}

func TestATaskThatHasBegunIsUntouchedByWindowEndAndHalt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, drawSpec(t))
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
