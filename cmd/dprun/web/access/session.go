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

// How many sessions there may be at most, and of one person. Where one more begins, the
// one that was not used for the longest time ends.
const (
	maxSessions    = 4096
	maxSessionsOne = 16
)

// identity is what somebody has shown. What he may do is worked out for every
// request: by the configuration that counts then.
type identity struct {
	sum    []byte  // SHA-256 of a token; nil: he logged in with the provider
	person *person // nil: a token
}

// resolve is who that is by a configuration; false: nobody any more.
func (i identity) resolve(c *Config, now time.Time) (Principal, bool) {
	if i.person != nil {
		return i.person.resolve(c)
	}
	var found *Token
	for n := range c.Tokens { // all of them, so that the time tells nothing
		if t := &c.Tokens[n]; subtle.ConstantTimeCompare(t.sum, i.sum) == 1 {
			found = t
		}
	}
	if found == nil || !found.expires.IsZero() && !now.Before(found.expires) {
		return Principal{}, false
	}
	return Principal{Name: "token " + found.Name, Key: "token:" + found.Name, Role: Role(found.Role), Plans: found.Plans, Labels: found.Labels}, true
}

// tokenIdentity is that of whoever has a token.
func tokenIdentity(token string) identity {
	sum := sha256.Sum256([]byte(token))
	return identity{sum: sum[:]}
}

// bearer is the token of a request; "", false: it brings none.
func bearer(r *http.Request) (string, bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), strings.EqualFold(scheme, "Bearer")
}

// session is one login. Only its hash is kept of what the browser has.
type session struct {
	name  string // as logs and streams know it
	who   identity
	key   string // of the principal when it began
	begun time.Time
	used  time.Time
	open  int // requests under way: an open stream of events is a use
}

type sessions struct {
	most int

	mu sync.Mutex
	by map[[sha256.Size]byte]*session
}

// over reports whether a session's time is up.
func (s *session) over(c *Config, now time.Time) bool {
	return !now.Before(s.begun.Add(c.Sessions.longest)) || s.open == 0 && !now.Before(s.used.Add(c.Sessions.idle))
}

// begin begins a session and gives what the browser gets.
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

// room ends that of some sessions that is the longest unused, where there is no
// room for one more.
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

// use is the session of a cookie, for one more request. done has to be called
// after it. nil: there is no such session.
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

// sweep ends the sessions whose time is up, and of those who are nobody any
// more. It gives the names of the others.
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

// random is 256 bits that nobody guesses, for cookies and logins.
func random() string { return base64.RawURLEncoding.EncodeToString(bits()) }

func bits() []byte {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return b
}
