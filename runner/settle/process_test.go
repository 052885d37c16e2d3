package settle

import "testing"

// A program may call itself anything, for example "Z) Z (".
func TestAProcessIsToldByItsStateWhateverItsName(t *testing.T) {
	t.Parallel()
	for stat, want := range map[string]string{
		"12 (dprun) S 1 12 12":      "S 1 12 12",
		"12 (Z) Z (x) R 1 12 12":    "R 1 12 12",
		"12 (a) b) Z 1 12 12 0 -1":  "Z 1 12 12 0 -1",
		"12 (with ) Z in it) S 1 2": "S 1 2",
	} {
		if got := afterName(stat); got != want {
			t.Errorf("%q: %q, want %q", stat, got, want)
		}
	}
}
