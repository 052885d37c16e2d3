// Package pattern matches the names of devices and domains.
//
// In a glob each `*` stands for any number of characters, including none. There
// may be any number of them, anywhere. Everything else stands for itself, and
// case matters. A glob without a star is a literal name.
package pattern

import (
	"slices"
	"strings"
)

// Pattern matches a name if at least one glob of Match matches it and none of
// Except does. The zero Pattern matches nothing.
type Pattern struct {
	Match  []string `json:"match"`
	Except []string `json:"except,omitempty"`
}

// Set is a list of patterns. It matches what any of them matches.
type Set []Pattern

// Matches reports whether the pattern matches the name.
func (p Pattern) Matches(name string) bool {
	return anyGlob(p.Match, name) && !anyGlob(p.Except, name)
}

// Matches reports whether any pattern of the set matches the name.
func (s Set) Matches(name string) bool {
	return slices.ContainsFunc(s, func(p Pattern) bool { return p.Matches(name) })
}

// Literal returns a pattern of one glob, as a plan's list of strings writes it.
func Literal(glob string) Pattern { return Pattern{Match: []string{glob}} }

// IsLiteral reports whether a glob names exactly one thing.
func IsLiteral(glob string) bool { return !strings.Contains(glob, "*") }

// Glob reports whether one glob matches a name. It needs only one pass from
// left to right, however many stars there are: between two stars the leftmost
// match is always as good as any other.
func Glob(glob, name string) bool {
	head, rest, starred := strings.Cut(glob, "*")
	if !starred {
		return glob == name
	}
	if !strings.HasPrefix(name, head) {
		return false
	}
	name = name[len(head):]
	for {
		part, tail, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(name, part)
		}
		at := strings.Index(name, part)
		if at < 0 {
			return false
		}
		name, rest = name[at+len(part):], tail
	}
}

func anyGlob(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(g string) bool { return Glob(g, name) })
}
