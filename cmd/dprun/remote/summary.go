package remote

import (
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/status"
)

// addTo adds to a summary what the journal tells of a task. It does not tell how
// large the copies are.
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
	case status.ClassSuccess: // counted by the journal
	case status.ClassSkipped:
		s.Skipped++
	case status.ClassCancelled:
		s.Cancelled++
	default:
		s.Failed++
	}
}
