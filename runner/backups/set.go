package backups

import (
	"cmp"
	"iter"
	"slices"
	"time"
)

// Origin says who vouches for a set.
type Origin string

// The origins, the most trusted first.
const (
	Own      Origin = "own"      // a run of this state directory stored it and wrote that down
	Imported Origin = "imported" // found at a destination, and its manifest names this state directory
	Foreign  Origin = "foreign"  // found at a destination, and its manifest names another one or none
)

// Set is what one task captured, with all its known copies, the best one first.
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

// sorted brings the best copy to the front: one that is whole, of these one that
// is trusted, of these one that is not imported.
func (s Set) sorted() Set {
	rank := func(c Copy) (n int) {
		if c.State != Whole {
			n += 4
		}
		if !c.trusted() {
			n += 2
		}
		if c.Imported {
			n++
		}
		return n
	}
	slices.SortStableFunc(s, func(a, b Copy) int { return cmp.Compare(rank(a), rank(b)) })
	return s
}

// Good reports whether a copy of it is whole, as far as is known.
func (s Set) Good() bool { return s[0].State == Whole }

// Kept reports whether there is a copy of it that was not deleted.
func (s Set) Kept() bool {
	return slices.ContainsFunc(s, func(c Copy) bool { return c.State != Deleted })
}

// Origin says who vouches for the set's best copy; state is the ID of the state directory.
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

// clocksDiffer is how far in the future a set may seem to be captured.
const clocksDiffer = 5 * time.Minute

// Latest gives the last good set of each subject, the newest first. One that is
// trusted more comes before one that is newer: a set that somebody has put at a
// destination never takes the place of one that a run has stored or signed. One that says
// that it is of the future says nothing of now.
func Latest(sets iter.Seq2[Set, error], state string, now time.Time) ([]Set, error) {
	best := map[Subject]Set{}
	for s, err := range sets {
		if err != nil {
			return nil, err
		}
		if of := s.Subject(); s.counts(now) && s.before(best[of], state) {
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

// Last is what [Latest] gives for one subject, nil for none. The newest set comes
// first; no more are read than are needed.
func Last(sets iter.Seq2[Set, error], of Subject, state string, now time.Time) (Set, error) {
	var best Set
	for s, err := range sets {
		if err != nil {
			return nil, err
		}
		if s.Subject() != of || !s.counts(now) || !s.before(best, state) {
			continue
		}
		if best = s; s[0].trusted() {
			break
		}
	}
	return best, nil
}

// counts reports whether the set may be the last good one.
func (s Set) counts(now time.Time) bool {
	return s.Good() && !s[0].Captured.After(now.Add(clocksDiffer))
}

// before reports whether the set is preferred to another one, or there is none.
func (s Set) before(other Set, state string) bool {
	trust := func(s Set) int {
		switch {
		case s[0].trusted():
			return 2
		case s.Origin(state) == Imported:
			return 1
		}
		return 0
	}
	return other == nil || cmp.Or(cmp.Compare(trust(s), trust(other)), cmp.Compare(s[0].Set, other[0].Set)) > 0
}
