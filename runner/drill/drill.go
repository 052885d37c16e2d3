// Package drill decides which sets a drill imports and what an import proves. It does
// nothing itself.
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

// Left is the reason why a set is not drilled.
type Left string

// The reasons why sets are left out.
const (
	LeftProven    Left = "proven"      // a recent import has proven a set of the same subject
	LeftLater     Left = "later"       // the sample is full
	LeftDefault   Left = "default"     // of domain default: an import would change the gateway itself
	LeftEncrypted Left = "encrypted"   // cannot be read here: a secure backup, or encrypted without a matching identity
	LeftDomains   Left = "all_domains" // an archive of several domains cannot be imported as one
	LeftForeign   Left = "foreign"     // nobody vouches for it, and the import would execute what it holds
)

// Query describes a drill.
type Query struct {
	Devices, Domains pattern.Set
	Sample           int           // at most so many sets
	MaxAge           time.Duration // a proven subject is not drilled again for so long
	Now              time.Time
	Seed             string // decides between sets that have waited equally long
	Proofs           []backups.Proof
	Opens            func(backups.Copy) bool // whether the files of a copy, which may be encrypted, can be read here
}

// Pick holds the sets to import, and the number of sets left out by reason.
type Pick struct {
	Sets []backups.Set
	Left map[Left]int
}

// Choose picks from the last good set of each subject. A subject is due if its last
// drill failed, if it was never drilled, or if it was proven too long ago. Of the due
// subjects, the one that was drilled longest ago comes first, whatever the result was.
// So a set that always fails does not keep others from their turn.
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

// unfit returns the reason why a set is never drilled; empty: it can be drilled.
func (q Query) unfit(s backups.Set) Left {
	c := s[0]
	switch {
	case c.Imported && slices.ContainsFunc(s, func(c backups.Copy) bool { trusted, _ := c.Trust(); return !trusted }): // a drill may fetch any of the copies
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

// Archive returns the file of a copy that is imported: the saved configuration, or else
// the running one. It returns nil if the copy holds no export.
func Archive(c backups.Copy) *backups.File {
	for _, variant := range []string{sdk.VariantPersisted, sdk.VariantRunning} {
		if i := slices.IndexFunc(c.Files, func(f backups.File) bool { return f.Variant == variant }); i >= 0 {
			return &c.Files[i]
		}
	}
	return nil
}

// Last returns the newest verdict on each subject. It ignores verdicts that say nothing
// about the set.
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

// DomainPrefix is the beginning of the names of domains that drills make.
const DomainPrefix = "dprun-drill-"

// Domain returns the name of a domain for import n of a drill. No two drills share a
// name. Gateways accept names of up to 128 letters, digits, -, _ and dots.
func Domain(run string, n int) string {
	return DomainPrefix + strings.ToLower(run) + "-" + string(rune('a'+n%26)) + strings.Repeat("x", n/26)
}
