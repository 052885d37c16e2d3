package runner

import (
	"slices"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/event"
)

// stuck is a sink that stops at one status until it is released.
type stuck struct {
	at  int
	let chan struct{}
	got []int
	end bool
}

func (s *stuck) Status(st event.Status) {
	if st.Seq == s.at {
		<-s.let
	}
	s.got = append(s.got, st.Seq)
}
func (s *stuck) Run(event.RunInfo)       {}
func (s *stuck) Progress(event.Progress) {}
func (s *stuck) Log(event.Log)           {}
func (s *stuck) Summary(event.Summary)   { s.end = true }
func (s *stuck) Settled(event.Settled)   {}

func TestAStoppedViewStopsNoRun(t *testing.T) {
	t.Parallel()
	s := &stuck{at: 3, let: make(chan struct{})}
	o := newPatientSink(s)
	o.patience = 20 * time.Millisecond
	const n = 1000
	var want []int
	passed := make(chan struct{})
	go func() {
		defer close(passed)
		for i := 1; i <= n; i++ {
			o.Status(event.Status{Seq: i})
			o.Progress(event.Progress{})
		}
	}()
	select {
	case <-passed:
	case <-time.After(time.Minute):
		t.Fatal("the run waits for its view")
	}
	for i := 1; i <= n; i++ {
		want = append(want, i)
	}
	close(s.let)
	o.Summary(event.Summary{})
	if !s.end || !slices.Equal(s.got, want) {
		t.Errorf("shown: %d of %d, in order %v, summary %v", len(s.got), n, slices.IsSorted(s.got), s.end)
	}
	for deadline := time.Now().Add(time.Minute); o.behind() && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond) // until everything late is shown
	}
	o.patience = 10 * time.Second
	o.Status(event.Status{Seq: n + 1}) // the run waits for it again
	if len(s.got) != n+1 {
		t.Error("the view is still taken for late")
	}
}

// It is also waited for only once.
func TestStatusesOfACommitAreShownInTheirOrder(t *testing.T) {
	t.Parallel()
	s := &stuck{at: 3, let: make(chan struct{})}
	o := newPatientSink(s)
	o.patience = 20 * time.Millisecond
	o.Statuses([]event.Status{{Seq: 1}, {Seq: 2}, {Seq: 3}, {Seq: 4}})
	o.Status(event.Status{Seq: 5})
	close(s.let)
	o.Summary(event.Summary{})
	if !slices.Equal(s.got, []int{1, 2, 3, 4, 5}) {
		t.Errorf("shown: %v", s.got)
	}
}

func TestAPanicOfAViewIsItsCallers(t *testing.T) {
	t.Parallel()
	o := newPatientSink(&stuck{at: -1})
	o.sink = nil
	if failed := call(func() { o.Status(event.Status{}) }); failed == nil {
		t.Error("nobody is told")
	}
}
