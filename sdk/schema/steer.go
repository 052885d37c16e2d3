package schema

import "unicode"

// Steers reports whether a character changes how the text around it is shown
// or read and shows nothing itself: control characters (U+0080 to U+009F among
// them, of which some terminals take one for the beginning of a command),
// separators of lines and paragraphs, and what turns the direction of writing
// around. No name of a file or a device has one.
func Steers(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\u061c' || r == '\u200e' || r == '\u200f' ||
		r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}
