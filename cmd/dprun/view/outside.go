package view

import (
	"time"

	"github.com/dprun/dprun/runner/report"
)

// What other views of the same reports say in the same words.

// Span is a duration in the two units that matter.
func Span(d time.Duration) string { return span(d) }

// Size is a number of bytes in decimal units.
func Size(n int64) string { return size(n) }

// OwedTitle is what is owed, in one line that stands alone.
func OwedTitle(o report.Owed) string { return owedTitle(o) }

// Circumstances are the run that an obligation is of, who is at it, and why it is not done.
func Circumstances(o report.Owed) []string { return circumstances(o) }

// ProofText is what an import has shown.
func ProofText(p report.Proof) string { return proofText(p) }

// OriginText says who vouches for a set of this origin.
func OriginText(origin string) string { return originText(origin) }
