package appliance

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// accessPolicy is a line of a user group's access profile:
// address/domain/resource?Access=r+w&Name=pattern. The address is not looked
// at: every connection of the simulation is a local one.
type accessPolicy struct {
	domain, resource string
	letters          []string
}

var accessForm = regexp.MustCompile(`^[-_a-zA-Z0-9.:*]+/([-_a-zA-Z0-9.*]+)/([-a-z0-9/*]+)\?Access=([a-zA-Z+]+)(&[^=]+=[^&]+)*$`)

// accessPolicies reads the lines of an access profile.
func accessPolicies(lines []string) ([]accessPolicy, error) {
	var out []accessPolicy
	for _, l := range lines {
		m := accessForm.FindStringSubmatch(l)
		if m == nil {
			return nil, fmt.Errorf("access %q is not address/domain/resource?Access=letters", l)
		}
		out = append(out, accessPolicy{domain: m[1], resource: m[2], letters: strings.Split(m[3], "+")})
	}
	return out, nil
}

// specific orders the policies that fit: the most specific one wins.
func (p accessPolicy) specific() int {
	n := 2 * len(strings.ReplaceAll(p.resource, "*", ""))
	if p.domain != "*" {
		n++
	}
	return n
}

func (p accessPolicy) fits(domain, resource string) bool {
	if ok, err := path.Match(p.domain, domain); !ok || err != nil {
		return false
	}
	if p.resource == "*" {
		return true
	}
	ok, err := path.Match(p.resource, resource)
	return ok && err == nil
}

// May reports whether the account has a right, by its letter (r, w, a, d, x),
// to a resource in a domain. An account without an access profile has all.
func (a *Appliance) May(domain, resource, letter string) bool {
	if a.access == nil {
		return true
	}
	best, may := -1, false
	for _, p := range a.access {
		if !p.fits(domain, resource) || p.specific() < best {
			continue
		}
		has := slices.Contains(p.letters, letter)
		if p.specific() > best {
			may = has
		}
		best, may = p.specific(), may || has
	}
	return may
}
