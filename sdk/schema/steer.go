package schema

import "unicode"

// Steers reports whether a character is invisible but changes how the text
// around it is shown or read. These are control characters (including U+0080 to
// U+009F, which some terminals take for the beginning of a command), separators
// of lines and paragraphs, and characters that turn the direction of writing.
// No name of a file or a device contains one.
func Steers(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\u061c' || r == '\u200e' || r == '\u200f' ||
		r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}
