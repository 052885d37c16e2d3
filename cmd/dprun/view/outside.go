package view

import (
	"time"

	"github.com/dprun/dprun/runner/report"
)

// The functions below let other views of the same reports use the same words.

// Span writes a duration in its two largest units.
func Span(d time.Duration) string { return span(d) }

// Size writes a number of bytes in decimal units.
func Size(n int64) string { return size(n) }

// OwedTitle describes an obligation in one line that stands alone.
func OwedTitle(o report.Owed) string { return owedTitle(o) }

// Circumstances tells which run an obligation belongs to, who is working on it, and why
// it is not done.
func Circumstances(o report.Owed) []string { return circumstances(o) }

// ProofText tells what an import proved.
func ProofText(p report.Proof) string { return proofText(p) }

// OriginText says who vouches for a set of this origin.
func OriginText(origin string) string { return originText(origin) }
