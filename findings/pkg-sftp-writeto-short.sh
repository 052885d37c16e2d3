#!/usr/bin/env bash
# pkg/sftp: File.WriteTo gives part of a file, and no error, where a server
# answers a READ with less than was asked for.
#
# Guess: the whole file, as from File.Read, or an error. The protocol lets a
#   server give less than it is asked for, and the library's own Read asks
#   again. io.Copy calls WriteTo unasked.
# Seen:  io.Copy ends without an error after a part of the file; reading the
#   same open file through Read gives all of it.
# Version: github.com/pkg/sftp v1.13.12 with packets of 128 KiB, against Debian's
#   rclone 1.60.1+dfsg-2+b5 (serve sftp --stdio), which gives 32 KiB at most.
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download rclone=1.60.1+dfsg-2+b5
dpkg-deb -x rclone_*.deb package
mkdir served

cat >main.go <<'GO'
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/pkg/sftp"
)

// plain hides everything of a reader but Read.
type plain struct{ io.Reader }

func main() {
	check(os.WriteFile("served/file", make([]byte, 1_000_000), 0o644))
	server := exec.Command("package/usr/bin/rclone", "serve", "sftp", "--stdio", "--config", "/dev/null", "--cache-dir", "cache", "served")
	in, err := server.StdinPipe()
	check(err)
	out, err := server.StdoutPipe()
	check(err)
	check(server.Start())
	client, err := sftp.NewClientPipe(out, in, sftp.MaxPacketUnchecked(128<<10))
	check(err)
	f, err := client.Open("/file")
	check(err)
	n, err := io.Copy(io.Discard, f)
	fmt.Println("io.Copy of the file: all of it:", n == 1_000_000, "error:", err)
	_, err = f.Seek(0, io.SeekStart)
	check(err)
	n, err = io.Copy(io.Discard, plain{f})
	fmt.Println("io.Copy of its Read: all of it:", n == 1_000_000, "error:", err)
	check(in.Close())
	_ = server.Wait()
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
GO
go mod init example.com/finding 2>log && go get github.com/pkg/sftp@v1.13.12 2>>log || { cat log; exit 1; }
go run . >seen || { cat seen; exit 1; }
cat seen
diff seen - <<'EXPECTED'
io.Copy of the file: all of it: false error: <nil>
io.Copy of its Read: all of it: true error: <nil>
EXPECTED
