// Package drill decides what a drill imports and what that proves. It does nothing itself.
package drill

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/plan/pattern"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/sdk"
)

// Left says why a set is not drilled.
type Left string

// The reasons for which sets are left out.
const (
	LeftProven    Left = "proven"      // an import has proven a set of the same, and that is young enough
	LeftLater     Left = "later"       // the sample is full
	LeftDefault   Left = "default"     // of domain default: an import changes the gateway itself
	LeftEncrypted Left = "encrypted"   // nothing here can read it: a secure backup, or one for whose recipients there is no identity
	LeftDomains   Left = "all_domains" // an archive of several domains is not imported as one
	LeftForeign   Left = "foreign"     // nobody vouches for it: what it holds would be executed
)

// Query says what is to be drilled.
type Query struct {
	Devices, Domains pattern.Set
	Sample           int           // at most
	MaxAge           time.Duration // what was proven is not drilled again for so long
	Now              time.Time
	Seed             string // decides between those that have waited equally long
	Proofs           []backups.Proof
	Opens            func(backups.Copy) bool // whether its files can be read here: they may be encrypted
}

// Pick is what a drill imports, and why not more.
type Pick struct {
	Sets []backups.Set
	Left map[Left]int
}

// Choose picks sets of the last good ones of each subject. What failed last, what was
// never drilled and what was proven too long ago is due; of that comes first what was drilled
// longest ago, whatever came of it, so that one that always fails keeps no other from its turn.
func (q Query) Choose(latest []backups.Set) Pick {
	out := Pick{Left: map[Left]int{}}
	last, tried := Last(q.Proofs), newest(q.Proofs)
	for _, s := range latest {
		of := s.Subject()
		if of.Domain != "" && !q.Domains.Matches(of.Domain) || !q.Devices.Matches(of.Device) {
			continue
		}
		if why := q.unfit(s); why != "" {
			out.Left[why]++
			continue
		}
		if p, drilled := last[of]; drilled && p.Verdict == backups.Proven && q.Now.Sub(p.At) <= q.MaxAge && !p.At.After(q.Now) {
			out.Left[LeftProven]++
			continue
		}
		out.Sets = append(out.Sets, s)
	}
	lot := func(s backups.Set) string {
		sum := sha256.Sum256([]byte(q.Seed + "\x00" + s[0].Set))
		return string(sum[:])
	}
	slices.SortFunc(out.Sets, func(a, b backups.Set) int {
		return cmp.Or(tried[a.Subject()].At.Compare(tried[b.Subject()].At), strings.Compare(lot(a), lot(b)))
	})
	if more := len(out.Sets) - q.Sample; more > 0 {
		out.Sets, out.Left[LeftLater] = out.Sets[:q.Sample], more
	}
	return out
}

// unfit says why a set is never drilled; empty: it can be.
func (q Query) unfit(s backups.Set) Left {
	c := s[0]
	switch {
	case c.Imported && slices.ContainsFunc(s, func(c backups.Copy) bool { trusted, _ := c.Trust(); return !trusted }): // any of them may be fetched
		return LeftForeign
	case c.Domain == "default":
		return LeftDefault
	case Archive(c) == nil && slices.ContainsFunc(c.Files, func(f backups.File) bool { return f.Variant == sdk.VariantSecureBackup }):
		return LeftEncrypted
	case c.Domain == "" || Archive(c) == nil:
		return LeftDomains
	case !slices.ContainsFunc(s, func(c backups.Copy) bool { return c.State == backups.Whole && q.Opens(c) }):
		return LeftEncrypted
	}
	return ""
}

// Archive is the file of a copy that is imported: what was saved on the gateway, or what
// ran if that is all there is. It is nil where the copy holds no export.
func Archive(c backups.Copy) *backups.File {
	for _, variant := range []string{sdk.VariantPersisted, sdk.VariantRunning} {
		if i := slices.IndexFunc(c.Files, func(f backups.File) bool { return f.Variant == variant }); i >= 0 {
			return &c.Files[i]
		}
	}
	return nil
}

// Last gives the newest verdict on each subject, of those that say something of the set.
func Last(proofs []backups.Proof) map[backups.Subject]backups.Proof {
	return newest(slices.DeleteFunc(slices.Clone(proofs), func(p backups.Proof) bool { return p.Verdict == backups.Undecided }))
}

func newest(proofs []backups.Proof) map[backups.Subject]backups.Proof {
	out := map[backups.Subject]backups.Proof{}
	for _, p := range proofs {
		if before, has := out[p.Subject]; !has || p.At.After(before.At) {
			out[p.Subject] = p
		}
	}
	return out
}

// DomainPrefix is what the names of domains begin with that a drill has made.
const DomainPrefix = "dprun-drill-"

// Domain is the name of the domain that a drill makes: no two drills have the same.
// A gateway takes letters, digits, -, _ and dots, and 128 of them.
func Domain(run string, n int) string {
	return DomainPrefix + strings.ToLower(run) + "-" + string(rune('a'+n%26)) + strings.Repeat("x", n/26)
}
