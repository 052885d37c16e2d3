package main

import (
	"strings"
	"testing"
)

func TestAComparisonShowsMedianLowestAndHighestOfBothAndTheRatioOfTheMedians(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	printPair(&out, "3 exports", "time, s", []float64{4, 1, 2}, []float64{3, 9, 2.5})
	if want := "3 exports\ttime, s\t2.00\t1.00\t4.00\t3.00\t2.50\t9.00\t1.50\n"; out.String() != want {
		t.Errorf("the row is %q, not %q", out.String(), want)
	}
}
