package diag

import (
	"slices"

	"github.com/agext/levenshtein"
)

// Suggest returns the candidate that is nearest to a mistyped name, or
// nothing when none is near. Equal distances are settled by the alphabet.
func Suggest(given string, candidates []string) string {
	best, bestDistance := "", max(1, min(3, len(given)/2))+1
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if d := levenshtein.Distance(given, c, nil); d < bestDistance && d < len(c) {
			best, bestDistance = c, d
		}
	}
	return best
}
