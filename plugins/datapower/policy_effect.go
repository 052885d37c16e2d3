package datapower

import (
	"regexp"
	"slices"
	"strings"

	"github.com/dprun/dprun/plugins/datapower/archive"
)

// fit says whether a matching statement is about an object. dprun cannot always know: it knows the policy names
// of some classes only, and the patterns are Perl's.
type fit int

const (
	fitsNot fit = iota
	fitsPerhaps
	fits
)

// matching is a matching statement: address/domain/resource?Name=…&Property=…&Value=….
type matching struct {
	address, domain, resource, name, property string
	value                                     bool // it depends on a value
}

func matchingOf(text string) matching {
	where, query, _ := strings.Cut(text, "?")
	parts := append(strings.SplitN(where, "/", 3), "", "")
	m := matching{address: parts[0], domain: parts[1], resource: parts[2]}
	for term := range strings.SplitSeq(query, "&") {
		switch key, value, _ := strings.Cut(term, "="); key {
		case "Name":
			m.name = value
		case "Property":
			m.property = value
		case "Value":
			m.value = true
		}
	}
	return m
}

// of says whether the statement is about an object of a domain, whatever the object's
// properties are.
func (m matching) of(domain, class, name string) fit {
	out := fits
	least := func(f fit) { out = min(out, f) }
	pattern := func(want, have string) fit {
		switch {
		case want == "*", want == have:
			return fits
		case strings.Contains(want, "*"):
			return fitsPerhaps
		}
		return fitsNot
	}
	if m.address != "*" {
		least(fitsPerhaps) // the domain of the gateway that exported
	}
	least(pattern(m.domain, domain))
	if uri := uris[class]; uri != "" {
		least(pattern(m.resource, uri))
	} else if m.resource != "*" {
		least(fitsPerhaps)
	}
	if m.name != "" {
		whole, err := regexp.Compile("^(?:" + m.name + ")$")
		part, also := regexp.Compile(m.name)
		switch {
		case err != nil || also != nil:
			least(fitsPerhaps)
		case whole.MatchString(name):
		case part.MatchString(name):
			least(fitsPerhaps)
		default:
			least(fitsNot)
		}
	}
	return out
}

// leavesOut reports whether the policy certainly keeps an object of an archive from being imported.
func (s *statements) leavesOut(domain, class, name string) bool {
	accepted := func(text string) bool { return matchingOf(text).of(domain, class, name) != fitsNot }
	filtered := func(text string) bool {
		m := matchingOf(text)
		return m.of(domain, class, name) == fits && m.property == "" && !m.value
	}
	return len(s.Accepted) > 0 && !slices.ContainsFunc(s.Accepted, accepted) || slices.ContainsFunc(s.Filtered, filtered)
}

// explains reports whether the policy explains a difference: the archive has another value for the property, and
// the policy makes it what it is. old is the domain's value.
func (p *policy) explains(domain, class, name string, d archive.Property) bool {
	for _, m := range p.Modified {
		s := matchingOf(m.Match)
		about := s.of(domain, class, name)
		if about == fitsNot {
			continue
		}
		property := s.property
		if m.Type == "add" {
			property = m.Property
		}
		if d.Path != property && !strings.HasPrefix(d.Path, property+"/") && !strings.HasPrefix(d.Path, property+"[") {
			continue
		}
		value := policyVariable.ReplaceAllStringFunc(m.Value, func(v string) string { return p.variables[v[2:len(v)-1]] })
		switch {
		case m.Type == "delete":
			if about == fits && !s.value && d.Change == archive.Added {
				return true
			}
		case d.Hidden: // its value cannot be seen
			if about == fits && !s.value {
				return true
			}
		case d.Change != archive.Added && strings.TrimSpace(d.Old) == strings.TrimSpace(archive.Printable(value)):
			return true
		}
	}
	return false
}
