package sftp

import (
	"bufio"
	"net"
	"strings"
	"sync"
)

// readBuffer holds several SSH packets. The SSH library reads through 4 KiB,
// which costs two system calls for each packet of 32 KiB.
const readBuffer = 256 << 10

// greetingSize is how much of what a server says first is kept.
const greetingSize = 200

// bufferedConn reads ahead, and keeps what the server said first.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader

	mu    sync.Mutex
	first []byte
}

func newBufferedConn(c net.Conn) *bufferedConn {
	return &bufferedConn{Conn: c, r: bufio.NewReaderSize(c, readBuffer)}
}

func (c *bufferedConn) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if room := greetingSize - len(c.first); room > 0 {
		c.first = append(c.first, p[:min(n, room)]...)
	}
	return n, err
}

// greeting is what the server said first; spoken reports whether that is SSH.
func (c *bufferedConn) greeting() (said string, spoken bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	said = strings.TrimSpace(string(c.first))
	return said, strings.HasPrefix(said, "SSH-") || strings.Contains(said, "\nSSH-")
}
