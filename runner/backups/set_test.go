package backups

import (
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/need"
)

// stored returns copies of sets of a domain from texts such as "3 own whole": the
// hour of the set, its origin and its state.
func stored(t *testing.T, texts ...string) iter.Seq2[Copy, error] {
	t.Helper()
	return func(yield func(Copy, error) bool) {
		for _, text := range texts {
			f := strings.Fields(text)
			at := time.Date(2026, 11, 23, int(f[0][0]-'0'), 0, 0, 0, time.UTC)
			c := Copy{Set: need.Value(ID("01R", f[0], at.Format("2006-01-02-15-04-05-")+"000"))(t), Run: f[0], Captured: at, Device: "gw", Domain: "d", Activity: "x",
				Imported: f[1] != "own", State: State(f[2]), StateID: map[string]string{"imported": "HERE", "foreign": "THERE"}[f[1]]}
			if !yield(c, nil) {
				return
			}
		}
	}
}

func TestTheLastGoodSetIsTheMostTrustedOne(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want   string
		origin Origin
		copies []string
	}{
		{"2", Own, []string{"2 own whole", "1 own whole"}},
		{"1", Own, []string{"2 own altered", "1 own whole"}},
		{"1", Own, []string{"3 imported whole", "2 foreign whole", "1 own whole"}},
		{"2", Imported, []string{"3 foreign whole", "2 imported whole", "1 imported whole", "1 own missing"}},
		{"3", Foreign, []string{"3 foreign whole", "1 own deleted"}},
		{"1", Own, []string{"9 own whole", "1 own whole"}}, // the clock was wrong
		// A whole copy that somebody has put there does not make a set our own.
		{"1", Own, []string{"2 own altered", "2 foreign whole", "1 own whole"}},
		{"2", Own, []string{"2 foreign whole", "2 own whole", "1 own whole"}},
		{"", "", []string{"2 own altered", "1 foreign missing"}},
	} {
		now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
		got := need.Value(Latest(Sets(stored(t, c.copies...)), "HERE", now))(t)
		last := need.Value(Last(Sets(stored(t, c.copies...)), Subject{"gw", "d", "x"}, "HERE", now))(t)
		if (last == nil) != (len(got) == 0) || last != nil && last[0].Set != got[0][0].Set {
			t.Errorf("of %q one is %v and all are %v", c.copies, last, got)
		}
		if other := need.Value(Last(Sets(stored(t, c.copies...)), Subject{"gw", "d", "y"}, "HERE", now))(t); other != nil {
			t.Errorf("of another activity it is %v", other)
		}
		switch {
		case c.want == "":
			if len(got) > 0 {
				t.Errorf("of %q it is %v, want none", c.copies, got)
			}
		case len(got) != 1 || got[0][0].Run != c.want || got[0].Origin("HERE") != c.origin:
			t.Errorf("of %q it is %v, want set %s, %s", c.copies, got, c.want, c.origin)
		}
	}
}

func TestCopiesOfOneSetStandTogether(t *testing.T) {
	t.Parallel()
	var got []int
	kept := 0
	for s, err := range Sets(stored(t, "3 own whole", "2 foreign whole", "2 own whole", "2 own missing", "1 own deleted")) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, len(s)); s.Kept() {
			kept++
		}
		if len(s) == 3 && (s[0].Imported || !s[1].Imported || s[2].State != Missing) {
			t.Errorf("the copies are in the order %v", s)
		}
	}
	if !slices.Equal(got, []int{1, 3, 1}) || kept != 2 {
		t.Errorf("the sets have %v copies, %d sets are kept", got, kept)
	}
	failed := func(yield func(Copy, error) bool) { yield(Copy{}, errors.New("the journal is damaged")) }
	if _, err := Latest(Sets(failed), "", time.Now()); err == nil {
		t.Error("an error is lost")
	}
}
