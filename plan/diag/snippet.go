package diag

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
)

// Hidden is a range of bytes of a file that snippets must not show.
type Hidden struct{ Start, End int }

// hiddenMark replaces hidden text in a snippet.
const hiddenMark = "(sensitive)"

// NewSnippet returns the first line of a range, without hidden text; nil: the
// range is not within the file.
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
	for _, at := range ageKey.FindAllIndex(line, -1) { // such keys are never shown, whatever the line is quoted for
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

// ageKey matches a secret key of age.
var ageKey = regexp.MustCompile(`(?i)AGE-SECRET-KEY-[A-Z0-9-]+`)

// withoutHidden replaces the hidden parts of a line by marks. begin is the
// line's first byte in its file. The returned function says where a byte of the
// file now is in the line; a hidden byte is at the beginning of the mark or at
// its end.
func withoutHidden(line []byte, begin int, hidden []Hidden) ([]byte, func(at int, end bool) int) {
	clip := func(at int) int { return max(0, min(at-begin, len(line))) }
	type cut struct{ start, end, at int } // start and end in the line, at in the result
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
