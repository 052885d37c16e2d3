package secret

import (
	"strings"
	"unicode/utf8"
)

// byteOrderMark is what some editors write at the beginning of a text.
const byteOrderMark = "\xef\xbb\xbf"

// doubts describes what is odd about a secret, without the secret: invisible additions
// by an editor or a command, and characters that are rare in passwords.
func doubts(value string) []string {
	if strings.HasPrefix(value, "-----BEGIN ") {
		return nil // a key has several lines
	}
	var all []string
	add := func(is bool, text string) {
		if is {
			all = append(all, text)
		}
	}
	add(strings.HasPrefix(value, byteOrderMark), "begins with a byte order mark (save the file as UTF-8 without one)")
	utf16 := strings.HasPrefix(value, "\xff\xfe") || strings.HasPrefix(value, "\xfe\xff")
	add(utf16, "is UTF-16 text (save the file as UTF-8)")
	rest := strings.TrimPrefix(value, byteOrderMark)
	add(strings.TrimLeft(rest, " \t") != rest, "begins with a blank")
	add(strings.TrimRight(rest, " \t") != rest, "ends with a blank")
	add(strings.HasSuffix(rest, "\n") || strings.HasSuffix(rest, "\r"), "ends with a line end")
	add(strings.ContainsAny(strings.Trim(rest, "\r\n"), "\r\n"), "has more than one line")
	add(!utf16 && !utf8.ValidString(value), "holds bytes that are not UTF-8")
	return all
}
