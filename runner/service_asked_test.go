package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/testfixtures/need"
)

// owe enters that gw-1 must be brought back after a run that has died.
func (b *bureau) owe(t *testing.T) {
	t.Helper()
	run := dead(t, b.r, "guarded")
	o := pending.Obligation{Key: pending.Key{Run: run, Task: "x/gw-1", ID: "unquiesce"}, Kind: pending.Unquiesce, Plan: "guarded", Device: "gw-1", Since: b.clock.Now()}
	need.Done(t, b.r.kept.Load().journal.Append(t.Context(), run, journal.Batch{Owe: []pending.Obligation{o}}))
}

// looked asks, as anna, to acknowledge gw-1.
func (b *bureau) looked(t *testing.T) report.Approval {
	t.Helper()
	_, err := b.Acknowledge(t.Context(), AcknowledgeRequest{Target: "gw-1", By: "anna", Who: "sub-anna", Reason: "seen"})
	return waiting(t, err)
}

// onceApproved calls a function as soon as a request is approved.
func (b *bureau) onceApproved(t *testing.T, id string, call func(journal.Approval)) {
	var once sync.Once
	j := b.r.kept.Load().journal
	b.clock.mu.Lock()
	defer b.clock.mu.Unlock()
	b.clock.ask = func() {
		if a, err := j.Approval(context.WithoutCancel(t.Context()), id); err == nil && a != nil && a.State == journal.Approved {
			once.Do(func() { call(*a) })
		}
	}
}

func TestWhatIsApprovedIsDoneEvenIfTheApproverHasGone(t *testing.T) {
	t.Parallel()
	b := newBureau(t)
	b.owe(t)
	a := b.looked(t)
	ctx, gone := context.WithCancel(t.Context())
	defer gone()
	b.onceApproved(t, a.ID, func(journal.Approval) { gone() })
	_, err := b.Decide(ctx, otto(a.ID))
	if ctx.Err() == nil {
		t.Fatal("the approver was there to the end")
	}
	if owed := b.r.Owed(t.Context()).Owed; err != nil || len(owed) != 0 {
		t.Errorf("%v; still owed: %+v", err, owed)
	}
}

// TestARecordTellsOfADeedOnlyWhatIsKnown: a server that ends before the deed leaves no record that it was done.
func TestARecordTellsOfADeedOnlyWhatIsKnown(t *testing.T) {
	t.Parallel()
	b := newBureau(t)
	b.owe(t)
	a := b.looked(t)
	between := ""
	b.onceApproved(t, a.ID, func(a journal.Approval) { between = a.Message })
	if done := need.Value(b.Decide(t.Context(), otto(a.ID)))(t); done.Message != "" {
		t.Errorf("what was done has the message %q", done.Message)
	}
	if between != "it is not known whether it was done" {
		t.Errorf("before it was done the record says %q", between)
	}
}

func TestEqualRequestsAtOnceAreOne(t *testing.T) {
	t.Parallel()
	b := newBureau(t)
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		all.Go(func() { _, errs[i] = b.Start(t.Context(), byAnna) })
	}
	all.Wait()
	for _, err := range errs {
		if a := waiting(t, err); a.ID != waiting(t, errs[0]).ID {
			t.Errorf("two requests wait: %s and %s", a.ID, waiting(t, errs[0]).ID)
		}
	}
}

func TestARequestWithAnotherReasonOrChangeIsAnotherRequest(t *testing.T) {
	t.Parallel()
	b := newBureau(t)
	ids := map[string]bool{}
	for i, q := range []struct{ reason, change string }{{"upgrade", "CHG1"}, {"upgrade", "CHG2"}, {"it hangs", "CHG2"}} {
		r := byAnna
		r.Reason, r.Change, r.Key = q.reason, q.change, fmt.Sprint("k", i)
		_, err := b.Start(t.Context(), r)
		a := waiting(t, err)
		if ids[a.ID] = true; a.Reason != q.reason || a.Change != q.change {
			t.Errorf("%+v, want %+v", a, q)
		}
	}
	if len(ids) != 3 {
		t.Errorf("%d requests wait", len(ids))
	}
}

func TestAPersonHasTwentyRequestsWaitingAtMost(t *testing.T) {
	t.Parallel()
	b := newBureau(t)
	start := func(who string, n int) error {
		q := byAnna
		q.By, q.Who, q.Reason, q.Key = who, "sub-"+who, fmt.Sprint("reason ", n), fmt.Sprint("key ", n)
		_, err := b.Start(t.Context(), q)
		return err
	}
	for i := range 20 {
		waiting(t, start("anna", i))
	}
	if err := start("anna", 20); CodeOf(err) != ExitRunning || !strings.Contains(err.Error(), "20 requests") {
		t.Errorf("one more: %v", err)
	}
	waiting(t, start("anna", 3)) // waits already
	waiting(t, start("berta", 20))
}

func TestAnAcknowledgementIsOfThePlansThatItConcernedWhenItWasAskedFor(t *testing.T) {
	t.Parallel()
	b := newBureau(t)
	b.owe(t)
	a := b.looked(t)
	all := maps.Clone(*b.plans.plans.Load())
	all[plain] = servedPlan{report: report.ServedPlan{Plan: "plain", Devices: map[string]map[string]string{"gw-1": nil}}}
	b.plans.plans.Store(&all)
	_, err := b.Decide(t.Context(), otto(a.ID))
	b.refused(t, err, report.OverAlready, "is not as it was")
}

// TestAServerNamesNobodysDevices: only the person at the host is told which there are.
func TestAServerNamesNobodysDevices(t *testing.T) {
	t.Parallel()
	b := newBureau(t)
	b.owe(t)
	run := b.r.Owed(t.Context()).Owed[0].Run
	for _, target := range []string{"gw-2", run} {
		for who, names := range map[string]bool{"sub-anna": false, "": true} {
			_, err := b.r.Acknowledge(t.Context(), AcknowledgeRequest{Target: target, By: "anna", Who: who})
			if CodeOf(err) != ExitUsage || strings.Contains(err.Error(), "gw-1") != names {
				t.Errorf("%s by %q: %v", target, who, err)
			}
		}
	}
}

// TestTheRecordSaysInWordsWhyNothingWasDone, without the word for programs.
func TestTheRecordSaysInWordsWhyNothingWasDone(t *testing.T) {
	t.Parallel()
	b := newBureau(t)
	_, err := b.Start(t.Context(), byAnna)
	run := need.Value(b.Decide(t.Context(), otto(waiting(t, err).ID)))(t).Run
	need.Done(t, b.r.pending.Put(pending.Obligation{Key: pending.Key{Run: run, Task: "t", ID: "unquiesce"}, Kind: pending.Unquiesce, Plan: "guarded", Device: "gw-1", Since: b.clock.Now()}))
	a := waiting(t, b.Cancel(t.Context(), CancelRequest{Run: run, By: "anna", Who: "sub-anna"}))
	need.Done(t, b.cancel(t.Context(), CancelRequest{Run: run, By: "berta"}))
	done, err := b.Decide(t.Context(), otto(a.ID))
	if why := report.Refusal(""); !errors.As(err, &why) || done.Message == "" || strings.Contains(done.Message, string(why)) {
		t.Errorf("%v; the record says %q", err, done.Message)
	}
}
