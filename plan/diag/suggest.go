package diag

import "slices"

// Suggest returns the candidate nearest to a mistyped name; empty: none is
// near. Of equally near candidates it returns the first in alphabetical order.
func Suggest(given string, candidates []string) string {
	best, bestDistance := "", max(1, min(3, len(given)/3))+1
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if d := distance([]rune(given), []rune(c)); d < bestDistance && d < len(c) {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is the number of characters to insert, remove, replace or swap with
// their neighbour to turn a into b.
func distance(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
