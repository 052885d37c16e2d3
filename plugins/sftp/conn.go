package sftp

import (
	"bufio"
	"net"
)

// readBuffer holds several SSH packets. The SSH library reads through 4 KiB,
// which costs two system calls for each packet of 32 KiB.
const readBuffer = 256 << 10

// bufferedConn reads ahead.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func newBufferedConn(c net.Conn) *bufferedConn {
	return &bufferedConn{Conn: c, r: bufio.NewReaderSize(c, readBuffer)}
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }
