package soma

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim/appliance"
)

// Server serves one gateway on a port of 127.0.0.1 that stays its own while
// the gateway goes down and comes up.
type Server struct {
	app    *appliance.Appliance
	tls    *tls.Config
	ctx    context.Context
	cancel context.CancelFunc
	port   int
	conns  sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener
	open     map[net.Conn]bool
	closed   bool
}

// Serve starts to listen, or reserves a port if the gateway is down.
func Serve(app *appliance.Appliance, config *tls.Config) (*Server, error) {
	config = config.Clone()
	config.DynamicRecordSizingDisabled = true
	config.NextProtos = []string{"http/1.1"}
	s := &Server{app: app, tls: config, open: map[net.Conn]bool{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if err := s.listen(); err != nil {
		return nil, err
	}
	app.OnPower(s.power)
	if !app.Up() {
		s.power(false)
	}
	return s, nil
}

// Port is the gateway's port.
func (s *Server) Port() int { return s.port }

// Close ends all connections and waits for them.
func (s *Server) Close() {
	s.cancel()
	s.mu.Lock()
	s.closed = true
	s.hangUp()
	s.mu.Unlock()
	s.conns.Wait()
}

func (s *Server) listen() error {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)))
	if err != nil {
		return fmt.Errorf("listen for device %q: %w", s.app.Name(), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		l.Close()
		return nil
	}
	s.listener = l
	s.port = l.Addr().(*net.TCPAddr).Port
	s.conns.Go(func() { s.accept(l) })
	return nil
}

// power follows the gateway down and up.
func (s *Server) power(up bool) {
	if !up {
		s.mu.Lock()
		s.hangUp()
		s.mu.Unlock()
		return
	}
	for range 100 { // another process may hold the port for a moment
		if s.listen() == nil || s.ctx.Err() != nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// hangUp closes the listener and all connections; s.mu is held.
func (s *Server) hangUp() {
	if s.listener != nil {
		s.listener.Close()
		s.listener = nil
	}
	for c := range s.open {
		c.Close()
	}
}

func (s *Server) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.listener != l {
			s.mu.Unlock()
			c.Close()
			return
		}
		s.open[c] = true
		s.conns.Add(1)
		s.mu.Unlock()
		go func() {
			defer s.conns.Done()
			defer s.forget(c)
			s.serve(c)
		}()
	}
}

func (s *Server) forget(c net.Conn) {
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// serve answers the requests of one connection.
func (s *Server) serve(raw net.Conn) {
	if f := s.app.ConnectFault(); f != nil {
		if f.Kind == "tls_hang" {
			discard(raw)
		}
		return
	}
	wire := &corked{Conn: raw}
	conn := tls.Server(wire, s.tls)
	raw.SetDeadline(time.Now().Add(time.Minute))
	if conn.HandshakeContext(s.ctx) != nil {
		return
	}
	raw.SetDeadline(time.Time{})
	x := &exchange{ctx: s.ctx, app: s.app, wire: wire, conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}
	for x.next() {
	}
	conn.Close()
}

// discard reads until the peer gives up.
func discard(c net.Conn) {
	buf := make([]byte, 4096)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

// corked gathers what TLS writes record by record into large writes. Reading
// sends what is pending first, so that no side waits for the other.
type corked struct {
	net.Conn
	mu      sync.Mutex
	pending []byte
}

const corkSize = 256 << 10

func (c *corked) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = append(c.pending, p...)
	if len(c.pending) >= corkSize {
		return len(p), c.flushLocked()
	}
	return len(p), nil
}

func (c *corked) Read(p []byte) (int, error) {
	if err := c.flush(); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Close may be called beside the others, when the fleet ends: what somebody is
// writing right now is cut off, not waited for.
func (c *corked) Close() error {
	if c.mu.TryLock() {
		c.flushLocked()
		c.mu.Unlock()
	}
	return c.Conn.Close()
}

// flush sends what is pending.
func (c *corked) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flushLocked()
}

func (c *corked) flushLocked() error {
	if len(c.pending) == 0 {
		return nil
	}
	_, err := c.Conn.Write(c.pending)
	c.pending = c.pending[:0]
	return err
}

// wantsMore reports whether the client waits for leave to send its body.
func wantsMore(r *http.Request) bool { return r.Header.Get("Expect") == "100-continue" }
