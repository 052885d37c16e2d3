package nfsclient

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// jukeboxWait is the pause before a call is sent again after the server asked
// to try later. It doubles up to jukeboxLimit.
const (
	jukeboxWait  = 100 * time.Millisecond
	jukeboxLimit = 5 * time.Second
)

// client keeps one connection to one port of a server. It makes a new
// connection when a call finds the old one ended.
type client struct {
	server      string
	port        int
	cred        credential
	dialTimeout time.Duration
	callTimeout time.Duration

	pools   recordPools
	scratch sync.Pool // of *encoder, for call headers

	dialing chan struct{} // holds one token: the right to replace current
	mu      sync.Mutex
	current *conn
	closed  bool
}

func newClient(server string, port int, cred credential, o *Options) *client {
	c := &client{
		server: server, port: port, cred: cred,
		dialTimeout: o.DialTimeout, callTimeout: o.CallTimeout,
		dialing: make(chan struct{}, 1),
	}
	c.dialing <- struct{}{}
	return c
}

// close ends the connection; calls under way fail with ErrClosed.
func (c *client) close() {
	c.mu.Lock()
	c.closed = true
	old := c.current
	c.mu.Unlock()
	if old != nil {
		old.close(ErrClosed)
	}
}

// idle ends the connection; the next call makes a new one.
func (c *client) idle() {
	c.mu.Lock()
	old := c.current
	c.current = nil
	c.mu.Unlock()
	if old != nil {
		old.close(ErrDisconnected)
	}
}

// live returns the connection if it still works; it does not wait.
func (c *client) live() (*conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	if c.current != nil && !c.current.broken() {
		return c.current, nil
	}
	return nil, nil
}

// connect returns a working connection, and makes one if needed.
func (c *client) connect(ctx context.Context) (*conn, error) {
	if cn, err := c.live(); cn != nil || err != nil {
		return cn, err
	}
	select {
	case <-c.dialing:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { c.dialing <- struct{}{} }()
	if cn, err := c.live(); cn != nil || err != nil {
		return cn, err
	}
	dctx, cancel := context.WithTimeout(ctx, c.dialTimeout)
	defer cancel()
	nc, err := dial(dctx, c.server, c.port)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("connecting to %s port %d: %w", c.server, c.port, err)
	}
	cn := newConn(nc, c.cred, rand.Uint32(), &c.pools)
	c.mu.Lock()
	old, closed := c.current, c.closed
	if !closed {
		c.current = cn
	}
	c.mu.Unlock()
	if old != nil {
		old.close(ErrDisconnected)
	}
	if closed {
		cn.close(ErrClosed)
		return nil, ErrClosed
	}
	return cn, nil
}

// call is one request that has been sent.
type call struct {
	cl       *client
	req      request
	conn     *conn
	xid      uint32
	ch       <-chan reply
	replayed bool
}

// start sends req and returns without waiting for the reply, which wait
// returns. Every started call must be waited for or dropped. Until then
// req.data must stay unchanged: after a lost connection wait sends it again.
func (c *client) start(ctx context.Context, req request) (*call, error) {
	k := &call{cl: c, req: req}
	for {
		err := k.send(ctx)
		if err == nil {
			return k, nil
		}
		if !k.mayReplay(ctx, err) {
			return nil, err
		}
	}
}

func (k *call) send(ctx context.Context) error {
	cn, err := k.cl.connect(ctx)
	if err != nil {
		return err
	}
	scratch, ok := k.cl.scratch.Get().(*encoder)
	if !ok {
		scratch = &encoder{}
	}
	defer k.cl.scratch.Put(scratch)
	k.conn = cn
	k.xid, k.ch, err = cn.send(ctx, &k.req, scratch, k.cl.callTimeout)
	return err
}

// mayReplay reports whether the call may be sent again after err. It may be
// sent again once, and only if carrying it out twice does no harm.
func (k *call) mayReplay(ctx context.Context, err error) bool {
	if k.replayed || !k.req.replay || ctx.Err() != nil || !errors.Is(err, ErrDisconnected) {
		return false
	}
	k.replayed = true
	return true
}

// drop gives up a call whose reply is not needed.
func (k *call) drop() {
	if k.ch != nil {
		k.conn.forget(k.xid, k.ch)
	}
}

// wait returns the results of the call. The caller releases the record when it
// no longer uses the results.
func (k *call) wait(ctx context.Context) (*record, decoder, error) {
	for {
		rec, err := k.await(ctx)
		if err == nil {
			_, results, err := parseReply(rec.b)
			if err != nil {
				rec.release()
				return nil, decoder{}, err
			}
			return rec, results, nil
		}
		if !k.mayReplay(ctx, err) {
			return nil, decoder{}, err
		}
		if err := k.send(ctx); err != nil {
			return nil, decoder{}, err
		}
	}
}

func (k *call) await(ctx context.Context) (*record, error) {
	timer := time.NewTimer(k.cl.callTimeout)
	defer timer.Stop()
	select {
	case r := <-k.ch:
		return r.record, r.err
	case <-ctx.Done():
		k.drop()
		return nil, context.Cause(ctx)
	case <-timer.C:
		k.drop()
		err := fmt.Errorf("%w: no reply for %v", ErrTimeout, k.cl.callTimeout)
		k.conn.abort(err)
		return nil, err
	}
}

// roundTrip sends req and passes its results to decode, which must not keep
// them. If the server asks to try later, it asks again until ctx ends or the
// call's time-out has passed.
func (c *client) roundTrip(ctx context.Context, req request, decode func(*decoder) error) error {
	pause := jukeboxWait
	for waited := time.Duration(0); ; waited += pause {
		k, err := c.start(ctx, req)
		if err != nil {
			return err
		}
		err = k.finish(ctx, decode)
		if !errors.Is(err, ErrJukebox) || waited > c.callTimeout {
			return err
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, jukeboxLimit)
	}
}

// finish waits for the call and decodes its results.
func (k *call) finish(ctx context.Context, decode func(*decoder) error) error {
	rec, results, err := k.wait(ctx)
	if err != nil {
		return err
	}
	defer rec.release()
	if err := decode(&results); err != nil {
		return err
	}
	if results.err != nil {
		return &ProtocolError{results.err.Error()}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// lowestReserved and reservedPorts bound the source ports that servers accept
// as root's. Ports below 512 belong to well-known services.
const (
	lowestReserved = 512
	reservedPorts  = 1024 - lowestReserved
	reservedTries  = 48
)

// dial connects to server:port, if the system allows it from a port below 1024,
// because a server with a "secure" export refuses others. Otherwise it uses any port.
func dial(ctx context.Context, server string, port int) (net.Conn, error) {
	address := net.JoinHostPort(server, strconv.Itoa(port))
	first := rand.IntN(reservedPorts)
	for i := range reservedTries {
		d := newDialer()
		d.LocalAddr = &net.TCPAddr{Port: lowestReserved + (first+i)%reservedPorts}
		conn, err := d.DialContext(ctx, "tcp", address)
		switch {
		case err == nil:
			return conn, nil
		case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, syscall.EADDRNOTAVAIL):
			continue
		case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
			return newDialer().DialContext(ctx, "tcp", address)
		}
		return nil, err
	}
	return newDialer().DialContext(ctx, "tcp", address)
}

func newDialer() *net.Dialer {
	return &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 6,
	}}
}
