package view

import (
	"strings"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
)

// Limits for a task's result as a line of JSON. systemd's journal cuts lines at 48 KiB,
// and readers cannot use half a line.
const (
	filesAtMost   = 50
	textsAtMost   = 20
	textLongest   = 500
	messageLonger = 2000
)

// runSummary is a run's summary without its tasks, which are objects of their own.
type runSummary struct {
	event.Summary
	Tasks int `json:"tasks"`
}

// previewed is a preview without its tasks, which are objects of their own.
type previewed struct {
	*report.Preview
	Tasks int `json:"tasks"`
}

// TaskSummary is the result of one task of a run, short enough for one line.
type TaskSummary struct {
	Run string `json:"run"`
	event.TaskResult
	// Omitted counts the files, causes and warnings that did not fit into the line.
	Omitted int `json:"omitted,omitempty"`
}

func summarized(run string, t event.TaskResult) TaskSummary {
	s := TaskSummary{Run: run, TaskResult: t}
	s.Message = cut(t.Message, messageLonger)
	s.Files = first(t.Files, filesAtMost, &s.Omitted)
	s.Causes = nil
	for _, c := range first(t.Causes, textsAtMost, &s.Omitted) {
		s.Causes = append(s.Causes, event.Cause{Code: c.Code, Message: cut(c.Message, textLongest)})
	}
	s.Warnings = nil
	for _, w := range first(t.Warnings, textsAtMost, &s.Omitted) {
		s.Warnings = append(s.Warnings, cut(w, textLongest))
	}
	return s
}

// first returns the first items of a list and adds the number of the others to omitted.
func first[T any](all []T, most int, omitted *int) []T {
	if len(all) <= most {
		return all
	}
	*omitted += len(all) - most
	return all[:most]
}

// cut shortens a text to most bytes.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// checked is a check without its findings, which are objects of their own.
type checked struct {
	*report.Check
	Subjects int `json:"subjects"`
}

// checkFinding is a finding of a check together with its subject.
type checkFinding struct {
	Kind report.CheckKind `json:"kind"`
	Name string           `json:"name"`
	sdk.Finding
}
