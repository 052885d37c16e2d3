package sftp

import (
	"sync"
	"sync/atomic"
	"time"

	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// timing holds the times of a session's upkeep. Tests shorten them.
type timing struct {
	keepalive time.Duration // a server that is silent for longer is asked for a sign of life
	silence   time.Duration // the connection is dead after so much silence
	recheck   time.Duration // a session that was idle for longer is asked before use
	idle      time.Duration // a session that was idle for so long is closed
}

// cleanupLimit bounds cleaning up after a check.
const cleanupLimit = 20 * time.Second

var defaultTiming = timing{
	keepalive: 15 * time.Second,
	silence:   60 * time.Second,
	recheck:   5 * time.Second,
	idle:      2 * time.Minute,
}

// flushFactor is how many times longer than other requests a sync or a close
// may take, because the server writes the whole file to disk meanwhile.
const flushFactor = 10

// session is one connection with one SFTP channel.
type session struct {
	ssh  *ssh.Client
	sftp *pkgsftp.Client
	wire *wire
	base string // the destination's directory, absolute on the server

	packet   int // bytes of a read or write request
	inFlight int // requests under way for one file

	skipped []string // lines of known_hosts that cannot be read

	now      func() time.Time
	timing   timing
	stall    time.Duration // longest time without progress of a request
	flushing atomic.Int32  // syncs and closes under way
	stalled  atomic.Bool   // set if the session was ended for lack of progress
	killed   atomic.Bool   // set if this side cut the connection
	pinging  atomic.Bool
	idleFrom time.Time     // guarded by the pool
	done     chan struct{} // closed when the connection is gone
	wg       sync.WaitGroup
}

// start watches the connection. The fields above are set.
func (s *session) start() *session {
	s.done = make(chan struct{})
	s.wg.Go(func() {
		_ = s.ssh.Wait()
		close(s.done)
	})
	// The SFTP server may end on its own and leave the connection open.
	s.wg.Go(func() {
		_ = s.sftp.Wait()
		s.kill()
	})
	return s
}

// kill cuts the connection. Everything in flight fails at once.
func (s *session) kill() {
	s.killed.Store(true) // the library notices a moment later
	_ = s.ssh.Close()
}

// close cuts the connection and waits for the session's goroutines. It does not
// close the SFTP channel in order, because that would wait for the server.
func (s *session) close() {
	s.kill()
	_ = s.sftp.Close()
	s.wg.Wait()
}

// alive reports whether the connection still exists, as far as is known.
func (s *session) alive() bool {
	select {
	case <-s.done:
		return false
	default:
		return !s.killed.Load()
	}
}

// flush runs f, during which the server may write a whole file to disk.
func (s *session) flush(f func() error) error {
	s.flushing.Add(1)
	defer s.flushing.Add(-1)
	return f()
}

// ping asks the server for a sign of life. It uses an SFTP request, because
// some servers hang up on an SSH one. Without an answer in time it cuts the
// connection; an answer that arrives just then is too late.
func (s *session) ping(limit time.Duration) bool {
	timer := time.AfterFunc(limit, s.kill)
	_, err := s.sftp.RealPath(".")
	return timer.Stop() && (err == nil || !lost(err)) // a refusal is an answer
}

// keepalive watches the connection until it is gone. Each time it calls expire,
// which ends a session that has been idle for too long.
func (s *session) keepalive(expire func() bool) {
	ticker := time.NewTicker(min(s.timing.keepalive, max(s.stall/4, time.Millisecond)))
	defer ticker.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-ticker.C:
		}
		if expire() || !s.answers() {
			s.kill()
			return
		}
	}
}

// answers reports whether the server makes progress, and whether it says
// anything at all. On a slow line the answer to a ping waits behind megabytes
// of data; the data that arrives meanwhile is a sign of life too.
func (s *session) answers() bool {
	limit := s.stall
	if s.flushing.Load() > 0 {
		limit *= flushFactor
	}
	if s.wire.waiting() > limit {
		s.stalled.Store(true)
		return false
	}
	silent := s.wire.silent()
	if silent > s.timing.keepalive && !s.pinging.Swap(true) {
		go func() { // ends with the connection
			defer s.pinging.Store(false)
			_, _ = s.sftp.RealPath(".")
		}()
	}
	return silent <= s.timing.keepalive+s.timing.silence
}

func (s *session) has(extension string) bool {
	_, ok := s.sftp.HasExtension(extension)
	return ok
}

// The extensions of the protocol that are used.
const (
	extFsync       = "fsync@openssh.com"
	extLimits      = "limits@openssh.com"
	extPosixRename = "posix-rename@openssh.com"
	extStatVFS     = "statvfs@openssh.com"
)
