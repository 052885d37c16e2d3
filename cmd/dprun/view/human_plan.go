package view

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/dprun/dprun/runner/report"
)

func (h *Human) showValidation(b *strings.Builder, p painter, v report.Validation) {
	count := plural(v.Errors, "error", "errors") + ", " + plural(v.Warnings, "warning", "warnings")
	if !v.Valid {
		fmt.Fprintf(b, "%s %s\n", p.paint(alarm, "The plan is not valid:"), count)
		return
	}
	fmt.Fprintf(b, "%s %s, %s, %s\n", p.paint(green, "The plan is valid:"), plural(len(v.Plans), "plan", "plans"), plural(v.Devices, "device", "devices"),
		plural(v.Warnings, "warning", "warnings"))
	if len(v.Plans) > 0 {
		t := table{head: []string{"PLAN", "ACTIVITIES", "DEVICES", "DESTINATIONS"}}
		for _, k := range v.Plans {
			t.add(text(k.Plan), number(fmt.Sprint(k.Activities)), number(fmt.Sprint(k.Devices)), number(fmt.Sprint(k.Destinations)))
		}
		b.WriteString("\n")
		t.write(b, p, "")
	}
	if len(v.Labels) > 0 {
		t := table{head: []string{"LABEL", "VALUE", "DEVICES"}}
		for _, l := range v.Labels {
			t.add(text(l.Label), text(l.Value), number(fmt.Sprint(l.Devices)))
		}
		b.WriteString("\n")
		t.write(b, p, "")
	}
	if len(v.Groups) > 0 {
		fmt.Fprintf(b, "\n%s with %s", plural(len(v.Groups), "group", "groups"), members(v.Groups))
		if len(v.Single) > 0 {
			fmt.Fprintf(b, "; of one member only: %s", Clean(strings.Join(v.Single, ", ")))
		}
		b.WriteString("\n")
	}
}

// members says how many groups of each size there are.
func members(groups map[string]int) string {
	sizes := map[int]int{}
	for _, n := range groups {
		sizes[n]++
	}
	var parts []string
	for _, n := range slices.Sorted(maps.Keys(sizes)) {
		if len(sizes) == 1 {
			return plural(n, "member", "members") + " each"
		}
		parts = append(parts, fmt.Sprintf("%s (%d×)", plural(n, "member", "members"), sizes[n]))
	}
	return strings.Join(parts, ", ")
}

func (h *Human) showFormat(b *strings.Builder, p painter, f report.Format) {
	switch {
	case f.Text != nil:
		b.WriteString(*f.Text)
	case f.Diff != "":
		writeDiff(b, p, f.Diff)
	case f.Changed:
		b.WriteString(Clean(f.File) + "\n")
	}
}

func writeDiff(b *strings.Builder, p painter, diff string) {
	for _, l := range lines(diff) {
		t := plain
		switch {
		case strings.HasPrefix(l, "+++"), strings.HasPrefix(l, "---"), strings.HasPrefix(l, "diff "):
			t = bold
		case strings.HasPrefix(l, "+"):
			t = green
		case strings.HasPrefix(l, "-"):
			t = red
		}
		b.WriteString(p.paint(t, l) + "\n")
	}
}

// Graph implements [View].
func (h *Human) Graph(g report.Graph, f GraphFormat) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var b strings.Builder
	h.err = cmp.Or(h.err, writeGraph(&b, g, f))
	h.result(b.String())
}

func (h *Human) showPreview(b *strings.Builder, p painter, v report.Preview) {
	fmt.Fprintf(b, "%s %s%s\n", p.paint(bold, "Plan"), Clean(v.Plan), narrowed(v.Only))
	if v.Window != "" {
		t := green
		if !v.WindowOpen {
			t = yellow
		}
		fmt.Fprintf(b, "Window: %s\n", p.paint(t, Clean(v.Window)))
	}
	if v.TooShort != "" {
		fmt.Fprintf(b, "%s %s\n", p.paint(yellow, "Too little time:"), Clean(v.TooShort))
	}
	if v.DryNight {
		b.WriteString("Dry night: every task was gone through. Nothing was quiesced, captured or stored, and no script was run.\n")
	}
	most := rowsAtMost
	if h.o.EveryTask {
		most = len(v.Tasks)
	}
	writePreviewTasks(b, p, v.Tasks, most)
	writeDestinations(b, p, &v)
	writePaths(b, p, v.Tasks, most)
	for _, at := range slices.Sorted(maps.Keys(v.Encrypted)) {
		fmt.Fprintf(b, "\nEncrypted at %s for %s.\n", Clean(at), Clean(strings.Join(v.Encrypted[at], ", ")))
	}
	for _, r := range v.Retention {
		fmt.Fprintf(b, "\nRetention %s: at %s, dprun backups prune would delete %s (%s), captured from %s to %s.\n",
			Clean(r.Retention), Clean(r.Destination), plural(r.Sets, "set", "sets"), Size(r.Bytes), stamp(r.Oldest), stamp(r.Newest))
	}
	if len(v.Tasks) > most {
		b.WriteString("\nThe tasks are counted, and the paths are those of one task of each activity; --all shows every task.\n")
	}
	var run, disruptive int
	for _, k := range v.Tasks {
		if k.Code == "" {
			run++
			if k.Disruptive != "" {
				disruptive++
			}
		}
	}
	if len(v.Tasks) == 0 {
		b.WriteString("\nNothing would run: no device of the plan is selected.\n")
		return
	}
	fmt.Fprintf(b, "\n%s would run, %d would not", plural(run, "task", "tasks"), len(v.Tasks)-run)
	if disruptive > 0 {
		b.WriteString("; " + p.paint(yellow, plural(disruptive, "takes", "take")+" something out of service"))
	}
	if v.Window != "" && !v.WindowOpen {
		b.WriteString("; " + p.paint(yellow, "none outside the window, which is closed now"))
	}
	if run > 0 && len(v.Unusable) > 0 {
		b.WriteString("; " + p.paint(red, "none would succeed while "+enumerated(slices.Sorted(maps.Keys(v.Unusable)))+" cannot be used"))
	}
	b.WriteString(".\n")
	if unexpanded(&v) {
		b.WriteString("Only the devices know which domains there are. Each domain becomes a task.\n")
	}
}

// unexpanded reports whether a task may stand for several domains of a device, because
// no device was asked.
func unexpanded(v *report.Preview) bool {
	return !v.Contacted && slices.ContainsFunc(v.Tasks, func(k report.PreviewTask) bool { return k.Code == "" && k.Domain != "" })
}

// writePreviewCounts counts tasks by activity, device and expected result.
func writePreviewCounts(b *strings.Builder, p painter, tasks []report.PreviewTask) {
	type key struct{ activity, device, disruptive, code, message string }
	counts := map[key]int{}
	var order []key
	for _, k := range tasks {
		at := key{k.Activity, k.Device, k.Disruptive, k.Code, k.Message}
		if counts[at] == 0 {
			order = append(order, at)
		}
		counts[at]++
	}
	t := table{head: []string{"ACTIVITY", "DEVICE", "TASKS", "QUIESCES", "WOULD END IN", "WHY"}}
	for _, at := range order {
		t.add(text(at.activity), text(at.device), number(fmt.Sprint(counts[at])), toned(at.disruptive, yellow), toned(at.code, toneOf(at.code)), text(at.message))
	}
	b.WriteString("\n")
	t.write(b, p, "")
}

// writePreviewTasks lists the tasks, or counts them if there are more than most.
func writePreviewTasks(b *strings.Builder, p painter, tasks []report.PreviewTask, most int) {
	if len(tasks) == 0 {
		return
	}
	if len(tasks) > most {
		writePreviewCounts(b, p, tasks)
		return
	}
	t := table{head: []string{"ACTIVITY", "DEVICE", "DOMAIN", "QUIESCES", "WOULD END IN", "WHY"}}
	for _, k := range tasks {
		domain := cmp.Or(k.Domain, "(device)")
		t.add(text(k.Activity), text(k.Device), text(domain), toned(k.Disruptive, yellow), toned(k.Code, toneOf(k.Code)), text(k.Message))
	}
	b.WriteString("\n")
	t.write(b, p, "")
}

func writeDestinations(b *strings.Builder, p painter, v *report.Preview) {
	names := slices.Collect(maps.Keys(v.Destinations))
	for name := range v.Unusable {
		if _, ok := v.Destinations[name]; !ok {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return
	}
	t := table{head: []string{"DESTINATION", "LOCATION", "FREE", "TOTAL"}}
	var warnings []string
	for _, name := range slices.Sorted(slices.Values(names)) {
		d := v.Destinations[name]
		if d == nil {
			t.add(text(name), toned("cannot be used", red), cell{}, cell{})
			continue
		}
		free, total := "", ""
		if d.Free >= 0 {
			free = Size(d.Free)
		}
		if d.Total >= 0 {
			total = Size(d.Total)
		}
		t.add(text(name), text(d.Location), number(free), number(total))
		for _, w := range d.Warnings {
			warnings = append(warnings, Clean(name)+": "+Clean(w))
		}
	}
	b.WriteString("\n")
	t.write(b, p, "")
	for _, w := range warnings {
		fmt.Fprintf(b, "  %s\n", p.paint(yellow, w))
	}
	for _, name := range slices.Sorted(maps.Keys(v.Unusable)) {
		u := v.Unusable[name]
		fmt.Fprintf(b, "\n  %s\n  What to do: %s\n", p.paint(red, Clean(name)+": "+Clean(u.Code)+": "+Clean(u.Message)), Clean(u.Action))
	}
}

// enumerated joins names for a sentence.
func enumerated(names []string) string {
	for i := range names {
		names[i] = Clean(names[i])
	}
	if last := len(names) - 1; last > 0 {
		return strings.Join(names[:last], ", ") + " and " + names[last]
	}
	return strings.Join(names, "")
}

// writePaths lists the paths of the files of every task. If there are more tasks than
// most, it lists only the first task of each activity.
func writePaths(b *strings.Builder, p painter, tasks []report.PreviewTask, most int) {
	t := table{head: []string{"TASK", "DESTINATION", "PATH"}}
	shown := map[string]bool{}
	for _, k := range tasks {
		if len(k.Paths) == 0 || len(tasks) > most && shown[k.Activity] {
			continue
		}
		shown[k.Activity] = true
		for _, d := range slices.Sorted(maps.Keys(k.Paths)) {
			t.add(text(k.Task), text(d), text(k.Paths[d]))
		}
	}
	if len(t.rows) > 0 {
		b.WriteString("\n")
		t.write(b, p, "")
	}
}

// where names the state directory, because the answer holds only for that one.
func (h *Human) where() string {
	if h.o.StateDir == "" {
		return ""
	}
	return " in the state directory " + Clean(h.o.StateDir)
}

// NothingToRecover implements [View].
func (h *Human) NothingToRecover() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.o.Size != nil {
		h.say("Nothing to recover, and nothing is left to undo" + h.where() + ".\n")
	}
}

// Paying implements [View].
func (h *Human) Paying(owed []report.Owed, then string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.paying = h.o.Now()
	text := "First, what earlier runs left must be undone"
	if then != "" {
		text += "; " + Clean(then)
	}
	text += ":\n"
	for _, o := range urgent(owed) {
		text += "  " + OwedTitle(o) + "\n"
	}
	h.say(text)
	h.start()
}

func (h *Human) showAcknowledged(b *strings.Builder, _ painter, a report.Acknowledged) {
	if a.Journal != "" {
		fmt.Fprintf(b, "A new journal was begun. What was left of the old one has names that end in %s.\n", Clean(a.Journal))
		return
	}
	what := plural(a.Obligations, "obligation", "obligations") + " counted as done by hand"
	switch {
	case a.Obligations > 0:
	case a.Run != "":
		what = "counted as ended; the journal does not know it, and its lock and staged files are gone"
	default:
		what = "counted as in service; nothing else had to be undone"
	}
	fmt.Fprintf(b, "%s: %s.\n", Clean(cmp.Or(a.Device, a.Run)), what)
}

// GraphFormat is a notation for graphs.
type GraphFormat string

// The notations for graphs.
const (
	GraphDOT     GraphFormat = "dot"
	GraphMermaid GraphFormat = "mermaid"
	GraphJSON    GraphFormat = "json"
)

func writeGraph(w io.Writer, g report.Graph, f GraphFormat) error {
	switch f {
	case GraphDOT:
		return writeDOT(w, g)
	case GraphMermaid:
		return writeMermaid(w, g)
	case GraphJSON:
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(g)
	}
	return fmt.Errorf("unknown graph format %q: use dot, mermaid or json", f)
}

var dotShape = map[report.GraphKind]string{report.GraphInspect: "ellipse", report.GraphExpand: "diamond", report.GraphPreScript: "note", report.GraphPostScript: "note", report.GraphTask: "box"}

func writeDOT(w io.Writer, g report.Graph) error {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n  rankdir=LR;\n", quote(g.Plan))
	for _, n := range g.Nodes {
		fmt.Fprintf(&b, "  %s [label=%s, shape=%s];\n", quote(n.ID), quote(n.Label), dotShape[n.Kind])
	}
	for _, e := range g.Edges {
		fmt.Fprintf(&b, "  %s -> %s;\n", quote(e.From), quote(e.To))
	}
	b.WriteString("}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// quote returns a string in DOT notation.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", " ").Replace(s) + `"`
}

func writeMermaid(w io.Writer, g report.Graph) error {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	number := map[string]int{}
	for i, n := range g.Nodes {
		number[n.ID] = i
		open, end := "[", "]"
		if n.Kind == report.GraphExpand {
			open, end = "{", "}"
		} else if n.Kind == report.GraphInspect {
			open, end = "(", ")"
		}
		fmt.Fprintf(&b, "  n%d%s\"%s\"%s\n", i, open, strings.NewReplacer(`"`, "#quot;", "\n", " ").Replace(n.Label), end)
	}
	for _, e := range g.Edges {
		fmt.Fprintf(&b, "  n%d --> n%d\n", number[e.From], number[e.To])
	}
	_, err := io.WriteString(w, b.String())
	return err
}
