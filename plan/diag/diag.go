// Package diag holds the diagnostics of the plan language as data, the catalogue
// of their codes, and their text form.
//
// A diagnostic's JSON form is the struct itself. Everything that prints a
// diagnostic prints it from this struct, so the forms cannot drift apart.
package diag

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Severity says whether a plan can be used in spite of a diagnostic.
type Severity string

// The severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Diagnostic is one thing that is wrong or doubtful.
type Diagnostic struct {
	Severity Severity `json:"severity"`
	Code     Code     `json:"code"`
	// Summary is a short noun phrase without a full stop.
	Summary string `json:"summary"`
	// Detail gives the rule, the value unless it is secret, and the fix, in full
	// sentences.
	Detail string `json:"detail"`
	// Instance names the instance of a block with for_each, such as
	// device.datapower.edge["fra-57"]. Empty: all instances, or the block has no
	// for_each.
	Instance string `json:"instance,omitempty"`
	// Range is the place in a file; nil: there is none.
	Range   *Range   `json:"range,omitempty"`
	Snippet *Snippet `json:"snippet,omitempty"`
	// Suggestion is the name that was probably meant; empty: no name is close
	// enough.
	Suggestion string `json:"suggestion,omitempty"`
	// Related is another place involved, such as the first of two definitions.
	Related *Related `json:"related,omitempty"`
}

// Related is a second place.
type Related struct {
	Message string   `json:"message"`
	Range   Range    `json:"range"`
	Snippet *Snippet `json:"snippet,omitempty"`
}

// Range is a part of a file, without its end.
type Range struct {
	Filename string `json:"filename"`
	Start    Pos    `json:"start"`
	End      Pos    `json:"end"`
}

// String returns the range as "file:line,column".
func (r Range) String() string {
	return fmt.Sprintf("%s:%d,%d", r.Filename, r.Start.Line, r.Start.Column)
}

// Pos is a place in a file. Lines and columns count from 1, columns in
// characters as a reader sees them; bytes count from 0.
type Pos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

// Snippet is the source text around a range.
type Snippet struct {
	// Context is the header of the block around it, such as `device "datapower" "edge"`.
	Context string `json:"context,omitempty"`
	// Code is the first line of the range, whole.
	Code      string `json:"code"`
	StartLine int    `json:"start_line"`
	// HighlightStart and HighlightEnd are byte offsets in Code.
	HighlightStart int `json:"highlight_start"`
	HighlightEnd   int `json:"highlight_end"`
}

// Error returns the diagnostic as one line, so that it can be used as an error.
func (d Diagnostic) Error() string {
	text := d.Summary
	if d.Detail != "" {
		text += ": " + d.Detail
	}
	if d.Range != nil {
		text = d.Range.String() + ": " + text
	}
	return text
}

// List is a list of diagnostics.
type List []Diagnostic

// HasErrors reports whether any diagnostic is an error.
func (l List) HasErrors() bool {
	return slices.ContainsFunc(l, func(d Diagnostic) bool { return d.Severity == Error })
}

// Err joins the errors of the list, without the warnings; nil: there are none.
func (l List) Err() error {
	var errs []error
	for _, d := range l {
		if d.Severity == Error {
			errs = append(errs, d)
		}
	}
	return errors.Join(errs...)
}

// Sorted returns the list ordered by file and position, without duplicates.
// Diagnostics without a place come first.
func (l List) Sorted() List {
	sorted := slices.Clone(l)
	slices.SortStableFunc(sorted, compare)
	return slices.CompactFunc(sorted, func(a, b Diagnostic) bool { return compare(a, b) == 0 })
}

func compare(a, b Diagnostic) int {
	var x, y Range
	if a.Range != nil {
		x = *a.Range
	}
	if b.Range != nil {
		y = *b.Range
	}
	return cmp.Or(
		strings.Compare(x.Filename, y.Filename),
		cmp.Compare(x.Start.Byte, y.Start.Byte),
		cmp.Compare(x.Start.Line, y.Start.Line),
		cmp.Compare(x.End.Byte, y.End.Byte),
		strings.Compare(string(a.Severity), string(b.Severity)),
		strings.Compare(string(a.Code), string(b.Code)),
		strings.Compare(a.Summary, b.Summary),
		strings.Compare(a.Detail, b.Detail),
	)
}
