package view

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/event"
)

// Run implements [event.Sink].
func (h *Human) Run(r event.RunInfo) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.end()
	verb := "Run"
	if r.Recovery {
		verb = "Finishing the interrupted run"
	}
	if h.o.Told != Failures {
		h.say(fmt.Sprintf("%s %s of plan %s%s\n", verb, Clean(r.Run), h.errP.paint(bold, Clean(r.Plan)), narrowed(r.Only)))
	}
	h.track, h.ended = newTracker(r), map[string]alike{}
	h.start()
}

// narrowed names the part of the plan that a run is for; empty: all of it.
func narrowed(only string) string {
	if only == "" {
		return ""
	}
	return ", narrowed to " + Clean(only)
}

// tracking returns the tracker of a run. It starts one if the run was not announced.
func (h *Human) tracking(run, plan string) *tracker {
	if h.track == nil {
		h.track, h.ended = newTracker(event.RunInfo{Run: run, Plan: plan, Started: h.o.Now()}), map[string]alike{}
		h.start()
	}
	return h.track
}

// Status implements [event.Sink].
func (h *Human) Status(s event.Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tracking(s.Run, s.Plan).status(s)
	if s.Final && h.o.Together && !h.o.Live {
		h.ended[s.Task] = alike{s.Code, s.Message}
	}
	if called(s) {
		h.collect(s)
		return
	}
	if text := h.news(s); text != "" {
		h.say(text)
	}
}

// Stopping implements [View].
func (h *Human) Stopping(signal string, again bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.track == nil && h.paying.IsZero() {
		return // nothing to wait for
	}
	text := signal + ": dprun starts nothing new and brings back what is quiesced; a second signal shortens the time for that"
	if again {
		text = signal + " again: less time is left to bring back what is quiesced"
	}
	h.say(h.errP.paint(yellow, Clean(text)) + "\n")
}

// Progress implements [event.Sink].
func (h *Human) Progress(p event.Progress) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tracking(p.Run, "").news(p)
}

// Log implements [event.Sink].
func (h *Human) Log(l event.Log) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tracking(l.Run, "").log(l)
	if h.o.Told == Failures {
		return // shown with the task that fails
	}
	h.say(h.errP.paint(faint, stamp(l.Time)+" "+logLine(l)) + "\n")
}

// logLine is a line of a script's output, preceded by its task and stream.
func logLine(l event.Log) string {
	return fmt.Sprintf("%s %s| %s", Clean(cmp.Or(l.Task, "run")), Clean(l.Stream), Clean(strings.TrimRight(l.Text, "\r\n")))
}

// writeCauses lists the other causes of a failure.
func writeCauses(b *strings.Builder, p painter, indent string, causes []event.Cause) {
	for _, c := range causes {
		fmt.Fprintf(b, "%salso %s", indent, p.paint(toneOf(c.Code), Clean(c.Code)))
		if c.Message != "" {
			b.WriteString(": " + Clean(c.Message))
		}
		b.WriteString("\n")
	}
}

func writeLast(b *strings.Builder, p painter, logs []event.Log) {
	for _, l := range logs {
		fmt.Fprintf(b, "    %s\n", p.paint(faint, Clean(l.Stream)+"| "+Clean(strings.TrimRight(l.Text, "\r\n"))))
	}
}

// some returns text, or nothing if n is 0.
func some[N int | int64](n N, text string) string {
	if n > 0 {
		return text
	}
	return ""
}

// Summary implements [event.Sink].
func (h *Human) Summary(s event.Summary) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var logs map[string][]event.Log
	if h.track != nil {
		logs = h.track.logs
	}
	h.end()
	var b strings.Builder
	if h.o.Told != Failures {
		writeSummary(&b, h.outP, s, logs, h.ended)
	} else if s.ExitCode != 0 || s.ProcessExit != 0 || warned(s) {
		writeFailures(&b, h.outP, s, logs, h.ended)
		writeVerdict(&b, h.outP, s)
	}
	h.owed = append(h.owed, s.Owed...)
	h.result(b.String())
}

// Settled implements [event.Sink]. It always prints, because a target was out of
// service for longer than the run intended.
func (h *Human) Settled(s event.Settled) {
	h.mu.Lock()
	defer h.mu.Unlock()
	where := Clean(s.Device)
	if s.Domain != "" {
		where += " / " + Clean(s.Domain)
	}
	text := h.errP.paint(green, "back in service:") + " " + where
	switch {
	case s.Kind == "restore":
		text = "what became of the restore into " + where + " is proven: dprun runs show " + Clean(s.Run)
	case s.Kind == "discard":
		text = "files removed from " + where
	case s.Kind == "drop_domain":
		text = "removed: " + where + ", which a drill had made"
	case !s.Since.IsZero():
		text += ", was out of service " + Span(s.Time.Sub(s.Since))
	}
	h.say(h.errP.paint(faint, stamp(s.Time)) + " " + text + "\n")
}

// writeSummary writes a run's result: the table of tasks, the failures once more, where
// the files are, and the verdict in one line.
func writeSummary(b *strings.Builder, p painter, s event.Summary, logs map[string][]event.Log, said map[string]alike) {
	if len(s.Tasks) > 0 {
		b.WriteString("\n")
		writeTasks(b, p, s.Tasks)
	}
	writeFailures(b, p, s, logs, said)
	writeFiles(b, p, s.Tasks)
	if e := s.Evidence; e != nil {
		signed := map[bool]string{true: "signed", false: "not signed"}[e.Signed]
		fmt.Fprintf(b, "\nEvidence: record %d, %s, SHA-256 %s\n", e.Sequence, signed, Clean(e.Digest))
	}
	writeVerdict(b, p, s)
}

// warned reports whether the run or any of its tasks has a warning.
func warned(s event.Summary) bool {
	return len(s.Warnings) > 0 || slices.ContainsFunc(s.Tasks, func(k event.TaskResult) bool { return len(k.Warnings) > 0 })
}

// writeVerdict writes a run's result in one line.
func writeVerdict(b *strings.Builder, p painter, s event.Summary) {
	fmt.Fprintf(b, "\n%s %s", p.paint(bold, Clean(s.Plan)+":"), p.paint(toneOf(s.Code), Clean(s.Code)))
	if s.Message != "" {
		b.WriteString(", " + Clean(s.Message))
	}
	b.WriteString(narrowed(s.Only))
	if s.Bytes > 0 {
		b.WriteString(", " + Size(s.Bytes) + " captured")
	}
	if s.Withheld > 0 {
		b.WriteString(", without " + plural(s.Withheld, "file", "files") + " that the gateways do not export (keys, certificates, secrets)")
	}
	exit := fmt.Sprintf("exit code %d", s.ExitCode)
	if s.ProcessWhy != "" {
		exit = fmt.Sprintf("exit code %d instead of %d, as %s", s.ProcessExit, s.ExitCode, Clean(s.ProcessWhy))
	}
	fmt.Fprintf(b, ", in %s (run %s, %s)\n", Span(s.Ended.Sub(s.Started)), Clean(s.Run), exit)
}

// rowsAtMost is the highest number of tasks that are listed one by one. More are
// counted by device and status.
const rowsAtMost = 40

func writeTasks(b *strings.Builder, p painter, tasks []event.TaskResult) {
	if len(tasks) > rowsAtMost {
		writeCounted(b, p, tasks)
		return
	}
	t := table{head: []string{"ACTIVITY", "DEVICE", "DOMAIN", "STATUS", "TIME", "SIZE", "FILES"}}
	for _, k := range tasks {
		t.add(text(k.Activity), text(k.Device), text(k.Domain), toned(k.Code, toneOf(k.Code)), number(Span(k.Duration)),
			number(some(k.Bytes, Size(k.Bytes))), number(some(len(k.Files), fmt.Sprint(len(k.Files)))))
	}
	t.write(b, p, "")
}

// writeCounted counts tasks by activity, device and status.
func writeCounted(b *strings.Builder, p painter, tasks []event.TaskResult) {
	type key struct{ activity, device, code string }
	type sum struct {
		tasks, files int
		bytes        int64
		longest      time.Duration
	}
	sums := map[key]*sum{}
	var order []key
	for _, k := range tasks {
		at := key{k.Activity, k.Device, k.Code}
		if sums[at] == nil {
			sums[at] = &sum{}
			order = append(order, at)
		}
		n := sums[at]
		n.tasks, n.files, n.bytes, n.longest = n.tasks+1, n.files+len(k.Files), n.bytes+k.Bytes, max(n.longest, k.Duration)
	}
	t := table{head: []string{"ACTIVITY", "DEVICE", "TASKS", "STATUS", "LONGEST", "SIZE", "FILES"}}
	for _, at := range order {
		n := sums[at]
		t.add(text(at.activity), text(at.device), number(fmt.Sprint(n.tasks)), toned(at.code, toneOf(at.code)), number(Span(n.longest)),
			number(some(n.bytes, Size(n.bytes))), number(some(n.files, fmt.Sprint(n.files))))
	}
	t.write(b, p, "")
}

// alike identifies failures that can be reported together.
type alike struct{ code, message string }

// together finds groups of tasks that failed alike and are large enough to be reported
// as one.
func together(tasks []event.TaskResult, logs map[string][]event.Log) map[alike][]string {
	groups := map[alike][]string{}
	for _, k := range tasks {
		if bad(k.Code) && len(k.Causes) == 0 && len(logs[k.Task]) == 0 {
			at := alike{k.Code, k.Message}
			groups[at] = append(groups[at], k.Task)
		}
	}
	maps.DeleteFunc(groups, func(_ alike, tasks []string) bool { return len(tasks) <= namedInGroup })
	return groups
}

// writeFailures lists once more what went wrong: code, message, other causes and the
// last lines of output. It leaves out failures in said, which the same terminal already
// shows in full.
func writeFailures(b *strings.Builder, p painter, s event.Summary, logs map[string][]event.Log, said map[string]alike) {
	failed := false
	first := true
	heading := func() {
		if first {
			fmt.Fprintf(b, "\n%s\n", p.paint(bold, "What went wrong"))
			first = false
		}
	}
	groups := together(s.Tasks, logs)
	for _, k := range s.Tasks {
		if !bad(k.Code) && len(k.Causes) == 0 {
			continue
		}
		failed = true
		if said[k.Task] == (alike{k.Code, k.Message}) && len(k.Causes) == 0 && len(logs[k.Task]) == 0 {
			continue
		}
		heading()
		if at := (alike{k.Code, k.Message}); len(k.Causes) == 0 && len(logs[k.Task]) == 0 && len(groups[at]) > 0 {
			if groups[at][0] == k.Task {
				fmt.Fprintf(b, "  %s  %s\n", p.paint(bold, plural(len(groups[at]), "task", "tasks")), p.paint(toneOf(k.Code), Clean(k.Code)))
				if k.Message != "" {
					fmt.Fprintf(b, "    %s\n", Clean(k.Message))
				}
				fmt.Fprintf(b, "    %s\n", named(groups[at]))
			}
			continue
		}
		fmt.Fprintf(b, "  %s  %s\n", p.paint(bold, Clean(k.Task)), p.paint(toneOf(k.Code), Clean(k.Code)))
		if k.Message != "" {
			fmt.Fprintf(b, "    %s\n", Clean(k.Message))
		}
		writeCauses(b, p, "    ", k.Causes)
		writeLast(b, p, logs[k.Task])
	}
	if own := logs[""]; bad(s.Code) && len(own) > 0 {
		heading()
		b.WriteString("  the run\n")
		writeLast(b, p, own)
	}
	if failed || !first {
		fmt.Fprintf(b, "  %s\n", p.paint(faint, "dprun explain CODE says what a code means and what to do."))
	}
	first = true
	warning := func(of, text string) {
		if first {
			fmt.Fprintf(b, "\n%s\n", p.paint(bold, "Warnings"))
			first = false
		}
		fmt.Fprintf(b, "  %s: %s\n", Clean(of), Clean(text))
	}
	for _, k := range s.Tasks {
		for _, w := range k.Warnings {
			warning(k.Task, w)
		}
	}
	for _, w := range s.Warnings {
		warning("the run", w)
	}
}

// listed is the highest number of files that are named one by one. Of more, only the
// directories are named.
const listed = 12

// writeFiles lists where the copies are.
func writeFiles(b *strings.Builder, p painter, tasks []event.TaskResult) {
	var all []string
	for _, k := range tasks {
		all = append(all, k.Files...)
	}
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", p.paint(bold, "Files"))
	if len(all) <= listed {
		indented(b, "  ", all)
		return
	}
	for _, g := range gather(all) {
		fmt.Fprintf(b, "  %s below %s\n", plural(g.files, "file", "files"), Clean(g.below))
	}
}

type gathered struct {
	below string
	files int
}

// gather groups locations by server, each with the directory that holds all of them.
func gather(files []string) []gathered {
	groups := map[string][]string{}
	var order []string
	for _, f := range files {
		key := "/"
		if scheme, rest, ok := strings.Cut(f, "://"); ok {
			host, _, _ := strings.Cut(rest, "/")
			key = scheme + "://" + host
		}
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], f)
	}
	var out []gathered
	for _, key := range order {
		g := groups[key]
		common := strings.Split(path.Dir(strings.TrimPrefix(g[0], key)), "/")
		for _, f := range g[1:] {
			parts := strings.Split(path.Dir(strings.TrimPrefix(f, key)), "/")
			n := 0
			for n < len(common) && n < len(parts) && common[n] == parts[n] {
				n++
			}
			common = slices.Clip(common[:n])
		}
		below := strings.TrimSuffix(key, "/") + "/" + strings.TrimPrefix(strings.Join(common, "/"), "/")
		out = append(out, gathered{strings.TrimSuffix(below, "/") + "/", len(g)})
	}
	return out
}
