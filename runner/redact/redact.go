// Package redact keeps secrets out of everything that is shown or written down. Every
// text from a plugin, a script or a device passes a [Redactor] before it reaches
// journal, log or view.
package redact

import (
	"slices"
	"strings"
	"sync"
)

// shortest is the length of the shortest secret that is searched for. Replacing every
// "a" would make messages unreadable and reveal the secret.
const shortest = 4

// mask replaces a secret.
const mask = "(sensitive)"

// Redactor replaces known secrets by a mask, in plain text and in every escaped form.
// The zero value knows none. It is safe for concurrent use.
//
// Its cost grows with the text and with the secrets, but not with their product. At
// each place of a text, the first bytes tell which lengths a secret that begins with
// them can have. A look-up for each of these lengths decides.
type Redactor struct {
	mu    sync.RWMutex
	known map[string]struct{}
	// lengths are the lengths of the forms that begin with the given bytes, the longest
	// first: a secret that contains another one is masked as a whole.
	lengths map[[shortest]byte][]int
	// begins quickly rules out most places, where no secret begins.
	begins [1 << 16]bool
}

// Add makes a secret known.
func (r *Redactor) Add(secret string) {
	all := append(forms(secret), lines(secret)...)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known, r.lengths = map[string]struct{}{}, map[[shortest]byte][]int{}
	}
	for _, f := range all {
		if len(f) < shortest {
			continue
		}
		if _, is := r.known[f]; is {
			continue
		}
		r.known[f] = struct{}{}
		begin := [shortest]byte([]byte(f[:shortest]))
		r.begins[uint16(f[0])<<8|uint16(f[1])] = true
		of := r.lengths[begin]
		if at, there := slices.BinarySearchFunc(of, len(f), func(a, b int) int { return b - a }); !there {
			r.lengths[begin] = slices.Insert(of, at, len(f))
		}
	}
}

// Redact returns s without any known secret.
func (r *Redactor) Redact(s string) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.known) == 0 {
		return s
	}
	var out strings.Builder
	kept := 0 // s is copied to out up to here
	for i := 0; i+shortest <= len(s); {
		n := r.at(s[i:])
		if n == 0 {
			i++
			continue
		}
		out.WriteString(s[kept:i])
		out.WriteString(mask)
		i += n
		kept = i
	}
	if kept == 0 {
		return s
	}
	out.WriteString(s[kept:])
	return out.String()
}

// at returns the length of the longest secret at the beginning of a text; 0: none.
func (r *Redactor) at(s string) int {
	if !r.begins[uint16(s[0])<<8|uint16(s[1])] {
		return 0
	}
	for _, n := range r.lengths[[shortest]byte([]byte(s[:shortest]))] {
		if n <= len(s) {
			if _, is := r.known[s[:n]]; is {
				return n
			}
		}
	}
	return 0
}

// JSON returns a JSON document without any known secret. The document stays valid,
// because the form of a secret inside a JSON string is among the forms.
func (r *Redactor) JSON(b []byte) []byte { return []byte(r.Redact(string(b))) }
