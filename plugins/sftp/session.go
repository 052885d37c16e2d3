package sftp

import (
	"sync"
	"time"

	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// timing holds the times of a session's upkeep. Tests shorten them.
type timing struct {
	keepalive time.Duration // between signs of life
	silence   time.Duration // no answer for that long: the connection is dead
	recheck   time.Duration // an idle session is asked before use when it was idle for longer
	idle      time.Duration // an idle session is closed after that
	cleanup   time.Duration // bound of clearing up after a failed or cancelled request
}

// On a slow line an answer queues behind up to 2 MiB of data in flight, so
// silence has to be long.
var defaultTiming = timing{
	keepalive: 15 * time.Second,
	silence:   60 * time.Second,
	recheck:   5 * time.Second,
	idle:      2 * time.Minute,
	cleanup:   20 * time.Second,
}

// session is one connection with one SFTP channel.
type session struct {
	ssh  *ssh.Client
	sftp *pkgsftp.Client
	base string // the destination's directory, absolute on the server

	now      func() time.Time
	timing   timing
	idleFrom time.Time     // guarded by the pool
	done     chan struct{} // closed when the connection is gone
	wg       sync.WaitGroup
}

func newSession(client *ssh.Client, sftp *pkgsftp.Client, base string, now func() time.Time, t timing) *session {
	s := &session{ssh: client, sftp: sftp, base: base, now: now, timing: t, done: make(chan struct{})}
	s.wg.Go(func() {
		_ = client.Wait()
		close(s.done)
	})
	// The SFTP server may end alone and leave the connection standing.
	s.wg.Go(func() {
		_ = sftp.Wait()
		s.kill()
	})
	return s
}

// kill cuts the connection: everything in flight fails at once.
func (s *session) kill() { _ = s.ssh.Close() }

// close cuts the connection and waits for what the session runs. The SFTP
// channel is not closed in an orderly way: that waits for the server.
func (s *session) close() {
	s.kill()
	_ = s.sftp.Close()
	s.wg.Wait()
}

// alive reports whether the connection is there, as far as is known.
func (s *session) alive() bool {
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// ping asks the server for a sign of life; without one in time the connection is cut.
func (s *session) ping(limit time.Duration) bool {
	timer := time.AfterFunc(limit, s.kill)
	defer timer.Stop()
	_, _, err := s.ssh.SendRequest("keepalive@openssh.com", true, nil)
	return err == nil
}

// keepalive pings until the connection is gone. expire is asked each time
// whether the session has been idle for too long.
func (s *session) keepalive(expire func() bool) {
	ticker := time.NewTicker(s.timing.keepalive)
	defer ticker.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-ticker.C:
		}
		if expire() || !s.ping(s.timing.silence) {
			s.kill()
			return
		}
	}
}

func (s *session) has(extension string) bool {
	_, ok := s.sftp.HasExtension(extension)
	return ok
}

// The extensions that are used.
const (
	extFsync       = "fsync@openssh.com"
	extPosixRename = "posix-rename@openssh.com"
	extStatVFS     = "statvfs@openssh.com"
)
