package lifecycle

import (
	"cmp"
	"container/heap"
	"slices"
)

// waiting holds the tasks that were not dispatched. It returns the next one that
// may start, in creation order, without looking at those that may not. The tasks
// of an activity on a device form a line, because they wait for the same things.
// A line whose first task cannot start is parked at what it waits for, until
// some of that is freed.
type waiting struct {
	tasks  []*Task // in creation order, those that wait no more included
	in     map[*Task]bool
	lines  map[string]*line
	open   lines // those that are not parked
	parked map[resource]*lines
}

// line is the tasks of one activity on one device, in creation order.
type line struct {
	tasks []numbered
	// first is the number of the line's first task when the line got its place.
	// Lines are ordered by it.
	first int
	// woken is the resource that the line was woken for, until the line is
	// looked at.
	woken resource
}

type numbered struct {
	*Task
	number int
}

// resource is what a line may wait for: a slot of a device or a label, or the
// end of another activity on its device.
type resource struct{ kind, name, value string }

// The kinds of resources.
const (
	ofDevice   = "device"
	ofLabel    = "label"
	ofActivity = "activity"
)

func newWaiting() *waiting {
	return &waiting{in: map[*Task]bool{}, lines: map[string]*line{}, parked: map[resource]*lines{}}
}

// add puts a task at the end of its line.
func (w *waiting) add(t *Task) {
	w.in[t] = true
	key := dependency(t.spec.Activity.Name, t.spec.Device)
	l := w.lines[key]
	n := numbered{t, len(w.tasks)}
	w.tasks = append(w.tasks, t)
	if l == nil {
		l = &line{tasks: []numbered{n}}
		w.lines[key] = l
		w.put(l)
		return
	}
	l.tasks = append(l.tasks, n)
}

// leave takes a task out that was dispatched or has ended.
func (w *waiting) leave(t *Task) { delete(w.in, t) }

func (w *waiting) len() int { return len(w.in) }

// all lists those that wait, in creation order.
func (w *waiting) all() []*Task {
	return slices.DeleteFunc(slices.Clone(w.tasks), func(t *Task) bool { return !w.in[t] })
}

// put makes a line one of those whose first task may be able to start.
func (w *waiting) put(l *line) {
	l.first = l.tasks[0].number
	heap.Push(&w.open, l)
}

// next takes out the line with the earliest first task among those that may be
// able to start, or returns nil. It also returns a line that has come to its
// end.
func (w *waiting) next() *line {
	for len(w.open) > 0 {
		l := heap.Pop(&w.open).(*line)
		for len(l.tasks) > 0 && !w.in[l.tasks[0].Task] {
			l.tasks = l.tasks[1:]
		}
		if len(l.tasks) == 0 || l.tasks[0].number == l.first {
			return l
		}
		w.put(l) // its first tasks ended meanwhile: others may come before it now
	}
	return nil
}

// park puts a line where it waits.
func (w *waiting) park(l *line, at resource) {
	p := w.parked[at]
	if p == nil {
		p = &lines{}
		w.parked[at] = p
	}
	l.first = l.tasks[0].number
	heap.Push(p, l)
}

// wake lets the first line that is parked at a resource be looked at. Each freed
// slot wakes one line. A line that cannot use the slot wakes the next.
func (w *waiting) wake(at resource) (woken bool) {
	p := w.parked[at]
	if p == nil {
		return false
	}
	l := heap.Pop(p).(*line)
	if len(*p) == 0 {
		delete(w.parked, at)
	}
	l.woken = at
	w.put(l)
	return true
}

// lines is a heap of lines by their first tasks.
type lines []*line

func (ls lines) Len() int           { return len(ls) }
func (ls lines) Less(i, j int) bool { return cmp.Less(ls[i].first, ls[j].first) }
func (ls lines) Swap(i, j int)      { ls[i], ls[j] = ls[j], ls[i] }

// Push implements [heap.Interface].
func (ls *lines) Push(x any) { *ls = append(*ls, x.(*line)) }

// Pop implements [heap.Interface].
func (ls *lines) Pop() any {
	old := *ls
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*ls = old[:len(old)-1]
	return l
}
