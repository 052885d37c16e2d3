package web

import (
	"net"
	"sync"
)

// The highest number of connections, in total and from one address. Backups need file
// descriptors too, so that connecting must not be able to take all of them.
const (
	maxConnections    = 1024
	maxConnectionsOne = 128
)

// limited closes connections in excess of the limits. proxied says that all connections
// come from a proxy, for which there is no limit by address.
func limited(l net.Listener, proxied bool) net.Listener {
	return &limitedListener{Listener: l, proxied: proxied, by: map[string]int{}}
}

type limitedListener struct {
	net.Listener
	proxied bool

	mu  sync.Mutex
	all int
	by  map[string]int // by address
}

// Accept implements [net.Listener].
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from, _, _ := net.SplitHostPort(c.RemoteAddr().String())
		if l.count(from) {
			return &countedConn{Conn: c, closed: sync.OnceFunc(func() { l.leave(from) })}, nil
		}
		_ = c.Close()
	}
}

func (l *limitedListener) count(from string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= maxConnections || !l.proxied && l.by[from] >= maxConnectionsOne {
		return false
	}
	l.all++
	l.by[from]++
	return true
}

func (l *limitedListener) leave(from string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.by[from]--; l.by[from] == 0 {
		delete(l.by, from)
	}
}

type countedConn struct {
	net.Conn
	closed func()
}

// Close implements [net.Conn].
func (c *countedConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}
