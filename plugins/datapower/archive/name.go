package archive

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

const maxPrintable = 240

// Printable makes a name from outside safe to show: control and other unprintable characters become "?", and a
// very long name is cut.
func Printable(s string) string {
	if len(s) > maxPrintable {
		cut := maxPrintable
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// unsafeName says why a name must not be used as a path below a directory; empty:
// it may.
func unsafeName(name string) string {
	switch {
	case name == "":
		return "the name is empty"
	case !utf8.ValidString(name):
		return "the name is not UTF-8"
	case strings.HasPrefix(name, "/"):
		return "the name is an absolute path"
	case strings.ContainsRune(name, '\\'):
		return "the name holds a backslash"
	case len(name) > 1 && name[1] == ':':
		return "the name starts with a drive letter"
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return "the name holds control characters"
		}
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(name, "/"), "/") {
		switch part {
		case "..":
			return "the name leads out of its directory"
		case "", ".":
			return "the name has an empty component"
		}
	}
	return ""
}

// SafeName reports whether a name can be used as a path below a directory.
func SafeName(name string) bool { return unsafeName(name) == "" }

// sourceName turns the src of a listed file into the form of entry names.
func sourceName(src string) string {
	return strings.TrimPrefix(path.Clean("/"+strings.ReplaceAll(src, `\`, "/")), "/")
}
