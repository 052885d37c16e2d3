// Package retention decides which backups are kept. It is pure: it takes a policy and a
// list of sets, and returns a verdict on each set. It reads no clock and no disk.
//
// The rules are those that administrators know from restic, with these differences.
// Days, weeks and months are those of one time zone, whatever the zone in which a set
// was made. Ages count from the newest good set of a group, so a pause of backups
// deletes nothing. Only good sets count, and only good sets are deleted.
package retention

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Policy says how many sets of a group are kept. A set stays if at least one rule keeps
// it. A rule with the value zero keeps nothing.
type Policy struct {
	Last    int           // the newest sets
	Daily   int           // the newest set of each of the newest days that have one
	Weekly  int           // the same by ISO weeks, which begin on Monday
	Monthly int           // the same by months
	Within  time.Duration // all sets that are at most so much older than the newest
	// Zone decides when days, weeks and months begin. Nil: UTC.
	Zone *time.Location
}

// Set is a set at one destination. It competes only with sets of its group: those of
// the same destination, device, domain and activity.
type Set struct {
	ID          string
	Destination string
	Device      string
	Domain      string // empty: the whole device
	Activity    string
	Stamp       time.Time // when its capture began
	// Bad says why the copy is not good, such as "altered", or that it belongs to
	// somebody else. Empty: it is whole and was verified.
	Bad string
	// Foreign says that the manifest does not name this state directory.
	Foreign bool
	// Imported says that the set was found at the destination, and that its manifest
	// names this state directory without a signature that counts. Anybody who can write
	// there may have put it there.
	Imported bool
	// Gone says that the device or the activity is no longer in the plan.
	Gone bool
}

// Verdict is the decision about a set, with the reasons.
type Verdict struct {
	Set
	Keep bool
	// Why names each rule that keeps the set, such as "daily 2026-11-28", or says why
	// no rule keeps it.
	Why []string
}

// Reasons that do not name a period.
const (
	whyForeign = "written by another state directory"
	whyGone    = "its device or activity is not in the plan"
	whyFuture  = "its time lies in the future"
	whyNewest  = "newest good set"
	whyNoRule  = "no rule keeps it"
)

// Decide returns a verdict on each set, group by group, the newest first. now is used
// only to find stamps in the future. A set that is foreign, gone, bad or from the
// future is kept and does not count. An imported set does not count either: it is
// judged as if it were the only imported set beside those that count. The newest set
// that counts stays, whatever the policy says.
func Decide(p Policy, sets []Set, now time.Time) []Verdict {
	verdicts := make([]Verdict, len(sets))
	for i, s := range sets {
		verdicts[i] = Verdict{Set: s}
	}
	slices.SortFunc(verdicts, func(a, b Verdict) int {
		return cmp.Or(compareGroups(a.Set, b.Set), b.Stamp.Compare(a.Stamp), cmp.Compare(b.ID, a.ID))
	})
	for rest := verdicts; len(rest) > 0; {
		n := 1
		for n < len(rest) && compareGroups(rest[0].Set, rest[n].Set) == 0 {
			n++
		}
		p.decide(rest[:n], now)
		rest = rest[n:]
	}
	return verdicts
}

func compareGroups(a, b Set) int {
	return cmp.Or(cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.Device, b.Device),
		cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Activity, b.Activity))
}

// decide judges one group, whose newest set comes first.
func (p Policy) decide(group []Verdict, now time.Time) {
	zone := cmp.Or(p.Zone, time.UTC)
	last := p.Last
	periods := []*period{
		{"daily", p.Daily, func(t time.Time) string { return t.Format(time.DateOnly) }, nil},
		{"weekly", p.Weekly, func(t time.Time) string { year, week := t.ISOWeek(); return fmt.Sprintf("%d-W%02d", year, week) }, nil},
		{"monthly", p.Monthly, func(t time.Time) string { return t.Format("2006-01") }, nil},
	}
	var newest time.Time
	for i := range group {
		v := &group[i]
		if why := exempt(v.Set, now); why != "" {
			v.Keep, v.Why = true, []string{why}
			continue
		}
		first := newest.IsZero() // no set that counts came before it
		if last > 0 {
			v.Why = append(v.Why, "last")
		}
		local := v.Stamp.In(zone)
		for _, r := range periods {
			if name := r.of(local); r.keeps(name) {
				v.Why = append(v.Why, r.name+" "+name)
			}
		}
		if p.Within > 0 && (first || newest.Sub(v.Stamp) <= p.Within) {
			v.Why = append(v.Why, "within")
		}
		if first && len(v.Why) == 0 {
			v.Why = []string{whyNewest}
		}
		if !v.Imported {
			last--
			for _, r := range periods {
				r.count(r.of(local))
			}
			if first {
				newest = v.Stamp
			}
		}
		if v.Keep = len(v.Why) > 0; !v.Keep {
			v.Why = []string{whyNoRule}
		}
	}
}

// exempt returns the reason why a set neither counts nor is deleted. Empty: it is
// treated normally.
func exempt(s Set, now time.Time) string {
	switch {
	case s.Foreign:
		return whyForeign
	case s.Gone:
		return whyGone
	case s.Bad != "":
		return s.Bad
	case s.Stamp.After(now):
		return whyFuture
	}
	return ""
}

// period keeps one set of each of a number of days, weeks or months.
type period struct {
	name  string
	limit int
	of    func(local time.Time) string
	// seen are the periods from which a set is kept. A date can come twice with another
	// in between: in some zones, a clock went back over midnight.
	seen []string
}

// keeps reports whether a set of a period is kept, given the sets that were counted
// before.
func (r *period) keeps(name string) bool {
	return len(r.seen) < r.limit && !slices.Contains(r.seen, name)
}

// count counts a set.
func (r *period) count(name string) {
	if r.keeps(name) {
		r.seen = append(r.seen, name)
	}
}
