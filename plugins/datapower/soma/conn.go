package soma

import (
	"bufio"
	"context"
	"net"
	"time"
)

const connBuffer = 128 << 10

// bufferedConn reads from the network in large pieces. TLS asks for one record of 16 KiB at a time; at the rates of an export over
// a fast network that is most of the cost of a transfer.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// dialer connects within timeout.
func dialer(timeout time.Duration) func(ctx context.Context, network, addr string) (net.Conn, error) {
	d := &net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &bufferedConn{Conn: c, r: bufio.NewReaderSize(c, connBuffer)}, nil
	}
}
