package sftp

import (
	"context"
	"sync"

	"github.com/dprun/dprun/sdk/failure"
)

// pool bounds the sessions to a server and keeps idle ones for reuse.
type pool struct {
	dial  func(ctx context.Context) (*session, error)
	slots chan struct{} // one for each session in use

	closing   chan struct{} // closed by close
	closeOnce sync.Once

	mu     sync.Mutex
	idle   []*session
	closed bool
	wg     sync.WaitGroup // counts keepalives
}

func newPool(size int, dial func(context.Context) (*session, error)) *pool {
	return &pool{dial: dial, slots: make(chan struct{}, size), closing: make(chan struct{})}
}

// acquire waits for a free slot and returns a session that was alive a moment ago.
func (p *pool) acquire(ctx context.Context) (*session, error) {
	select {
	case p.slots <- struct{}{}:
	case <-p.closing:
		return nil, errClosed()
	case <-ctx.Done():
		return nil, ended(ctx, "wait for a free connection")
	}
	for {
		s, err := p.takeIdle()
		if err != nil {
			<-p.slots
			return nil, err
		}
		if s == nil {
			break
		}
		if s.alive() && (s.now().Sub(s.idleFrom) < s.timing.recheck || s.ping(s.timing.recheck)) {
			return s, nil
		}
		s.close()
	}
	s, err := p.open(ctx)
	if err != nil {
		<-p.slots
		return nil, err
	}
	return s, nil
}

// open makes a new session under a slot that the caller holds.
func (p *pool) open(ctx context.Context) (*session, error) {
	s, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		s.close()
		return nil, errClosed()
	}
	p.wg.Go(func() { s.keepalive(func() bool { return p.expire(s) }) })
	return s, nil
}

func errClosed() error {
	return failure.New(failure.Cancelled, "", "connect: the destination is closed")
}

func (p *pool) takeIdle() (*session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed()
	}
	if len(p.idle) == 0 {
		return nil, nil
	}
	s := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	return s, nil
}

// release gives a session and its slot back.
func (p *pool) release(s *session) {
	p.mu.Lock()
	keep := !p.closed && s.alive()
	if keep {
		s.idleFrom = s.now()
		p.idle = append(p.idle, s)
	}
	p.mu.Unlock()
	if !keep {
		s.close()
	}
	<-p.slots
}

// expire removes s from the pool if it has been idle for too long.
func (p *pool) expire(s *session) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.idle {
		if other == s && s.now().Sub(s.idleFrom) >= s.timing.idle {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			return true
		}
	}
	return false
}

// close ends idle sessions and waits for those in use, which end when they are released.
func (p *pool) close() {
	p.closeOnce.Do(func() {
		close(p.closing)
		p.mu.Lock()
		p.closed = true
		idle := p.idle
		p.idle = nil
		p.mu.Unlock()
		for _, s := range idle {
			s.close()
		}
		for range cap(p.slots) {
			p.slots <- struct{}{}
		}
		p.wg.Wait()
	})
}
