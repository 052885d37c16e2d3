package mail

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/dprun/dprun/sdk/script"
)

const (
	rowsAtMost     = 200 // in the table of tasks
	examplesAtMost = 10  // tasks that are named for a cause
	longestMessage = 600 // of one task, in bytes
)

// body returns the text of the mail.
func body(c script.Context) string {
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
	}
	line("%s", plain(c.Headline()))
	line("")
	if c.Message != "" {
		line("%s", plain(c.Message))
	}
	n := c.Notice
	if n == nil {
		line("Run %s of plan %s, script hook %s.", c.Run, c.Plan, c.Hook)
		n = &script.Notice{}
	} else {
		line("Run %s of plan %s on %s.", c.Run, c.Plan, n.Host)
	}
	if !n.Started.IsZero() && !n.Ended.IsZero() {
		line("It ran from %s to %s, %s.", stamp(n.Started), stamp(n.Ended), n.Ended.Sub(n.Started).Round(time.Second))
	} else if !n.Started.IsZero() {
		line("It began at %s and is still under way; this was written at %s.", stamp(n.Started), stamp(n.Time))
	}
	if n.ExitCode != nil {
		line("Exit code %d.", *n.ExitCode)
	}
	owed(line, n.Owed)
	causes(line, c)
	if len(c.Tasks) > 0 {
		line("\nTasks")
		table(&b, c.Tasks)
	}
	if hidden := n.LeftOut + max(0, len(c.Tasks)-rowsAtMost); hidden > 0 {
		line("  and %d more", hidden)
	}
	if n.Evidence != "" {
		line("\nEvidence of this run: %s", n.Evidence)
		line("Keep this mail: dprun evidence verify --expect %s finds out whether a record was removed or altered.", n.Evidence)
	}
	if len(n.Commands) > 0 {
		line("\nOn %s, more is said by", n.Host)
		for _, command := range n.Commands {
			line("  %s", command)
		}
	}
	return b.String()
}

// owed lists what must still be undone. It comes first, because it cannot wait.
func owed(line func(string, ...any), all []script.Owed) {
	if len(all) == 0 {
		return
	}
	line("\nNot undone")
	for _, o := range all {
		at := ""
		if o.Held {
			at = " (a process of dprun is working on it)"
		}
		line("  %s: %s, since %s%s", place(o.Device, o.Domain), o.Kind, stamp(o.Since), at)
		for _, command := range o.DeviceCommands {
			line("    on the gateway:  %s", plain(command))
		}
		for _, command := range o.Commands {
			line("    on dprun's host: %s", plain(command))
		}
	}
}

func causes(line func(string, ...any), c script.Context) {
	if c.Notice == nil || len(c.Notice.Causes) == 0 {
		return
	}
	line("\nWhat went wrong")
	for _, cause := range c.Notice.Causes {
		of := "the run"
		switch {
		case cause.Count == 1:
			of = "1 task"
		case cause.Count > 1:
			of = fmt.Sprintf("%d tasks", cause.Count)
		}
		line("  %s (%s)", cause.Status, of)
		line("    means: %s", plain(cause.Means))
		line("    do:    %s", plain(cause.Do))
		named := 0
		for _, t := range c.Tasks {
			if t.Status != cause.Status {
				continue
			}
			if named++; named > examplesAtMost {
				line("    and %d more", cause.Count-examplesAtMost)
				break
			}
			line("    %s: %s", place(t.Device, t.Domain), plain(t.Message))
		}
	}
}

func table(b *strings.Builder, tasks []script.Task) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprint(w, "  DEVICE\tDOMAIN\tACTIVITY\tSTATUS\n")
	for _, t := range tasks[:min(len(tasks), rowsAtMost)] {
		_, _ = fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", plain(t.Device), plain(t.Domain), plain(t.Activity), plain(t.Status))
	}
	_ = w.Flush() // a Builder accepts everything
}

func place(device, domain string) string {
	if domain == "" {
		return plain(device)
	}
	return plain(device) + " / " + plain(domain)
}

func stamp(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }

// plain turns the words of a gateway or server into one line.
func plain(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if len(text) > longestMessage {
		text = strings.ToValidUTF8(text[:longestMessage], "") + " ..."
	}
	return text
}
