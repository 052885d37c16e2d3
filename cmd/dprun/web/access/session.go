package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"time"
)

// How many sessions there may be in total, and of one person. When one more begins, the
// one that was unused for the longest time ends.
const (
	maxSessions    = 4096
	maxSessionsOne = 16
)

// identity is the credential of a caller. Its rights are derived for every request from
// the current configuration.
type identity struct {
	sum    []byte  // SHA-256 of a token; nil: a login at the provider
	person *person // nil: a token
}

// resolve returns the principal by a configuration; false: it is not valid any more.
func (i identity) resolve(c *Config, now time.Time) (Principal, bool) {
	if i.person != nil {
		return i.person.resolve(c)
	}
	var found *Token
	for n := range c.Tokens { // compares all of them, so that the time taken reveals nothing
		if t := &c.Tokens[n]; subtle.ConstantTimeCompare(t.sum, i.sum) == 1 {
			found = t
		}
	}
	if found == nil || !found.expires.IsZero() && !now.Before(found.expires) {
		return Principal{}, false
	}
	return Principal{Name: "token " + found.Name, Key: "token:" + found.Name, Role: Role(found.Role), Plans: found.Plans, Labels: found.Labels}, true
}

func tokenIdentity(token string) identity {
	sum := sha256.Sum256([]byte(token))
	return identity{sum: sum[:]}
}

// bearer returns the token of a request; false: it has none.
func bearer(r *http.Request) (string, bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), strings.EqualFold(scheme, "Bearer")
}

// session is one login. Of the browser's cookie only a hash is kept.
type session struct {
	name  string // its name in logs and streams
	who   identity
	key   string // of the principal when the session began
	begun time.Time
	used  time.Time
	open  int // requests under way: an open stream of events counts as use
}

type sessions struct {
	most int

	mu sync.Mutex
	by map[[sha256.Size]byte]*session
}

// over reports whether a session has expired.
func (s *session) over(c *Config, now time.Time) bool {
	return !now.Before(s.begun.Add(c.Sessions.longest)) || s.open == 0 && !now.Before(s.used.Add(c.Sessions.idle))
}

// begin starts a session and returns its cookie.
func (s *sessions) begin(who identity, key string, now time.Time) (cookie string, begun *session) {
	cookie = random()
	hash := sha256.Sum256([]byte(cookie))
	begun = &session{name: hex.EncodeToString(hash[:6]), who: who, key: key, begun: now, used: now}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room(func(o *session) bool { return o.key == key }, maxSessionsOne)
	s.room(func(*session) bool { return true }, s.most)
	s.by[hash] = begun
	return cookie, begun
}

// room makes room for one more among the sessions that of selects. If there are already
// most, it ends the one that was unused for the longest time.
func (s *sessions) room(of func(*session) bool, most int) {
	n := 0
	var oldest [sha256.Size]byte
	for h, o := range s.by {
		if !of(o) {
			continue
		}
		if n++; n == 1 || o.used.Before(s.by[oldest].used) {
			oldest = h
		}
	}
	if n >= most {
		delete(s.by, oldest)
	}
}

// use returns the session of a cookie for one more request; nil: there is none. The
// caller must call done after the request.
func (s *sessions) use(cookie string, c *Config, now time.Time) (found *session, done func(now time.Time)) {
	hash := sha256.Sum256([]byte(cookie))
	s.mu.Lock()
	defer s.mu.Unlock()
	found = s.by[hash]
	if found == nil {
		return nil, nil
	}
	if found.over(c, now) {
		delete(s.by, hash)
		return nil, nil
	}
	found.used = now
	found.open++
	return found, func(now time.Time) {
		s.mu.Lock()
		defer s.mu.Unlock()
		found.used = now
		found.open--
	}
}

// end ends the session of a cookie.
func (s *sessions) end(cookie string) *session {
	hash := sha256.Sum256([]byte(cookie))
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.by[hash]
	delete(s.by, hash)
	return found
}

// sweep ends the sessions that have expired and those whose principal is not valid any
// more. It returns the names of the others.
func (s *sessions) sweep(c *Config, now time.Time) (live map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	live = map[string]bool{}
	for h, o := range s.by {
		if _, is := o.who.resolve(c, now); !is || o.over(c, now) {
			delete(s.by, h)
			continue
		}
		live[o.name] = true
	}
	return live
}

// random returns 256 random bits for cookies and logins.
func random() string { return base64.RawURLEncoding.EncodeToString(bits()) }

func bits() []byte {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return b
}
