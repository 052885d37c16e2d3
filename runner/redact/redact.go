// Package redact keeps secrets out of everything that is shown or written
// down: every text that comes from a plugin, a script or a device passes one
// [Redactor] before journal, log or view.
package redact

import (
	"slices"
	"strings"
	"sync"
)

// shortest is the length below which a secret is not searched for: replacing
// every "a" would hide the message and give the secret away.
const shortest = 4

// mask stands where a secret stood.
const mask = "(sensitive)"

// Redactor replaces known secrets, in plain and in every escaped form, by a
// mask. The zero value knows none. It is safe for concurrent use.
//
// What it costs grows with the text and with the secrets, not with their
// product: at each place of a text the first bytes tell which lengths a secret
// that begins so can have, and a look-up for each of these whether it is one.
type Redactor struct {
	mu    sync.RWMutex
	known map[string]struct{}
	// lengths are the lengths of the forms that begin with some bytes, the
	// longest first: a secret that contains another is masked whole.
	lengths map[[shortest]byte][]int
	// begins tells quickly of most places that nothing begins there.
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
	kept := 0 // up to where s is in out
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

// at is the length of the longest secret that a text begins with; 0: none.
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

// JSON returns a JSON document without any known secret: it stays valid,
// since a secret's form inside a JSON string is among the forms.
func (r *Redactor) JSON(b []byte) []byte { return []byte(r.Redact(string(b))) }
