package view

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/status"
)

// namedInGroup is how many tasks of a group are named. Smaller groups are reported one
// by one.
const namedInGroup = 3

// Told says how much of a run's course the view prints on standard error.
type Told int

// The amounts of detail.
const (
	Steps    Told = iota // of each task: its beginning, when a domain goes out of service and comes back, and its end
	All                  // every status
	Failures             // only failures
)

// group collects tasks that end alike at the same moment, such as those that a signal
// cancels.
type group struct {
	code, message string
	at            time.Time
	tasks         []string
}

// milestones are the interim statuses that are reported off a terminal, in words: those
// that say that a task has begun its work, and those about a gateway's service.
var milestones = map[status.Code]string{
	status.ExecutionStarted:        "starting",
	status.WaitingForPermit:        "waiting",
	status.QuiesceStarted:          "quiescing",
	status.UnquiesceStarted:        "unquiescing",
	status.UnquiesceOnErrorStarted: "unquiescing, since the task ends early",
	status.UnquiesceDone:           "back in service",
}

// called reports whether a status is the end of a task that was cancelled or not
// started. Such endings often come in great numbers.
func called(s event.Status) bool {
	e, ok := status.Lookup(status.Code(s.Code))
	return ok && s.Final && s.Task != "" && len(s.Causes) == 0 && (e.Class == status.ClassCancelled || e.Class == status.ClassSkipped)
}

// news says what a status means to somebody who follows the run. It returns nothing if
// the status is not worth a line.
func (h *Human) news(s event.Status) string {
	what, code, message := s.Task, s.Code, s.Message
	what = cmp.Or(what, "run")
	e, known := status.Lookup(status.Code(s.Code))
	interim := known && e.Class == status.ClassInterim
	switch {
	case h.o.Told == Failures && !(s.Final && bad(s.Code)),
		h.o.Told == Steps && s.Task != "" && !s.Final && known && e.Class == status.ClassCancelled, // reported when the task has ended
		h.o.Live && s.Task != "" && !s.Final: // the screen shows it
		return ""
	case h.o.Told == Steps && s.Task != "" && interim:
		if status.Code(s.Code) != status.WaitingForPermit { // its message names what the task waits for
			message = ""
		}
		if code = milestones[status.Code(s.Code)]; code == "" {
			return ""
		}
	}
	l := fmt.Sprintf("%s %s %s", h.errP.paint(faint, stamp(s.Time)), Clean(what), h.errP.paint(toneOf(s.Code), Clean(code)))
	if message != "" {
		l += ": " + Clean(message)
	}
	if s.Task == "" && !s.Final {
		for _, w := range s.Warnings {
			l += "\n  " + h.errP.paint(yellow, "warning: "+Clean(w))
		}
	}
	return l + "\n"
}

// collect adds a task to the group of those that end alike. It first reports a group
// that ended otherwise.
func (h *Human) collect(s event.Status) {
	if h.group.code != s.Code || h.group.message != s.Message {
		h.flush()
		h.group = group{code: s.Code, message: s.Message, at: s.Time}
	}
	h.group.tasks = append(h.group.tasks, s.Task)
}

// flush reports the collected tasks.
func (h *Human) flush() {
	g := h.group
	h.group = group{}
	if len(g.tasks) == 0 {
		return
	}
	if len(g.tasks) <= namedInGroup {
		for _, task := range g.tasks {
			h.put(h.news(event.Status{Task: task, Code: g.code, Message: g.message, Final: true, Time: g.at}))
		}
		return
	}
	text := h.news(event.Status{Task: plural(len(g.tasks), "task", "tasks"), Code: g.code, Message: g.message, Final: true, Time: g.at})
	if text != "" {
		h.put(strings.TrimSuffix(text, "\n") + " (" + named(g.tasks) + ")\n")
	}
}

// named names the first tasks of a list and counts the rest.
func named(tasks []string) string {
	if len(tasks) <= namedInGroup {
		return Clean(strings.Join(tasks, ", "))
	}
	return Clean(strings.Join(tasks[:namedInGroup], ", ")) + fmt.Sprintf(" and %d more", len(tasks)-namedInGroup)
}
