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
	Own      Origin = "own"      // a run of this state directory stored it and entered it in the journal
	Imported Origin = "imported" // found at a destination; its manifest names this state directory
	Foreign  Origin = "foreign"  // found at a destination; its manifest names another state directory or none
)

// Set holds all known copies of what one task captured, the best one first.
type Set []Copy

// Sets groups copies into sets. The copies of one set must follow each other.
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

// sorted puts the best copy first: whole ones before others, then trusted ones,
// then ones that are not imported.
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

// Good reports whether at least one copy is whole, as far as is known.
func (s Set) Good() bool { return s[0].State == Whole }

// Kept reports whether at least one copy was not deleted.
func (s Set) Kept() bool {
	return slices.ContainsFunc(s, func(c Copy) bool { return c.State != Deleted })
}

// Origin returns who vouches for the set's best copy. state is the ID of the
// state directory.
func (s Set) Origin(state string) Origin {
	switch {
	case !s[0].Imported:
		return Own
	case s[0].StateID == state:
		return Imported
	}
	return Foreign
}

// Subject is the device, the domain and the activity that a set is a backup of.
type Subject struct{ Device, Domain, Activity string }

// Subject returns the subject of the set.
func (s Set) Subject() Subject { return Subject{s[0].Device, s[0].Domain, s[0].Activity} }

// clocksDiffer is how far in the future the capture of a set may lie.
const clocksDiffer = 5 * time.Minute

// Latest returns the last good set of each subject, the newest first. A more
// trusted set wins over a newer one: a set that somebody has put at a destination
// never replaces one that a run has stored or signed. Sets whose stamp lies in
// the future do not count.
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

// Last returns the set that [Latest] would return for one subject; nil: there is
// none. sets must begin with the newest; Last reads only as many as it needs.
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

// counts reports whether the set can be the last good one.
func (s Set) counts(now time.Time) bool {
	return s.Good() && !s[0].Captured.After(now.Add(clocksDiffer))
}

// before reports whether the set is better than the other one. Every set is
// better than nil.
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
