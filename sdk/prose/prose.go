// Package prose reads texts for people, which are kept in files beside the code.
package prose

import (
	"iter"
	"strings"
)

// Section is the text about one thing.
type Section struct {
	Name string // the rest of the line that begins with "# "
	Text string // the lines below it, without empty ones at both ends
}

// Sections gives the sections of a file in their order. Lines before the first are
// for whoever edits the file.
func Sections(file string) iter.Seq[Section] {
	return func(yield func(Section) bool) {
		for _, s := range strings.Split("\n"+file, "\n# ")[1:] {
			name, text, _ := strings.Cut(s, "\n")
			if !yield(Section{name, strings.TrimSpace(text)}) {
				return
			}
		}
	}
}

// Field is the rest of the line that begins with key and a colon; empty: there is none.
func (s Section) Field(key string) string {
	_, rest, _ := strings.Cut("\n"+s.Text, "\n"+key+": ")
	line, _, _ := strings.Cut(rest, "\n")
	return line
}
