package engine

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dprun/dprun/plan/pattern"
	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// outside stands for the world: a device whose domain quiesces and returns at once.
type outside struct {
	mu       sync.Mutex
	quiesced bool
	calls    []string
	on       func(ctx context.Context, j Job) (*event.Result, error, bool)
}

func (o *outside) Do(ctx context.Context, j Job) (*event.Result, error) {
	o.mu.Lock()
	o.calls = append(o.calls, j.Action.String())
	o.mu.Unlock()
	if o.on != nil {
		if r, err, ok := o.on(ctx, j); ok {
			return r, err
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	state := sdk.StateNormal
	if o.quiesced {
		state = sdk.StateQuiesced
	}
	switch j.Action.Kind {
	case lifecycle.ActInspect:
		return &event.Result{Inspection: &sdk.Inspection{Domains: []sdk.Domain{{Name: "default"}, {Name: "orders"}}}}, nil
	case lifecycle.ActCheckDestination:
		return &event.Result{Destination: &sdk.DestinationReport{Free: -1, Total: -1}}, nil
	case lifecycle.ActPrepare:
		return &event.Result{Prepared: &event.Prepared{Stamp: "s", Sets: map[string]string{"file.a": "x"}}}, nil
	case lifecycle.ActProbe, lifecycle.ActQuiesceState, lifecycle.ActUnquiesceState:
		return &event.Result{Quiesce: &sdk.QuiesceReport{State: state}}, nil
	case lifecycle.ActValidate, lifecycle.ActCheck, lifecycle.ActRecheck:
		return &event.Result{Check: &sdk.CheckReport{Quiesce: sdk.QuiesceReport{State: state}, Space: sdk.Space{FreeTemporary: -1}, Variants: []string{"persisted"}}}, nil
	case lifecycle.ActQuiesce:
		o.quiesced = true
	case lifecycle.ActUnquiesce:
		o.quiesced = false
	case lifecycle.ActCapture:
		return &event.Result{Capture: &event.Captured{Variant: "persisted", Artifacts: []event.Artifact{{Name: "a.zip", Size: 3}}}}, nil
	case lifecycle.ActStore, lifecycle.ActManifest:
		return &event.Result{Store: &sdk.StoreReport{Location: "there", Durable: true, ModeKept: true}}, nil
	}
	return &event.Result{}, nil
}

func (o *outside) called(id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Contains(o.calls, id)
}

// notebook is a journal and a sink that checks their order.
type notebook struct {
	t         *testing.T
	mu        sync.Mutex
	committed map[string]int
	events    []event.Event
	statuses  []event.Status
	owed      map[string]bool
	fail      func(Batch) error
}

func (n *notebook) Owe(Batch) error { return nil }

func (n *notebook) Paid(b Batch) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, o := range b.Pay {
		delete(n.owed, o.ID)
	}
}

func (n *notebook) Append(_ context.Context, b Batch) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fail != nil {
		if err := n.fail(b); err != nil {
			return err
		}
	}
	n.events = append(n.events, b.Events...)
	for _, s := range b.Statuses {
		n.committed[s.Task+s.Code]++
	}
	for _, o := range b.Owe {
		n.owed[o.ID] = true
	}
	return nil
}

func (n *notebook) Status(s event.Status) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fail == nil && n.committed[s.Task+s.Code] == 0 {
		n.t.Errorf("%s published before its commit", s.Code)
	}
	n.statuses = append(n.statuses, s)
}
func (n *notebook) Run(event.RunInfo)       {}
func (n *notebook) Progress(event.Progress) {}
func (n *notebook) Log(event.Log)           {}
func (n *notebook) Summary(event.Summary)   {}
func (n *notebook) Settled(event.Settled)   {}

func (n *notebook) codes() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []string
	for _, s := range n.statuses {
		if s.Task != "" {
			out = append(out, s.Code)
		}
	}
	return out
}

type harness struct {
	engine *Engine
	out    *outside
	book   *notebook
	stop   chan string
}

func newHarness(t *testing.T) *harness {
	h := &harness{out: &outside{}, book: &notebook{t: t, committed: map[string]int{}, owed: map[string]bool{}}, stop: make(chan string, 1)}
	run := lifecycle.NewRun(lifecycle.RunSpec{
		ID: "r", Plan: "p", Limits: lifecycle.Limits{Parallel: 2},
		Timeouts:     lifecycle.Timeouts{Queue: 24 * time.Hour, Run: time.Hour, Quiesce: time.Minute, Unquiesce: time.Minute, Grace: 3 * time.Minute, Store: time.Hour},
		Destinations: []lifecycle.Destination{{Name: "file.a", Parallel: 1}},
		Devices:      map[string]lifecycle.Device{"d1": {}},
		Activities: []lifecycle.Activity{{Name: "exports", Type: "export_domain", Scope: schema.ScopeDomain, Quiesce: lifecycle.QuiesceDomain,
			Devices: []string{"d1"}, Domains: pattern.Set{{Match: []string{"orders"}}}}},
	})
	h.engine = New(Options{Run: run, Executor: h.out, Journal: h.book, Clock: clock.System{}, Sink: h.book, Log: slog.New(slog.DiscardHandler), Signals: h.stop})
	return h
}

// run drives the engine to its end. In a bubble of synctest time passes by
// itself, and an engine that does not end fails the test.
func (h *harness) run(t *testing.T) int {
	t.Helper()
	return h.engine.Run(t.Context(), event.Event{Kind: event.RunStarted})
}

func TestOneDomainWalksTheWholeWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		if exit := h.run(t); exit != 0 {
			t.Errorf("exit %d; %v", exit, h.book.codes())
		}
		want := []string{"WAITING_FOR_PRE_VALIDATION", "READY_FOR_EXECUTION", "SENT_TO_MDB", "EXECUTION_STARTED", "EXECUTION_PRE_CHECKS_STARTED",
			"EXECUTION_QUIESCE_STARTED", "EXECUTION_QUIESCE_WAITING_FOR_QUIESCE", "EXECUTION_EXPORT_DOMAIN_PERSISTED_STARTED", "EXECUTION_EXPORT_DOMAIN_PERSISTED_DONE",
			"EXECUTION_UNQUIESCE_STARTED", "EXECUTION_UNQUIESCE_WAITING_FOR_UNQUIESCE", "EXECUTION_UNQUIESCE_DONE", "EXECUTION_STORE_STARTED", "EXECUTION_STORE_DONE", "SUCCESS"}
		if got := h.book.codes(); !slices.Equal(got, want) {
			t.Errorf("history\n got %v\nwant %v", got, want)
		}
		if len(h.book.owed) > 0 {
			t.Errorf("still owed: %v", h.book.owed)
		}
	})
}

func TestACancelledCaptureIsUndone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
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
		if h.out.quiesced || len(h.book.owed) > 0 {
			t.Errorf("quiesced %v, owed %v", h.out.quiesced, h.book.owed)
		}
		if got := h.book.codes(); got[len(got)-1] != "EXECUTION_CANCELED_BY_USER" {
			t.Errorf("history %v", got)
		}
	})
}

func TestWithoutAJournalNothingIsQuiescedAndWhatIsOwedIsDone(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]string{"before the quiesce": "quiesce/1", "while quiesced": "capture/persisted/1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t)
				h.book.fail = func(b Batch) error {
					for _, e := range b.Events {
						if e.Action == at {
							return errors.New("disk full")
						}
					}
					return nil
				}
				if exit := h.run(t); exit == 0 {
					t.Errorf("exit 0 without a journal")
				}
				if h.out.quiesced {
					t.Errorf("left quiesced; %v", h.book.codes())
				}
				if sent := h.out.called("quiesce/1"); sent != (at != "quiesce/1") {
					t.Errorf("quiesce sent: %v", sent)
				}
			})
		})
	}
}

func TestAPanicInAnActionEndsTheTaskAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.out.on = func(_ context.Context, j Job) (*event.Result, error, bool) {
			if j.Action.Kind == lifecycle.ActCapture {
				panic("boom")
			}
			return nil, nil, false
		}
		if exit := h.run(t); exit != 1 {
			t.Errorf("exit %d", exit)
		}
		if got := h.book.codes(); got[len(got)-1] != "EXECUTION_FAILED_WITH_INTERNAL_EXCEPTION" || h.out.quiesced {
			t.Errorf("history %v, quiesced %v", got, h.out.quiesced)
		}
	})
}
