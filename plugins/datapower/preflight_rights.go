package datapower

import (
	"context"
	"path"
	"slices"
	"strings"
)

// rights are what an account may do, as far as the gateway tells: the access profile of its group. They are not
// known for an account that cannot read its own group, nor for one of a directory service, which has none on the
// gateway.
type rights struct {
	known      bool
	privileged bool // may do everything
	lines      []profileLine
}

// profileLine is address/domain/resource?Access=letters of an access profile.
type profileLine struct {
	domain, resource string
	letters          []string
	narrowed         bool // covers only some addresses, objects or files
}

func parseProfileLine(text string) (profileLine, bool) {
	where, query, ok := strings.Cut(text, "?")
	parts := strings.SplitN(where, "/", 3)
	if !ok || len(parts) != 3 {
		return profileLine{}, false
	}
	l := profileLine{domain: parts[1], resource: parts[2], narrowed: parts[0] != "*"}
	for term := range strings.SplitSeq(query, "&") {
		if letters, ok := strings.CutPrefix(term, "Access="); ok {
			l.letters = strings.Split(letters, "+")
		} else {
			l.narrowed = true
		}
	}
	return l, true
}

func (l profileLine) fits(domain, resource string) bool {
	d, err := path.Match(l.domain, domain)
	if err != nil || !d {
		return false
	}
	r, err := path.Match(l.resource, resource)
	return l.resource == "*" || err == nil && r
}

// specific orders matching lines. The most specific one wins.
func (l profileLine) specific() int {
	n := 2 * len(strings.ReplaceAll(l.resource, "*", ""))
	if l.domain != "*" {
		n++
	}
	return n
}

// grants says whether the account has a right to a resource in a domain, and whether that is known.
func (r rights) grants(domain, resource, letter string) (granted, known bool) {
	if !r.known || r.privileged {
		return r.privileged, r.known
	}
	best, known := -1, true
	for _, l := range r.lines {
		n := l.specific()
		if !l.fits(domain, resource) || n < best {
			continue
		}
		if n > best {
			granted, known = false, true
		}
		best = n
		if l.narrowed {
			known = false
		}
		granted = granted || slices.Contains(l.letters, letter)
	}
	return granted, known
}

// ownRights reads what the account may do. If it cannot be read, nothing is
// known.
func (s *source) ownRights(ctx context.Context) rights {
	users, err := s.client.GetConfig(ctx, defaultDomain, "User", s.users.own)
	if err != nil || len(users) != 1 || users[0].Attrs["name"] != s.users.own {
		return rights{}
	}
	switch users[0].Value("AccessLevel") {
	case "privileged":
		return rights{known: true, privileged: true}
	case "group-defined":
	default:
		return rights{}
	}
	group := users[0].Value("GroupName")
	groups, err := s.client.GetConfig(ctx, defaultDomain, "UserGroup", group)
	if err != nil || group == "" || len(groups) != 1 || groups[0].Attrs["name"] != group {
		return rights{}
	}
	r := rights{known: true}
	for _, c := range groups[0].Children {
		if c.Name != "AccessPolicies" {
			continue
		}
		l, ok := parseProfileLine(c.Text)
		if !ok {
			return rights{}
		}
		r.lines = append(r.lines, l)
	}
	return r
}
