#!/usr/bin/env bash
# TinySSH and golang.org/x/crypto/ssh: a keepalive ends the connection.
#
# Guess: a global request of a name that a server does not know is answered
#   with REQUEST_FAILURE (RFC 4254, section 4), which is the sign of life that
#   clients send keepalive@openssh.com for.
# Seen:  TinySSH answers with UNIMPLEMENTED (a transport message), and the Go
#   client, which knows no use for one, hangs up: SendRequest fails, and a
#   program that was running on the connection is cut.
# Version: Debian's tinysshd 20230101-1 (its tinysshnoneauthd), and
#   golang.org/x/crypto v0.58.0. Needs root, to become another user.
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download tinysshd=20230101-1
dpkg-deb -x tinysshd_*.deb package
package/usr/sbin/tinysshd-makekey -q keys
# It refuses to run as root.
chmod 755 .
chown -R nobody keys

cat >main.go <<'GO'
package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go serve(l)
	client, err := ssh.Dial("tcp", l.Addr().String(), &ssh.ClientConfig{
		User: "any", HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 30 * time.Second,
	})
	check(err)
	session, err := client.NewSession()
	check(err)
	check(session.Shell())
	ok, _, err := client.SendRequest("keepalive@openssh.com", true, nil)
	fmt.Println("keepalive: answered:", ok, "failed:", err != nil)
	_, err = client.NewSession()
	fmt.Println("the connection is usable:", err == nil)
}

// serve gives the one connection to the server, as inetd would.
func serve(l net.Listener) {
	c, err := l.Accept()
	check(err)
	f, err := c.(*net.TCPConn).File()
	check(err)
	server := exec.Command("package/usr/sbin/tinysshnoneauthd", "-e", "sleep 60", "keys")
	server.Stdin, server.Stdout = f, f
	server.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	check(server.Start())
	check(c.Close())
	check(f.Close())
	_ = server.Wait()
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
GO
go mod init example.com/finding 2>log && go get golang.org/x/crypto@v0.58.0 2>>log || { cat log; exit 1; }
go run . >seen || { cat seen; exit 1; }
cat seen
diff seen - <<'EXPECTED'
keepalive: answered: false failed: true
the connection is usable: false
EXPECTED
