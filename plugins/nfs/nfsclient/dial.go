package nfsclient

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"
	"time"
)

// lowestReserved and reservedPorts bound the source ports that servers take
// for those of root. Ports below 512 belong to well-known services.
const (
	lowestReserved = 512
	reservedPorts  = 1024 - lowestReserved
	reservedTries  = 48
)

// dial connects to server:port from a port below 1024 where the system allows
// it, because a server whose export is "secure" refuses others, and from any
// port where it does not.
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
