package archive

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Change says what happened to something between the first archive and the
// second.
type Change string

// The changes.
const (
	Added   Change = "added"
	Removed Change = "removed"
	Changed Change = "changed"
)

// Property is a differing property of an object. Its texts are safe to print.
type Property struct {
	// Path leads from the object to the property, as in "StyleRules[2]/Match" (the second one); attributes begin
	// with "@". The index is the one in the first archive or, for an added property, in the second.
	Path   string `json:"path"`
	Change Change `json:"change"`
	Old    string `json:"old,omitempty"`
	New    string `json:"new,omitempty"`
	// Hidden says that the values are or may be secret. Old and New are then
	// empty.
	Hidden bool `json:"hidden,omitempty"`
}

const (
	maxProperties = 1000    // reported for one object
	maxAlign      = 1 << 20 // pairs of values of one property that are compared to find moved ones
)

// properties collects the differences between two objects.
type properties struct {
	found   []Property
	omitted int
}

func (p *properties) add(path string, c Change, old, now string, hidden bool) {
	if len(p.found) == maxProperties {
		p.omitted++
		return
	}
	d := Property{Path: Printable(path), Change: c, Hidden: hidden}
	if !hidden {
		d.Old, d.New = excerpts(old, now)
	}
	p.found = append(p.found, d)
}

// excerpts makes two values safe to show. If long ones begin alike, it returns the part around the first
// difference.
func excerpts(old, now string) (string, string) {
	const context = 40
	if max(len(old), len(now)) > maxPrintable {
		n := 0
		for n < len(old) && n < len(now) && old[n] == now[n] {
			n++
		}
		for n -= context; n > context; n-- {
			if utf8.RuneStart(old[n]) {
				return Printable("…" + old[n:]), Printable("…" + now[n:])
			}
		}
	}
	return Printable(old), Printable(now)
}

// compare adds the differences between two nodes of one class. hidden says that they are secret
// as a whole.
func (p *properties) compare(path string, a, b *node, hidden bool) {
	if a.sum == b.sum {
		return
	}
	if path == "" {
		hidden = closed[a.class]
	} else if len(a.kids)+len(b.kids) > 0 {
		hidden = hidden || secretName.MatchString(a.class)
	}
	p.attributes(path, a, b, hidden)
	if a.text != b.text {
		p.add(path, Changed, a.text, b.text, hidden || secret(a) || secret(b))
	}
	ka, kb := a.groups(), b.groups()
	values := hidden || telling(a) || telling(b)
	classes := maps.Clone(ka)
	maps.Copy(classes, kb)
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		at := class
		if path != "" {
			at = path + "/" + class
		}
		p.group(at, ka[class], kb[class], hidden || values && strings.Contains(strings.ToLower(class), "value"))
	}
}

func (p *properties) attributes(path string, a, b *node, hidden bool) {
	at := func(name string) string {
		if path == "" {
			return "@" + name
		}
		return path + "/@" + name
	}
	for _, x := range a.attrs {
		switch y, ok := b.attr(x.name); {
		case !ok:
			p.add(at(x.name), Removed, x.value, "", hidden || secretText(x.name, x.value))
		case x.value != y:
			p.add(at(x.name), Changed, x.value, y, hidden || secretText(x.name, x.value) || secretText(x.name, y))
		}
	}
	for _, y := range b.attrs {
		if _, ok := a.attr(y.name); !ok {
			p.add(at(y.name), Added, "", y.value, hidden || secretText(y.name, y.value))
		}
	}
}

// groups returns a node's children by class, each in their order.
func (n *node) groups() map[string][]*node {
	out := map[string][]*node{}
	for _, k := range n.kids {
		out[k.class] = append(out[k.class], k)
	}
	return out
}

// group compares all values of one property.
func (p *properties) group(path string, a, b []*node, hidden bool) {
	place := func(i int) string {
		if len(a) < 2 && len(b) < 2 {
			return path
		}
		return fmt.Sprintf("%s[%d]", path, i+1)
	}
	for _, s := range aligned(a, b) {
		i, j := s.a, s.b
		for ; i < s.endA && j < s.endB; i, j = i+1, j+1 {
			p.compare(place(i), a[i], b[j], hidden)
		}
		for ; i < s.endA; i++ {
			text, masked := a[i].summary(hidden)
			p.add(place(i), Removed, text, "", masked)
		}
		for ; j < s.endB; j++ {
			text, masked := b[j].summary(hidden)
			p.add(place(j), Added, "", text, masked)
		}
	}
}

// stretch is a part in which two lists differ: from a to endA in the first, from b to endB in
// the second.
type stretch struct{ a, endA, b, endB int }

// aligned returns the parts in which two lists differ; if the lists are not too long, the shortest parts.
func aligned(a, b []*node) []stretch {
	from := 0
	for from < len(a) && from < len(b) && a[from].sum == b[from].sum {
		from++
	}
	endA, endB := len(a), len(b)
	for endA > from && endB > from && a[endA-1].sum == b[endB-1].sum {
		endA, endB = endA-1, endB-1
	}
	n, m := endA-from, endB-from
	switch {
	case n == 0 && m == 0:
		return nil
	case n == 0 || m == 0 || n*m > maxAlign:
		return []stretch{{from, endA, from, endB}}
	}
	// common[i][j] is the length of the longest common sequence from a[from+i] and b[from+j] on.
	common := make([][]int32, n+1)
	for i := range common {
		common[i] = make([]int32, m+1)
	}
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			if a[from+i].sum == b[from+j].sum {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out []stretch
	for i, j := 0, 0; i < n || j < m; {
		s := stretch{a: from + i, b: from + j}
		for i < n && j < m && a[from+i].sum != b[from+j].sum {
			if common[i+1][j] >= common[i][j+1] {
				i++
			} else {
				j++
			}
		}
		if i == n || j == m {
			i, j = n, m
		}
		if s.endA, s.endB = from+i, from+j; s.endA > s.a || s.endB > s.b {
			out = append(out, s)
		}
		for i < n && j < m && a[from+i].sum == b[from+j].sum {
			i, j = i+1, j+1
		}
	}
	return out
}

// summary returns a node as one line. masked reports that hidden is set or that
// the node may be secret: the text is then the plain value, and the caller must
// not show it.
func (n *node) summary(hidden bool) (text string, masked bool) {
	if hidden = hidden || secret(n); len(n.kids) == 0 || hidden {
		return n.text, hidden
	}
	var b strings.Builder
	values := telling(n)
	for _, k := range n.kids {
		if b.Len() > maxPrintable {
			break
		}
		text, masked := k.summary(values && strings.Contains(strings.ToLower(k.class), "value"))
		switch {
		case masked:
			text = "(not shown)"
		case len(k.kids) > 0:
			text = "{" + text + "}"
		}
		fmt.Fprintf(&b, ", %s=%s", k.class, text)
	}
	return strings.TrimPrefix(b.String(), ", "), false
}

var (
	// secretName matches the names of properties that hold secrets: those that the gateways' own model marks as
	// passwords, and similar ones.
	secretName = regexp.MustCompile(`(?i)pass(word|phrase|wd|code|$)|secret|pwd|pw$|hmac|community|credentials?$|credvalue|token$|^key$|api-?key`)
	// secretValue matches values that contain a secret: addresses with a user, headers and parameters.
	secretValue = regexp.MustCompile(`(?i)://[^/?#]*@|(passw|passphrase|pwd|secret|token|authorization|api-?key)[\w.-]*["']?\s*[=:]|\b(bearer|basic)\s|-----BEGIN`)
	// secretWord matches a value that names a header or parameter whose own value is beside it.
	secretWord = regexp.MustCompile(`(?i)passw|passphrase|pwd|secret|token|authorization|cookie|api-?key|credential`)
	// closed are the classes whose content is never shown.
	closed = map[string]bool{"PasswordAlias": true, "PasswordMap": true}
)

// maxSearched is the length in bytes up to which values are searched for secrets. Longer values
// count as secret: nobody would read them in one line.
const maxSearched = 64 << 10

func secretText(name, value string) bool {
	return len(value) > maxSearched || secretName.MatchString(name) || secretValue.MatchString(value)
}

// secret reports whether the value of a property must not be shown. A reference to another object is only a
// name.
func secret(n *node) bool {
	if _, reference := n.attr("class"); reference {
		return false
	}
	return secretText(n.class, n.text)
}

// telling reports whether a part of a node says that the values beside it are secret.
func telling(n *node) bool {
	return slices.ContainsFunc(n.kids, func(k *node) bool {
		return len(k.kids) == 0 && len(k.text) <= maxSearched && secretWord.MatchString(k.text)
	})
}
