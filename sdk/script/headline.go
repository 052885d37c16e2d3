package script

import (
	"fmt"
	"strings"
)

// Headline sums up a script's context in one line, for the subject of a mail or
// a line of a log. The event or the outcome comes first.
func (c Context) Headline() string {
	n := c.Notice
	if n == nil {
		words := []string{c.Plan, c.Hook}
		for _, w := range []string{c.Activity, c.Device, c.Domain, c.Status} {
			if w != "" {
				words = append(words, w)
			}
		}
		return strings.Join(words, " ")
	}
	head := strings.ToUpper(string(n.Event)) + " " + c.Plan
	switch {
	case n.Event == Critical && len(c.Tasks) > 0:
		t := c.Tasks[0]
		head += ": " + where(t.Device, t.Domain) + " " + t.Status
		if more := len(c.Tasks) + n.LeftOut - 1; more > 0 {
			head += fmt.Sprintf(" and %d more", more)
		}
	case n.Counts != nil:
		all := n.Counts.Succeeded + n.Counts.Failed + n.Counts.Cancelled + n.Counts.Skipped
		head += fmt.Sprintf(": %d of %d tasks succeeded, %s", n.Counts.Succeeded, all, c.Status)
		if n.ExitCode != nil && *n.ExitCode != 0 {
			head += fmt.Sprintf(", exit code %d", *n.ExitCode)
		}
	case c.Status != "":
		head += ": " + c.Status
	}
	return head
}

func where(device, domain string) string {
	if domain == "" {
		return device
	}
	return device + "/" + domain
}

// ASCII returns a text as one line of printable ASCII of at most limit bytes,
// which every header and every log can hold. Line ends become spaces, other
// characters question marks.
func ASCII(text string, limit int) string {
	out := strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r == '\r':
			return -1
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, text)
	if len(out) > limit {
		out = out[:max(0, limit-3)] + "..."
	}
	return out
}
