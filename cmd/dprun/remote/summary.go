package remote

import (
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/status"
)

// addTo adds a task from the journal to a summary. The size of the copies stays 0,
// because the journal does not hold it.
func addTo(s *event.Summary, t report.Task) {
	if !t.Final || len(t.History) == 0 {
		return
	}
	last := t.History[len(t.History)-1]
	r := event.TaskResult{Task: t.Task, Activity: t.Activity, Device: t.Device, Domain: t.Domain, Code: t.Code, Message: last.Message, Files: t.Files, Causes: last.Causes, Warnings: last.Warnings}
	for _, st := range t.History {
		if st.Code == string(status.ExecutionStarted) {
			r.Duration = last.Time.Sub(st.Time)
		}
	}
	s.Tasks = append(s.Tasks, r)
	switch e, _ := status.Lookup(status.Code(t.Code)); e.Class {
	case status.ClassSuccess: // the journal counts these
	case status.ClassSkipped:
		s.Skipped++
	case status.ClassCancelled:
		s.Cancelled++
	default:
		s.Failed++
	}
}
