package diag

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Style says how [Text] formats a diagnostic.
type Style struct {
	// Color turns ANSI colours on.
	Color bool
	// Width is the number of columns at which details are wrapped; 0: they are
	// not.
	Width int
}

const (
	ansiReset  = "\x1b[0m"
	ansiBold   = "\x1b[1m"
	ansiRed    = "\x1b[1;31m"
	ansiYellow = "\x1b[1;33m"
	ansiFaint  = "\x1b[2m"
)

// Text formats a diagnostic for a person: severity, summary and code, the place
// with its source line underlined, the detail. It ends with a line feed.
func Text(d Diagnostic, s Style) string {
	var b strings.Builder
	paint := func(code, text string) string {
		if !s.Color || text == "" {
			return text
		}
		return code + text + ansiReset
	}
	head, tone := "Error", ansiRed
	if d.Severity == Warning {
		head, tone = "Warning", ansiYellow
	}
	fmt.Fprintf(&b, "%s %s %s\n", paint(tone, head+":"), paint(ansiBold, clean(d.Summary)), paint(ansiFaint, "["+string(d.Code)+"]"))
	if d.Range != nil {
		place(&b, *d.Range, d.Snippet, tone, paint)
	}
	if d.Detail != "" {
		b.WriteByte('\n')
		for _, line := range strings.Split(strings.TrimRight(d.Detail, "\n"), "\n") {
			for _, l := range wrap(clean(line), s.Width-2) {
				b.WriteString("  " + l + "\n")
			}
		}
	}
	if d.Suggestion != "" {
		fmt.Fprintf(&b, "  Did you mean %q?\n", d.Suggestion)
	}
	if d.Related != nil {
		fmt.Fprintf(&b, "\n  %s\n", clean(d.Related.Message))
		place(&b, d.Related.Range, d.Related.Snippet, ansiBold, paint)
	}
	return b.String()
}

func place(b *strings.Builder, r Range, s *Snippet, tone string, paint func(code, text string) string) {
	fmt.Fprintf(b, "  on %s line %d", clean(r.Filename), r.Start.Line)
	if s != nil && s.Context != "" {
		fmt.Fprintf(b, ", in %s", clean(s.Context))
	}
	b.WriteString(":\n")
	if s == nil {
		return
	}
	number := fmt.Sprintf("%5d", s.StartLine)
	start, end := min(s.HighlightStart, len(s.Code)), min(s.HighlightEnd, len(s.Code))
	fmt.Fprintf(b, "%s%s\n", paint(ansiFaint, number+" | "), clean(s.Code))
	marks := max(1, utf8.RuneCountInString(s.Code[start:max(start, end)]))
	indent := strings.Map(func(c rune) rune {
		if c == '\t' {
			return c
		}
		return ' '
	}, s.Code[:start])
	fmt.Fprintf(b, "%s%s%s\n", paint(ansiFaint, "      | "), indent, paint(tone, strings.Repeat("^", marks)))
}

// clean removes what could make a plan's text control the terminal.
func clean(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\t' || c == 0x7f || c >= 0x80 && c < 0xa0 {
			return '\uFFFD'
		}
		return c
	}, text)
}

func wrap(line string, width int) []string {
	if width < 20 || strings.HasPrefix(line, " ") {
		return []string{line}
	}
	var lines []string
	var current string
	for _, word := range strings.Fields(line) {
		if current != "" && utf8.RuneCountInString(current)+1+utf8.RuneCountInString(word) > width {
			lines, current = append(lines, current), ""
		}
		if current != "" {
			current += " "
		}
		current += word
	}
	return append(lines, current)
}
