package diag

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
)

// Hidden is a stretch of bytes of a file that snippets do not show.
type Hidden struct{ Start, End int }

// hiddenMark stands in a snippet where something hidden stood.
const hiddenMark = "(sensitive)"

// NewSnippet cuts the first line of a range out of its file, without what is
// hidden; nil when the range does not lie in it.
func NewSnippet(src []byte, r Range, hidden ...Hidden) *Snippet {
	if r.Start.Byte < 0 || r.Start.Byte > len(src) || r.End.Byte < r.Start.Byte {
		return nil
	}
	begin := bytes.LastIndexByte(src[:r.Start.Byte], '\n') + 1
	end := len(src)
	if i := bytes.IndexByte(src[r.Start.Byte:], '\n'); i >= 0 {
		end = r.Start.Byte + i
	}
	line := bytes.TrimRight(src[begin:end], "\r")
	for _, at := range ageKey.FindAllIndex(line, -1) { // nobody means to show one, whatever the line is quoted for
		hidden = append(slices.Clip(hidden), Hidden{Start: begin + at[0], End: begin + at[1]})
	}
	code, moved := withoutHidden(line, begin, hidden)
	return &Snippet{
		Code:           string(bytes.ToValidUTF8(code, []byte("\uFFFD"))),
		StartLine:      r.Start.Line,
		HighlightStart: moved(r.Start.Byte, false),
		HighlightEnd:   moved(r.End.Byte, true),
	}
}

// ageKey is a secret key of age.
var ageKey = regexp.MustCompile(`(?i)AGE-SECRET-KEY-[A-Z0-9-]+`)

// withoutHidden gives a line, which begins at a byte of its file, with marks
// for what is hidden, and where in it a byte of the file is now. A byte that
// is hidden is at the beginning of the mark, or at its end.
func withoutHidden(line []byte, begin int, hidden []Hidden) ([]byte, func(at int, end bool) int) {
	clip := func(at int) int { return max(0, min(at-begin, len(line))) }
	type cut struct{ start, end, at int } // in the line, and in what is shown
	var cuts []cut
	var shown []byte
	done := 0
	for _, h := range slices.SortedFunc(slices.Values(hidden), func(a, b Hidden) int { return cmp.Compare(a.Start, b.Start) }) {
		from, to := max(done, clip(h.Start)), clip(h.End)
		if from >= to {
			continue
		}
		shown = append(shown, line[done:from]...)
		cuts = append(cuts, cut{from, to, len(shown)})
		shown = append(shown, hiddenMark...)
		done = to
	}
	shown = append(shown, line[done:]...)
	return shown, func(at int, end bool) int {
		at = clip(at)
		offset := 0
		for _, c := range cuts {
			switch {
			case at <= c.start:
				return at + offset
			case at < c.end && !end:
				return c.at
			case at <= c.end:
				return c.at + len(hiddenMark)
			}
			offset = c.at + len(hiddenMark) - c.end
		}
		return at + offset
	}
}
