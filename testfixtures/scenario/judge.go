package scenario

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/event"
)

// Reached reports whether a task entered a status.
func (o *Outcome) Reached(code string) bool {
	for _, r := range o.Runs {
		for task, h := range r.Histories {
			if task != "" && slices.Contains(codes(h), code) {
				return true
			}
		}
	}
	return false
}

func codes(h []event.Status) []string {
	var out []string
	for _, s := range h {
		out = append(out, s.Code)
	}
	return out
}

// Differences says how an outcome differs from what the scenario expects.
func (s *Scenario) Differences(o *Outcome) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for i, c := range s.steps.Commands {
		want := c.Exit
		if i == len(s.steps.Commands)-1 {
			want = s.Expect.Exit
		}
		if got, ok := o.Exits[c.Name]; !ok || got != want {
			add("dprun %s: exit code %d, want %d", c.Name, got, want)
		}
		if d := cmp.Diff(c.Owes, o.Owes[c.Name]); d != "" {
			add("what dprun %s lists as owed (-want +got):\n%s", c.Name, d)
		}
	}
	if len(o.Runs) == 0 {
		add("there is no run")
		return out
	}
	if h := o.Runs[len(o.Runs)-1].Histories[""]; s.Expect.Code != "" && (len(h) == 0 || h[len(h)-1].Code != s.Expect.Code) {
		add("the run's own codes are %v, want %s at the end", codes(h), s.Expect.Code)
	}
	for _, t := range s.Expect.Tasks {
		out = append(out, t.differences(o)...)
	}
	if d := cmp.Diff(slices.Sorted(slices.Values(s.Expect.Down)), slices.Sorted(slices.Values(o.Down))); d != "" {
		add("domains that are not in service (-want +got):\n%s", d)
	}
	if len(o.Crossed) > 0 {
		add("temporary: had less room than the gateway's own limit on %v", o.Crossed)
	}
	if s.Expect.Left != len(o.Left) {
		add("%d files are left on the gateways, want %d: %v", len(o.Left), s.Expect.Left, o.Left)
	}
	if s.Expect.Stored != nil && *s.Expect.Stored != len(o.Stored) {
		add("%d files at the destination, want %d: %v", len(o.Stored), *s.Expect.Stored, o.Stored)
	}
	if !slices.ContainsFunc(s.Expect.Tasks, func(t ExpectedTask) bool { return slices.Contains(t.History, s.Code) }) {
		add("no history that is expected holds %s, which the scenario is about", s.Code)
	}
	if !o.Reached(s.Code) {
		add("%s was not reached", s.Code)
	}
	return out
}

// seen finds the task that is meant, and the number of its run.
func (t ExpectedTask) seen(o *Outcome) (history []event.Status, run int, err error) {
	runs := o.Runs
	if t.Plan != "" {
		runs = slices.DeleteFunc(slices.Clone(runs), func(r Run) bool { return r.Plan != t.Plan })
	}
	run = len(runs)
	if t.Run > 0 {
		run = t.Run
	}
	if run == 0 || run > len(runs) {
		return nil, run, fmt.Errorf("task %s: there is no run %d", t.ID, run)
	}
	h, ok := runs[run-1].Histories[t.ID]
	if !ok {
		return nil, run, fmt.Errorf("run %d has no task %s", run, t.ID)
	}
	return h, run, nil
}

func (t ExpectedTask) differences(o *Outcome) []string {
	h, run, err := t.seen(o)
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	if d := cmp.Diff(t.History, codes(h)); d != "" {
		out = append(out, fmt.Sprintf("history of %s in run %d (-want +got):\n%s", t.ID, run, d))
	}
	for i, s := range h {
		if s.Final != (i == len(h)-1 && !t.Unfinished) {
			out = append(out, fmt.Sprintf("history of %s in run %d: entry %d (%s) has final = %t", t.ID, run, i+1, s.Code, s.Final))
		}
	}
	if last := h[len(h)-1]; !strings.Contains(last.Message, t.Message) {
		out = append(out, fmt.Sprintf("task %s ended with %q, and %q is not in it", t.ID, last.Message, t.Message))
	} else if len(t.Warnings) > 0 && !slices.EqualFunc(last.Warnings, t.Warnings, strings.Contains) {
		out = append(out, fmt.Sprintf("task %s ended with the warnings %q, want %q", t.ID, last.Warnings, t.Warnings))
	}
	return out
}
