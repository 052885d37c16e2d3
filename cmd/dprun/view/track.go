package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/status"
)

// Limits of what is remembered for the screen.
const (
	keptLines  = 10               // output lines of each task
	rateWindow = 10 * time.Second // the time over which a rate is measured
)

// tracker derives the state of a run from the published events.
type tracker struct {
	run     event.RunInfo
	tasks   map[string]*tracked // all known tasks; nil: it waits, or has ended
	active  []*tracked          // tasks under way, the earliest first
	done    int
	called  int       // cancelled tasks, which are not in done
	began   time.Time // when the first task left the queue
	moved   []movement
	logs    map[string][]event.Log // the last lines of each task; those of the run are under ""
	runCode string
}

type tracked struct {
	id       string
	status   event.Status
	since    time.Time // when the status was entered
	progress *event.Progress
	moved    []movement
	active   bool
}

// movement is a number of bytes transferred up to a time.
type movement struct {
	at    time.Time
	bytes int64
}

func newTracker(r event.RunInfo) *tracker {
	return &tracker{run: r, tasks: map[string]*tracked{}, logs: map[string][]event.Log{}}
}

// task returns the entry of a task and adds one if it is missing.
func (t *tracker) task(id string) *tracked {
	k := t.tasks[id]
	if k == nil {
		k = &tracked{id: id}
		t.tasks[id] = k
	}
	return k
}

func (t *tracker) status(s event.Status) {
	if s.Task == "" {
		t.runCode = s.Code
		return
	}
	known, class := t.tasks[s.Task], classOf(s.Code)
	switch {
	case s.Final:
		if class == status.ClassCancelled {
			t.called++
		} else {
			t.done++
		}
		if class == status.ClassSuccess {
			delete(t.logs, s.Task) // only failures show them
		}
		t.tasks[s.Task] = nil
		if known != nil && known.active {
			t.active = slices.DeleteFunc(t.active, func(x *tracked) bool { return x == known })
		}
		return
	case known == nil && phase(s.Code) < dispatch:
		t.tasks[s.Task] = nil
		return
	}
	k := t.task(s.Task)
	if k.status.Code != s.Code {
		k.progress, k.moved = nil, nil
	}
	k.status, k.since = s, s.Time
	if !k.active && phase(s.Code) >= dispatch {
		k.active = true
		t.active = append(t.active, k)
		if t.began.IsZero() {
			t.began = s.Time
		}
	}
}

func classOf(code string) status.Class {
	e, _ := status.Lookup(status.Code(code))
	return e.Class
}

func (t *tracker) news(p event.Progress) {
	k := t.task(p.Task)
	delta := p.Bytes
	if k.progress != nil && k.progress.Action == p.Action {
		delta -= k.progress.Bytes
	}
	m := movement{p.Time, max(0, delta)}
	k.progress = &p
	k.moved = recent(append(k.moved, m), p.Time)
	t.moved = recent(append(t.moved, m), p.Time)
}

func (t *tracker) log(l event.Log) {
	kept := append(t.logs[l.Task], l)
	if len(kept) > keptLines {
		kept = slices.Delete(kept, 0, len(kept)-keptLines)
	}
	t.logs[l.Task] = kept
}

// recent drops the movements outside the window over which rates are measured.
func recent(m []movement, now time.Time) []movement {
	i := 0
	for i < len(m) && now.Sub(m[i].at) > rateWindow {
		i++
	}
	return slices.Delete(m, 0, i)
}

// rate returns the current number of bytes a second; 0 when nothing moves.
func rate(m []movement, now time.Time) float64 {
	m = recent(slices.Clone(m), now)
	if len(m) < 2 {
		return 0
	}
	var sum int64
	for _, x := range m[1:] { // the bytes of the first one came before the window
		sum += x.bytes
	}
	d := now.Sub(m[0].at).Seconds()
	if d < 0.5 {
		return 0
	}
	return float64(sum) / d
}

// eta estimates how long the remaining tasks take at the pace so far; 0 when there is
// no estimate.
func (t *tracker) eta(now time.Time) time.Duration {
	left := len(t.tasks) - t.done - t.called
	if t.began.IsZero() || t.done == 0 || left == 0 {
		return 0
	}
	return (now.Sub(t.began) / time.Duration(t.done)) * time.Duration(left)
}

// dispatch is the first phase in which a task counts as under way.
const dispatch = 4

// phase returns the phase of a code; -1 if the code is unknown or has no phase.
func phase(code string) int {
	e, ok := status.Lookup(status.Code(code))
	if !ok || len(e.Phases) == 0 {
		return -1
	}
	return e.Phases[0]
}

// doing says what a task is doing, from its transfer or else from its status.
func (k *tracked) doing() string {
	if k.progress != nil {
		switch id, _ := lifecycle.ParseActionID(k.progress.Action); id.Kind {
		case lifecycle.ActCapture:
			return "capturing"
		case lifecycle.ActStore:
			return "storing at " + Clean(id.Target)
		}
	}
	switch status.Code(k.status.Code) { // between two phases
	case status.WaitingForPermit:
		return "waiting for quiesce_guard"
	case status.WaitingForBeforeQuiesceScript:
		return "before_quiesce script"
	case status.WaitingForAfterUnquiesceScript:
		return "after_unquiesce script"
	}
	if names := status.Doing(phase(k.status.Code)); len(names) > 0 {
		return names[0]
	}
	return strings.ToLower(Clean(k.status.Code))
}

// amount says how far a task's transfer has come.
func (k *tracked) amount(now time.Time) string {
	if k.progress == nil {
		return ""
	}
	s := Size(k.progress.Bytes)
	if k.progress.Total > 0 {
		s += " of " + Size(k.progress.Total)
	}
	if r := rate(k.moved, now); r >= 1 {
		s += ", " + Size(int64(r)) + "/s"
	}
	return s
}

// overall describes the state of the run in one line.
func (t *tracker) overall(now time.Time) string {
	parts := []string{fmt.Sprintf("%d of %s done", t.done, plural(len(t.tasks), "task", "tasks"))}
	if t.called > 0 {
		parts = append(parts, fmt.Sprintf("%d cancelled", t.called))
	}
	if n := len(t.active); n > 0 {
		parts = append(parts, plural(n, "under way", "under way"))
	}
	if r := rate(t.moved, now); r >= 1 {
		parts = append(parts, Size(int64(r))+"/s")
	}
	parts = append(parts, Span(now.Sub(t.run.Started)))
	if d := t.eta(now); d >= time.Second {
		parts = append(parts, "about "+Span(d)+" left")
	}
	return strings.Join(parts, " · ")
}

// longest sorts tasks by the time that they have spent in their status, longest first.
func longest(tasks []*tracked) []*tracked {
	return slices.SortedStableFunc(slices.Values(tasks), func(a, b *tracked) int { return cmp.Compare(a.since.UnixNano(), b.since.UnixNano()) })
}
