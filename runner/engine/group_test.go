package engine

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/sdk/failure"
)

// TestGroupedEventsChangeNothingButTheNumberOfCommits: the history is the
// same, and whatever cannot be repeated, pays a debt or stores finds
// everything before it in the journal.
func TestGroupedEventsChangeNothingButTheNumberOfCommits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		walk := func(group time.Duration) (commits int32, codes []string) {
			h := newHarness(t)
			h.engine.Group = group
			var n atomic.Int32
			h.book.fail = func(Batch) error { n.Add(1); return nil }
			h.out.on = func(_ context.Context, j Job) (*event.Result, error, bool) {
				before := map[lifecycle.ActionKind]string{lifecycle.ActQuiesce: "quiesce/1", lifecycle.ActUnquiesce: "capture/persisted/1", lifecycle.ActStore: "capture/persisted/1"}[j.Action.Kind]
				if before != "" && !h.book.has(before) {
					t.Errorf("group %s: %s begins before %s is written", group, j.Action, before)
				}
				return nil, nil, false
			}
			if exit := h.run(t); exit != 0 {
				t.Errorf("group %s: exit %d", group, exit)
			}
			if len(h.book.owed) > 0 || len(h.engine.waiting.Events) > 0 {
				t.Errorf("group %s: owed %v, %d events not written", group, h.book.owed, len(h.engine.waiting.Events))
			}
			return n.Load(), h.book.codes()
		}
		each, codes := walk(0)
		grouped, same := walk(5 * time.Millisecond)
		if !slices.Equal(codes, same) {
			t.Errorf("history\n got %v\nwant %v", same, codes)
		}
		if grouped >= each {
			t.Errorf("%d commits in groups, %d without", grouped, each)
		}
	})
}

func TestACancelledCaptureIsUndoneWhileItsStartWaitsToBeWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.engine.Group = 50 * time.Millisecond
		h.out.on = func(ctx context.Context, j Job) (*event.Result, error, bool) {
			if j.Action.Kind != lifecycle.ActCapture {
				return nil, nil, false
			}
			h.stop <- "SIGTERM"
			<-ctx.Done()
			return nil, failure.From(ctx.Err()), true
		}
		if exit := h.run(t); exit != 143 {
			t.Errorf("exit %d", exit)
		}
		codes := h.book.codes()
		if h.out.quiesced || len(h.book.owed) > 0 || !strings.HasSuffix(codes[len(codes)-1], "CANCELED_BY_USER") {
			t.Errorf("quiesced %v, owed %v, history %v", h.out.quiesced, h.book.owed, codes)
		}
	})
}

// has reports whether an event about an action is in the journal.
func (n *notebook) has(action string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.ContainsFunc(n.events, func(e event.Event) bool { return e.Action == action })
}

// A store waits for its commit, and others do so with it.
func TestStoresOfOneMomentBeginAfterOneCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		spec := h.engine.Options.Run.Spec()
		spec.Devices = map[string]lifecycle.Device{"d1": {}, "d2": {}}
		spec.Activities[0].Devices, spec.Activities[0].Quiesce = []string{"d1", "d2"}, lifecycle.QuiesceNone
		h.engine.Options.Run, h.engine.Group = lifecycle.NewRun(spec), 5*time.Millisecond
		takes := map[string]time.Duration{"d1": time.Millisecond, "d2": 3 * time.Millisecond}
		h.out.on = func(_ context.Context, j Job) (*event.Result, error, bool) {
			switch {
			case j.Action.Kind == lifecycle.ActCapture:
				time.Sleep(takes[j.Action.Device])
			case j.Action.Kind == lifecycle.ActStore && !h.book.has("capture/persisted/1"):
				t.Errorf("%s begins before its capture is written", j.Action)
			}
			return nil, nil, false
		}
		var captured []int
		h.book.fail = func(b Batch) error {
			n := 0
			for _, e := range b.Events {
				if e.Kind == event.Finished && e.Action == "capture/persisted/1" {
					n++
				}
			}
			if n > 0 {
				captured = append(captured, n)
			}
			return nil
		}
		if exit := h.run(t); exit != 0 {
			t.Errorf("exit %d: %v", exit, h.book.codes())
		}
		if !slices.Equal(captured, []int{2}) {
			t.Errorf("captures in commits: %v", captured)
		}
	})
}

func TestWhereNothingIsToWaitAllIsWrittenAtOnce(t *testing.T) {
	t.Parallel()
	for group, waits := range map[time.Duration]bool{0: false, -1: false, time.Hour: true} {
		synctest.Test(t, func(t *testing.T) {
			h := newHarness(t)
			h.engine.Group = group
			h.engine.handle([]result{{Event: event.Event{Kind: event.RunStarted}}})
			if got := h.engine.due != nil; got != waits {
				t.Errorf("group %d: waits %t", group, got)
			}
			h.engine.cancelAll()
			h.engine.drain()
		})
	}
}
