package window

import (
	"strings"
	"time"
)

// NearZone returns the IANA zone that a wrong name was probably meant to be. It
// allows for one letter that is missing, superfluous, wrong or misplaced, and
// for names with spaces or in small letters. Empty: no zone is near.
func NearZone(given string) string {
	if len(given) > 64 {
		return ""
	}
	is := func(name string) bool {
		if name == given || name == "" || name == "Local" || strings.Contains(name, "//") || strings.HasSuffix(name, "/") {
			return false
		}
		_, err := time.LoadLocation(name)
		return err == nil
	}
	underlined := strings.ReplaceAll(given, " ", "_")
	for _, name := range []string{underlined, titled(underlined), strings.ToUpper(given)} {
		if is(name) {
			return name
		}
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/-"
	for i := range len(given) + 1 {
		before, after := given[:i], given[i:]
		if after != "" && is(before+after[1:]) {
			return before + after[1:]
		}
		if len(after) > 1 && is(before+after[1:2]+after[:1]+after[2:]) {
			return before + after[1:2] + after[:1] + after[2:]
		}
		for _, c := range letters {
			if name := before + string(c) + after; is(name) {
				return name
			}
			if after != "" && is(before+string(c)+after[1:]) {
				return before + string(c) + after[1:]
			}
		}
	}
	return ""
}

// titled capitalizes each word of a zone's name.
func titled(name string) string {
	b := []byte(strings.ToLower(name))
	for i := range b {
		if (i == 0 || b[i-1] == '/' || b[i-1] == '_' || b[i-1] == '-') && b[i] >= 'a' && b[i] <= 'z' {
			b[i] -= 'a' - 'A'
		}
	}
	return string(b)
}
