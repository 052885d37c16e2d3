package view

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk/schema"
)

// Clean makes text from outside (plugins, devices, scripts, names) safe for a terminal.
// It replaces control characters, including line feeds, and characters that reverse the
// direction of writing by U+FFFD, and a tab by a blank.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case schema.Steers(r):
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// straight replaces the characters that reverse the direction of writing, in text that
// may already hold colours.
func straight(s string) string {
	return strings.Map(func(r rune) rune {
		if schema.Steers(r) && !unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// lines splits a text into lines and cleans each of them.
func lines(s string) []string {
	var out []string
	for l := range strings.SplitSeq(strings.TrimRight(s, "\r\n"), "\n") {
		out = append(out, Clean(strings.TrimRight(l, "\r")))
	}
	return out
}

// width returns how many columns a text takes on a terminal. It is exact enough for
// names and messages.
func width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// wide holds the blocks whose characters take two columns.
var wide = []struct{ first, last rune }{
	{0x1100, 0x115f}, {0x2e80, 0x303e}, {0x3041, 0xa4cf}, {0xac00, 0xd7a3}, {0xf900, 0xfaff},
	{0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0xffe0, 0xffe6}, {0x1f300, 0x1f64f}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
}

func runeWidth(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	if r < wide[0].first {
		return 1
	}
	for _, w := range wide {
		if r >= w.first && r <= w.last {
			return 2
		}
	}
	return 1
}

// fit shortens a text to a number of columns. An ellipsis shows that something is
// missing.
func fit(s string, columns int) string {
	if columns <= 0 || width(s) <= columns {
		return s
	}
	n := 0
	for i, r := range s {
		if n += runeWidth(r); n > columns-1 {
			return s[:i] + "…"
		}
	}
	return s
}

// Size writes a number of bytes in decimal units, the units in which disks are sold.
func Size(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f := float64(n)
	for _, unit := range []string{"kB", "MB", "GB", "TB"} {
		f /= 1000
		if f < 999.95 || unit == "TB" {
			return fmt.Sprintf("%.1f %s", f, unit)
		}
	}
	return ""
}

// Span writes a duration in its two largest units.
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Truncate(100*time.Millisecond).Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}

// stamp writes a time with its offset from UTC.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

type cell struct {
	text  string
	tone  tone
	right bool // aligned to the right
}

func text(s string) cell          { return cell{text: Clean(s)} }
func toned(s string, t tone) cell { return cell{text: Clean(s), tone: t} }
func number(s string) cell        { return cell{text: s, right: true} }

// table aligns its columns.
type table struct {
	head []string
	rows [][]cell
}

func (t *table) add(cells ...cell) { t.rows = append(t.rows, cells) }

// write draws the table without the columns that are empty in every row.
func (t *table) write(b *strings.Builder, p painter, indent string) {
	widths := make([]int, len(t.head))
	used := make([]bool, len(t.head))
	right := make([]bool, len(t.head))
	for i, h := range t.head {
		widths[i] = width(h)
	}
	last := 0
	for _, r := range t.rows {
		for i, c := range r {
			widths[i] = max(widths[i], width(c.text))
			if c.text != "" {
				used[i] = true
				last = max(last, i)
			}
			right[i] = right[i] || c.right
		}
	}
	row := func(cells []cell) {
		var line strings.Builder
		for i, c := range cells {
			if !used[i] {
				continue
			}
			blank := strings.Repeat(" ", widths[i]-width(c.text))
			painted := p.paint(c.tone, c.text)
			switch {
			case right[i]:
				line.WriteString(blank + painted)
			case i == last:
				line.WriteString(painted)
			default:
				line.WriteString(painted + blank)
			}
			if i != last {
				line.WriteString("  ")
			}
		}
		b.WriteString(indent + strings.TrimRight(line.String(), " ") + "\n")
	}
	head := make([]cell, len(t.head))
	for i, h := range t.head {
		head[i] = cell{text: h, tone: bold}
	}
	row(head)
	for _, r := range t.rows {
		row(r)
	}
}

// tone is an ANSI colour. The empty tone is the terminal's own colour.
type tone string

const (
	plain  tone = ""
	bold   tone = "\x1b[1m"
	faint  tone = "\x1b[2m"
	red    tone = "\x1b[31m"
	alarm  tone = "\x1b[1;31m"
	green  tone = "\x1b[32m"
	yellow tone = "\x1b[33m"
)

// painter adds colours to text if it is true.
type painter bool

func (p painter) paint(t tone, s string) string {
	if !bool(p) || t == plain || s == "" {
		return s
	}
	return string(t) + s + "\x1b[0m"
}

// Look names how a status code looks: good, bad, alarm (somebody is needed now), warn or
// calm. Each view has its own colour for it.
func Look(code string) string {
	e, _ := status.Lookup(status.Code(code))
	switch e.Class {
	case status.ClassSuccess:
		return "good"
	case status.ClassFailed, status.ClassInvalid:
		return "bad"
	case status.ClassCritical:
		return "alarm"
	case status.ClassSkipped, status.ClassCancelled:
		return "warn"
	}
	return "calm"
}

// toneOf returns the colour of a status code.
func toneOf(code string) tone {
	return map[string]tone{"good": green, "bad": red, "alarm": alarm, "warn": yellow, "calm": plain}[Look(code)]
}

// bad reports whether a task's result must be repeated at the end.
func bad(code string) bool {
	e, ok := status.Lookup(status.Code(code))
	return !ok || e.Class != status.ClassSuccess && e.Class != status.ClassInterim && !e.Neutral
}
