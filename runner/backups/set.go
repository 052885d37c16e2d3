package backups

import (
	"cmp"
	"iter"
	"slices"
)

// Origin says who vouches for a set.
type Origin string

// The origins, the most trusted first.
const (
	Own      Origin = "own"      // a run of this state directory stored it and wrote that down
	Imported Origin = "imported" // found at a destination, and its manifest names this state directory
	Foreign  Origin = "foreign"  // found at a destination, and its manifest names another one or none
)

// Set is what one task captured, with all its known copies: those that are not
// imported first.
type Set []Copy

// Sets are the sets of copies of which those of one set follow each other.
func Sets(copies iter.Seq2[Copy, error]) iter.Seq2[Set, error] {
	return func(yield func(Set, error) bool) {
		var set Set
		for c, err := range copies {
			if err != nil {
				yield(nil, err)
				return
			}
			if len(set) > 0 && set[0].Set != c.Set {
				if !yield(set.sorted(), nil) {
					return
				}
				set = nil
			}
			set = append(set, c)
		}
		if len(set) > 0 {
			yield(set.sorted(), nil)
		}
	}
}

func (s Set) sorted() Set {
	slices.SortStableFunc(s, func(a, b Copy) int {
		switch {
		case a.Imported == b.Imported:
			return 0
		case b.Imported:
			return -1
		}
		return 1
	})
	return s
}

// Good reports whether a copy of it is whole, as far as is known.
func (s Set) Good() bool {
	return slices.ContainsFunc(s, func(c Copy) bool { return c.State == Whole })
}

// Kept reports whether there is a copy of it that was not deleted.
func (s Set) Kept() bool {
	return slices.ContainsFunc(s, func(c Copy) bool { return c.State != Deleted })
}

// Origin says who vouches for the set; state is the ID of the state directory.
func (s Set) Origin(state string) Origin {
	switch {
	case !s[0].Imported:
		return Own
	case s[0].StateID == state:
		return Imported
	}
	return Foreign
}

// Subject is what a set is a backup of.
type Subject struct{ Device, Domain, Activity string }

// Subject is what the set is a backup of.
func (s Set) Subject() Subject { return Subject{s[0].Device, s[0].Domain, s[0].Activity} }

// Latest gives the last good set of each subject, the newest first. One that is
// trusted more comes before one that is newer: a set that somebody has put at a
// destination never takes the place of one that a run has stored.
func Latest(sets iter.Seq2[Set, error], state string) ([]Set, error) {
	trust := map[Origin]int{Own: 2, Imported: 1}
	best := map[Subject]Set{}
	for s, err := range sets {
		if err != nil {
			return nil, err
		}
		if !s.Good() {
			continue
		}
		of := s.Subject()
		if before := best[of]; before == nil || cmp.Or(cmp.Compare(trust[s.Origin(state)], trust[before.Origin(state)]), cmp.Compare(s[0].Set, before[0].Set)) > 0 {
			best[of] = s
		}
	}
	var out []Set
	for _, s := range best {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Set) int { return cmp.Compare(b[0].Set, a[0].Set) })
	return out, nil
}
