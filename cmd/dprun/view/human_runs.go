package view

import (
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
)

func (h *Human) showRuns(b *strings.Builder, p painter, rows []report.Run) {
	if len(rows) == 0 {
		b.WriteString("No runs" + h.where() + ".\n")
		return
	}
	t := table{head: []string{"RUN", "PLAN", "STARTED", "TIME", "TASKS", "STATUS", "EXIT"}}
	for _, r := range rows {
		t.add(runCells(r)...)
	}
	t.write(b, p, "")
}

func runCells(r report.Run) []cell {
	took, exit := "", ""
	status := toned(r.Code, toneOf(r.Code))
	if !r.Ended.IsZero() {
		took = Span(r.Ended.Sub(r.Started))
	}
	if r.ExitCode != nil {
		exit = fmt.Sprint(*r.ExitCode)
	}
	if !r.Final {
		status = toned(strings.TrimSpace("unfinished "+r.Code), yellow)
	}
	plan := r.Plan
	if r.Narrowed {
		plan += " (narrowed)"
	}
	return []cell{text(r.ID), text(plan), text(stamp(r.Started)), number(took), number(fmt.Sprintf("%d/%d", r.Succeeded, r.Tasks)), status, number(exit)}
}

func (h *Human) showRunDetail(b *strings.Builder, p painter, r report.RunDetail) {
	t := table{head: []string{"RUN", "PLAN", "STARTED", "TIME", "TASKS", "STATUS", "EXIT"}}
	t.add(runCells(r.Run)...)
	t.write(b, p, "")
	if r.Only != "" {
		fmt.Fprintf(b, "\nNarrowed to %s.\n", Clean(r.Only))
	}
	if a := r.Asked; a != nil {
		fmt.Fprintf(b, "\nAsked for %s.\n", Clean(askedBy(a.At, a.By, a.Change, a.Reason)))
	}
	if c := r.Cancelled; c != nil {
		fmt.Fprintf(b, "\nCancelled %s.\n", Clean(askedBy(c.At, c.By, c.Change, c.Reason)))
	}
	writeRooms(b, p, r.Rooms)
	if len(r.History) > 0 {
		fmt.Fprintf(b, "\n%s\n", p.paint(bold, "The run"))
		writeTimeline(b, p, r.History)
	}
	for k := range details(r) {
		h.result(b.String()) // written task by task, because there may be very many
		b.Reset()
		fmt.Fprintf(b, "\n%s  %s\n", p.paint(bold, Clean(k.Task)), p.paint(toneOf(k.Code), Clean(k.Code)))
		writeTimeline(b, p, k.History)
		for _, f := range k.Files {
			fmt.Fprintf(b, "  stored: %s\n", Clean(f))
		}
	}
	writeStops(b, p, r.Stops)
	if r.Restore != nil {
		h.showRestore(b, p, *r.Restore)
	}
	if len(r.Staged) > 0 {
		fmt.Fprintf(b, "\n%s\n", p.paint(bold, "Kept in staging"))
		writeStaged(b, p, r.Staged)
	}
}

// askedBy tells who asked a server for something, when and why.
func askedBy(at time.Time, by, change, reason string) string {
	s := "by " + by + " at " + stamp(at)
	if change != "" {
		s += ", change " + change
	}
	if reason != "" {
		s += ": " + reason
	}
	return s
}

// fillsSoon is how long before a destination is full it deserves attention.
const fillsSoon = 14 * 24 * time.Hour

// writeRooms lists the free space of destinations.
func writeRooms(b *strings.Builder, p painter, rooms []report.Room) {
	if len(rooms) == 0 {
		return
	}
	t := table{head: []string{"DESTINATION", "FREE", "OF", "SEEN", ""}}
	for _, r := range rooms {
		free, total, fills := Size(r.Free), Size(r.Total), cell{}
		if r.Free < 0 {
			free, total = "not told", ""
		}
		if r.FillsIn > 0 {
			fills = text("full in " + Span(r.FillsIn) + ", at the current rate")
			if r.FillsIn < fillsSoon {
				fills = toned(fills.text, yellow)
			}
		}
		t.add(text(r.Destination), number(free), number(total), text(stamp(r.At)), fills)
	}
	b.WriteString("\n")
	t.write(b, p, "")
}

// details yields the tasks of a run up to the first error of reading them. The caller
// that asked for the run keeps that error.
func details(r report.RunDetail) iter.Seq[report.Task] {
	return func(yield func(report.Task) bool) {
		if r.Details == nil {
			return
		}
		for t, err := range r.Details {
			if err != nil || !yield(t) {
				return
			}
		}
	}
}

// writeTimeline lists the statuses of a history: when each was entered, how long after
// the first one, and how long it lasted.
func writeTimeline(b *strings.Builder, p painter, history []event.Status) {
	t := table{head: []string{"TIME", "AT", "LASTED", "STATUS", "MESSAGE"}}
	for i, s := range history {
		lasted := ""
		if i+1 < len(history) {
			lasted = Span(history[i+1].Time.Sub(s.Time))
		}
		at := "+" + Span(s.Time.Sub(history[0].Time))
		code := toned(s.Code, toneOf(s.Code))
		if s.Final {
			code.text += " (final)"
		}
		t.add(text(s.Time.Format("2006-01-02 15:04:05.000Z07:00")), number(at), number(lasted), code, text(s.Message))
	}
	t.write(b, p, "  ")
	if len(history) == 0 {
		return
	}
	last := history[len(history)-1]
	writeCauses(b, p, "  ", last.Causes)
	for _, w := range last.Warnings {
		fmt.Fprintf(b, "  %s %s\n", p.paint(yellow, "warning:"), Clean(w))
	}
}

func writeStaged(b *strings.Builder, p painter, staged []report.Staged) {
	t := table{head: []string{"RUN", "TASK", "FILES", "SIZE", "PATH"}}
	for _, s := range staged {
		t.add(text(s.Run), text(s.Task), number(fmt.Sprint(s.Files)), number(Size(s.Bytes)), text(s.Path))
	}
	t.write(b, p, "  ")
}

func (h *Human) showLogs(b *strings.Builder, p painter, logs []event.Log) {
	for _, l := range logs {
		fmt.Fprintf(b, "%s %s\n", p.paint(faint, l.Time.Format(time.RFC3339)), logLine(l))
	}
}

func (h *Human) showSwept(b *strings.Builder, p painter, v report.Swept) {
	fmt.Fprintf(b, "%s: removed %s.\n", Clean(v.Destination), plural(len(v.Removed), "temporary file", "temporary files"))
	indented(b, "  ", v.Removed)
	if v.Error != "" {
		fmt.Fprintf(b, "  %s %s\n", p.paint(red, "Error:"), Clean(v.Error))
	}
}

func (h *Human) showPruned(b *strings.Builder, p painter, v report.Pruned) {
	var bytes int64
	for _, s := range v.Staged {
		bytes += s.Bytes
	}
	did := "Removed"
	if v.DryRun {
		did = "Would remove"
	}
	fmt.Fprintf(b, "%s %s and staged files of %s (%s).\n", did, plural(len(v.Runs), "run", "runs"), plural(len(v.Staged), "task", "tasks"), Size(bytes))
	for _, r := range v.Runs {
		fmt.Fprintf(b, "  run %s\n", Clean(r))
	}
	if len(v.Staged) > 0 {
		writeStaged(b, p, v.Staged)
	}
	for _, k := range v.Kept {
		why := "it left something that must be undone; see dprun owed"
		if k.Why == "last_good" {
			why = "no newer run has a good copy of some device or domain"
		}
		fmt.Fprintf(b, "  run %s stays: %s\n", Clean(k.Run), why)
	}
}
