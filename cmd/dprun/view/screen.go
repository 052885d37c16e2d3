package view

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// screen draws a few lines at the end of a terminal's output and replaces them with the
// next ones.
type screen struct {
	w     io.Writer
	size  func() (columns, rows int)
	drawn int // how many lines are drawn now
}

func (s *screen) clear() {
	if s.drawn == 0 {
		return
	}
	fmt.Fprintf(s.w, "\x1b[%dA\r\x1b[J", s.drawn)
	s.drawn = 0
}

// room returns how many columns and rows may be used, so that lines neither wrap nor
// scroll away.
func (s *screen) room() (columns, rows int) {
	columns, rows = 80, 24
	if s.size != nil {
		if c, r := s.size(); c > 0 && r > 0 {
			columns, rows = c, r
		}
	}
	return columns - 1, max(1, min(10, rows-2))
}

// draw replaces the drawn lines. The new ones must hold no colour and no line feed.
func (s *screen) draw(lines []string) {
	var b strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r", s.drawn)
	}
	for _, l := range lines {
		b.WriteString(l + "\x1b[K\n")
	}
	if s.drawn > len(lines) {
		b.WriteString("\x1b[J")
	}
	s.drawn = len(lines)
	io.WriteString(s.w, b.String()) //nolint:errcheck // there is nowhere to report it
}

// draw shows the active tasks and the state of the run.
func (h *Human) draw() {
	now := h.o.Now()
	columns, rows := h.screen.room()
	var out []string
	under := h.track.active
	for i, k := range under {
		if i >= rows-2 && len(under) > rows-1 { // the last line is for the run
			if rows > 1 {
				out = append(out, fit(fmt.Sprintf("  … and %d more", len(under)-i), columns))
			}
			break
		}
		l := "  " + Clean(k.id) + "  " + k.doing()
		if a := k.amount(now); a != "" {
			l += " " + a
		}
		if d := now.Sub(k.since); d >= time.Second {
			l += "  " + Span(d)
		}
		out = append(out, fit(l, columns))
	}
	out = append(out, h.errP.paint(bold, fit(Clean(h.track.run.Plan)+": "+h.track.overall(now), columns)))
	h.screen.draw(out)
}
