package ganesha_test

import (
	"net"
	"os"
	"strconv"
	"testing"

	"github.com/dprun/dprun/testfixtures/ganesha"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestServersRunSideBySideAndEnd(t *testing.T) {
	t.Parallel()
	_, before := os.Stat("/run/rpcbind.sock")
	a, b := ganesha.Start(t), ganesha.Start(t, ganesha.WithSize(8<<20))
	for _, s := range []*ganesha.Server{a, b} {
		for _, port := range []int{s.NFSPort, s.MountPort} {
			c, err := net.Dial("tcp", net.JoinHostPort(s.Host, strconv.Itoa(port)))
			if err != nil {
				t.Fatalf("a started server does not listen: %v", err)
			}
			c.Close()
		}
	}
	if _, err := os.Stat("/run/rpcbind.sock"); (err == nil) != (before == nil) {
		t.Error("the servers touched the machine's /run")
	}
	a.Kill()
	if c, err := net.Dial("tcp", net.JoinHostPort(a.Host, strconv.Itoa(a.NFSPort))); err == nil {
		c.Close()
		t.Error("a killed server still listens")
	}
	need.Done(t, a.Restart())
	c, err := net.Dial("tcp", net.JoinHostPort(a.Host, strconv.Itoa(a.NFSPort)))
	if err != nil {
		t.Fatalf("a restarted server does not listen: %v", err)
	}
	c.Close()
}
