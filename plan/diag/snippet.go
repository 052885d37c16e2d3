package diag

import "bytes"

// NewSnippet cuts the first line of a range out of its file; nil when the
// range does not lie in it.
func NewSnippet(src []byte, r Range) *Snippet {
	if r.Start.Byte < 0 || r.Start.Byte > len(src) || r.End.Byte < r.Start.Byte {
		return nil
	}
	begin := bytes.LastIndexByte(src[:r.Start.Byte], '\n') + 1
	end := len(src)
	if i := bytes.IndexByte(src[r.Start.Byte:], '\n'); i >= 0 {
		end = r.Start.Byte + i
	}
	line := bytes.TrimRight(src[begin:end], "\r")
	clip := func(at int) int { return max(0, min(at-begin, len(line))) }
	return &Snippet{
		Code:           string(bytes.ToValidUTF8(line, []byte("\uFFFD"))),
		StartLine:      r.Start.Line,
		HighlightStart: clip(r.Start.Byte),
		HighlightEnd:   clip(r.End.Byte),
	}
}
