package sdk

import (
	"sync"
	"time"
)

// progressEvery is how often a running call reports its progress at most.
const progressEvery = 100 * time.Millisecond

// sender serialises what one call sends and stops when the call is over: a
// handler may report from several goroutines, a gRPC stream may not.
type sender[E any] struct {
	send func(E) error

	mu   sync.Mutex
	over bool
	sent time.Time
}

// newSender makes one for a call that begins now: one that is over in no time
// reports no progress.
func newSender[E any](send func(E) error) *sender[E] { return &sender[E]{send: send, sent: time.Now()} }

// event sends e unless it may be left out and the last one was just now.
func (s *sender[E]) event(e E, droppable bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.over || droppable && now.Sub(s.sent) < progressEvery {
		return
	}
	s.sent = now
	if s.send(e) != nil {
		s.over = true // the host is gone; the context says so too
	}
}

// close lets nothing more through.
func (s *sender[E]) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
}
