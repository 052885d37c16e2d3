// Package redact keeps secrets out of everything that is shown or written
// down: every text that comes from a plugin, a script or a device passes one
// [Redactor] before journal, log or view.
package redact

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"net/url"
	"sort"
	"strings"
	"sync"
)

// shortest is the length below which a secret is not searched for: replacing
// every "a" would hide the message and give the secret away.
const shortest = 4

// shortestInner is the same for a part of a base64 form.
const shortestInner = 6

// mask stands where a secret stood.
const mask = "(sensitive)"

// Redactor replaces known secrets, in plain and in every escaped form, by a
// mask. The zero value knows none. It is safe for concurrent use.
type Redactor struct {
	mu       sync.RWMutex
	known    map[string]bool
	replacer *strings.Replacer
	longest  int
}

// Add makes a secret known.
func (r *Redactor) Add(secret string) {
	forms := append(forms(secret), lines(secret)...)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = map[string]bool{}
	}
	fresh := false
	for _, f := range forms {
		if len(f) >= shortest && !r.known[f] {
			r.known[f], fresh = true, true
			r.longest = max(r.longest, len(f))
		}
	}
	if !fresh {
		return
	}
	all := make([]string, 0, len(r.known))
	for f := range r.known {
		all = append(all, f)
	}
	// The longest first: a secret that contains another is masked whole.
	sort.Slice(all, func(i, j int) bool { return len(all[i]) > len(all[j]) || len(all[i]) == len(all[j]) && all[i] < all[j] })
	pairs := make([]string, 0, 2*len(all))
	for _, f := range all {
		pairs = append(pairs, f, mask)
	}
	r.replacer = strings.NewReplacer(pairs...)
}

// Redact returns s without any known secret.
func (r *Redactor) Redact(s string) string {
	r.mu.RLock()
	rep := r.replacer
	r.mu.RUnlock()
	if rep == nil || s == "" {
		return s
	}
	return rep.Replace(s)
}

// JSON returns a JSON document without any known secret: it stays valid,
// since a secret's form inside a JSON string is among the forms.
func (r *Redactor) JSON(b []byte) []byte { return []byte(r.Redact(string(b))) }

// forms gives the ways in which a secret may be written down.
func forms(s string) []string {
	out := []string{s, strings.TrimSpace(s), url.QueryEscape(s), url.PathEscape(s), hex.EncodeToString([]byte(s)),
		base64.StdEncoding.EncodeToString([]byte(s)), base64.RawStdEncoding.EncodeToString([]byte(s)), base64.URLEncoding.EncodeToString([]byte(s))}
	out = append(out, inner(s)...)
	if b, err := json.Marshal(s); err == nil {
		out = append(out, strings.Trim(string(b), `"`))
	}
	var x strings.Builder
	if xml.EscapeText(&x, []byte(s)) == nil {
		out = append(out, x.String())
	}
	return out
}

// inner gives the base64 forms behind other bytes, as in an Authorization
// header: what is the same there whatever stands before and after.
func inner(s string) []string {
	var out []string
	for before := range 3 {
		padded := make([]byte, before, before+len(s))
		whole := (before + len(s)) / 3 * 3
		if from := (before*4 + 2) / 3; whole/3*4-from >= shortestInner {
			padded = append(padded, s...)[:whole]
			out = append(out, base64.StdEncoding.EncodeToString(padded)[from:], base64.URLEncoding.EncodeToString(padded)[from:])
		}
	}
	return out
}

// lines gives the lines of a secret of several lines, such as a private key.
func lines(s string) []string {
	if !strings.Contains(s, "\n") {
		return nil
	}
	var out []string
	for l := range strings.SplitSeq(s, "\n") {
		if l = strings.TrimSpace(l); len(l) >= 16 && !strings.HasPrefix(l, "-----") {
			out = append(out, l)
		}
	}
	return out
}
