package lifecycle

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plan/window"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/status"
)

// TestEveryRun: it ends with one final code a task, with nothing left down
// unsaid; what has begun is untouched by the window's end and by halt; and the
// same events give the same history again.
func TestEveryRun(t *testing.T) {
	t.Parallel()
	seen, exits := map[status.Code]int{}, map[int]int{}
	inWorlds(t, runs, func(w *world) {
		w.finish()
		w.check()
		w.checkBegun()
		w.checkReplay()
		exit, _ := w.run.Done()
		exits[exit]++
		for _, h := range w.history {
			for _, s := range h {
				seen[status.Code(s.Code)]++
			}
		}
	})
	// A property says nothing about what never happens.
	for _, c := range []status.Code{status.Success, status.QuiesceWaiting, status.QuiesceTimeoutOccurred, status.QuiesceError, status.UnquiesceDone, status.UnquiesceTimeoutOccurred, status.UnquiesceOnErrorTimeoutOccurred,
		status.CanceledDeviceDidNotReturn, status.CanceledJournalFailed, status.CanceledByUser, status.CanceledBecauseErrorPolicy, status.CanceledBecauseMaintenanceWindow, status.FailedLongRunning,
		status.StoreTimeoutOccurred, status.CheckManifestWaiting, status.PreScriptError, status.PostScriptError, status.BeforeQuiesceScriptError, status.AfterUnquiesceScriptError, status.SecureBackupDone,
		status.PreChecksFoundQuiescedObject, status.UnquiesceWaitingForHealthy, status.UnquiesceNotHealthy, status.DomainVanished, status.SkippedDeviceStillOwes, status.CanceledBecauseADayPassed} {
		if seen[c] == 0 {
			t.Errorf("%s is never reached", c)
		}
	}
	for _, e := range []int{exitOK, exitFailed, exitPartly, exitOutsideWindow, exitPlanCheck, exitStillQuiesced, exitTrafficAway, exitInternal, exitInterrupt, exitTerminate} {
		if exits[e] == 0 {
			t.Errorf("exit code %d is never reached; %v", e, exits)
		}
	}
}

func (w *world) checkReplay() {
	again := NewRun(w.spec)
	history := map[string][]event.Status{}
	for _, e := range w.log {
		for _, s := range again.Apply(e) {
			history[s.Task] = append(history[s.Task], s)
		}
	}
	if reflect.DeepEqual(w.history, history) { // it takes a tenth of the time
		return
	}
	if d := cmp.Diff(w.history, history); d != "" {
		w.fatalf("replay differs (-first +replay):\n%s", d)
	}
}

func (w *world) checkBegun() {
	for id, h := range w.history {
		begun := false
		for _, s := range h {
			switch status.Code(s.Code) {
			case status.QuiesceStarted, status.ExportPersistedStarted, status.ExportNonPersistedStarted, status.SecureBackupStarted:
				begun = true
			case status.CanceledBecauseMaintenanceWindow, status.CanceledBecauseErrorPolicy, status.SkippedBecauseErrorPolicy, status.CanceledBecauseADayPassed:
				if begun {
					w.fatalf("task %s: %s after it had begun: %s", id, s.Code, codes(h))
				}
			}
		}
	}
}

// TestWhatIsOwedDoesNotWaitForTheClock: after a restart the clock may stand
// before the time of the last event; the target is looked at, and asked to return, all the same.
func TestWhatIsOwedDoesNotWaitForTheClock(t *testing.T) {
	t.Parallel()
	inWorlds(t, runs/4, func(w *world) {
		down := func() (id string) {
			for _, t := range w.run.Tasks() {
				if t.MayBeDown() && t.Final() == nil && !t.debt.GaveUp() {
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
			if (a.Kind == ActUnquiesce || a.Kind == ActUnquiesceState || a.Kind == ActHealthBack) && !a.NotBefore.After(w.now) {
				return
			}
		}
		t.Fatalf("task %s: nothing is done at once: %+v", id, w.run.PendingOf(id))
	})
}

// TestNobodyWaitsForALockWithoutEnd: a lock that is never free ends the task
// with the window, or after the time that it may wait in the queue.
func TestNobodyWaitsForALockWithoutEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		window *window.Window
		code   status.Code
		after  time.Duration
	}{
		"queue":  {nil, status.CanceledBecauseADayPassed, 24 * time.Hour},
		"window": {&window.Window{Name: "night", Timezone: "UTC", Allow: []window.Allow{{From: "21:00", To: "23:00"}}}, status.CanceledBecauseMaintenanceWindow, time.Hour - 8*time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			task := NewTask(TaskSpec{ID: "x/d/orders", Device: "d", Domain: "orders", Activity: Activity{Quiesce: QuiesceDomain}, Window: c.window,
				Destinations: []Destination{{Name: "file.a"}},
				Timeouts:     Timeouts{Queue: 24 * time.Hour, Run: time.Hour, Quiesce: time.Minute, Unquiesce: time.Minute, Grace: 3 * time.Minute}})
			now := epoch
			apply := func(e event.Event) {
				e.Time, e.Task = now, "x/d/orders"
				task.Apply(e)
			}
			task.Ready(now)
			task.Dispatch(now)
			for _, a := range []string{"prepare/1", "probe/1", "check_destination/file.a/1"} {
				apply(event.Event{Kind: event.Finished, Action: a})
			}
			apply(event.Event{Kind: event.Progressed, Action: "lock/device", Notice: &event.Notice{Waiting: "another"}})
			for task.Final() == nil {
				var next *Action
				for _, a := range task.Pending() {
					if a.Kind.Timer() && (next == nil || a.NotBefore.Before(next.NotBefore)) {
						next = &a
					}
				}
				if next == nil {
					t.Fatalf("it waits without end: %+v", task.Pending())
				}
				now = next.NotBefore
				apply(event.Event{Kind: event.Finished, Action: next.String()})
			}
			if f := task.Final(); status.Code(f.Code) != c.code || f.Time.Sub(epoch) != c.after {
				t.Errorf("%s after %s, want %s after %s", f.Code, f.Time.Sub(epoch), c.code, c.after)
			}
		})
	}
}
