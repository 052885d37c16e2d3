#!/usr/bin/env bash
# willscott/go-nfs: a WRITE that is answered "on stable storage" was never
# flushed to disk.
#
# Guess: FILE_SYNC in the answer to a WRITE means what RFC 1813 says, that data
#   and metadata are on stable storage: the server has called fsync, or opened
#   the file for synchronous writes. A server that has not answers UNSTABLE,
#   and flushes at COMMIT.
# Seen:  WRITE with UNSTABLE is answered FILE_SYNC, WRITE with FILE_SYNC too,
#   and COMMIT is answered OK. The process makes no call that flushes, and
#   opens no file for synchronous writes. A client that sees FILE_SYNC sends no
#   COMMIT and keeps no copy.
# Version: github.com/willscott/go-nfs v0.0.4 over go-billy's osfs v5.6.0; Debian's
#   strace 6.1-0.1 shows the calls.
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download strace=6.1-0.1 libunwind8=1.6.2-3
for package in *.deb; do dpkg-deb -x "$package" package; done
mkdir served

cat >main.go <<'GO'
package main

import (
	"fmt"
	"net"
	"os"

	"github.com/go-git/go-billy/v5/osfs"
	nfs "github.com/willscott/go-nfs"
	"github.com/willscott/go-nfs/helpers"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if err := os.WriteFile("port", []byte(fmt.Sprint(l.Addr().(*net.TCPAddr).Port)), 0o644); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(nfs.Serve(l, helpers.NewCachingHandler(helpers.NewNullAuthHandler(osfs.New("served")), 1024)))
}
GO
go mod init example.com/finding 2>log && go get github.com/willscott/go-nfs/helpers@v0.0.4 github.com/go-git/go-billy/v5/osfs@v5.6.0 2>>log || { cat log; exit 1; }
go build -o server . 2>>log || { cat log; exit 1; }
LD_LIBRARY_PATH=$(echo package/usr/lib/*-linux-gnu) package/usr/bin/strace -D -f -o calls \
  -e trace=openat,fsync,fdatasync,sync,syncfs,sync_file_range,msync ./server >server.log 2>&1 &
server=$!
for _ in $(seq 600); do [ -s port ] && break; sleep 0.1; done

python3 - "$(cat port)" >seen <<'PYTHON'
import socket
import struct
import sys

c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
stream = c.makefile("rb")


def opaque(b):
    return struct.pack(">I", len(b)) + b + b"\0" * (-len(b) % 4)


def call(program, procedure, arguments):
    """Gives the results of a procedure of version 3, without credentials."""
    packet = struct.pack(">10I", 1, 0, 2, program, 3, procedure, 0, 0, 0, 0) + arguments
    c.sendall(struct.pack(">I", 0x80000000 | len(packet)) + packet)
    packet = b""
    last = False
    while not last:
        head = struct.unpack(">I", stream.read(4))[0]
        last = bool(head & 0x80000000)
        packet += stream.read(head & 0x7FFFFFFF)
    return packet[24:]


def handle(b):
    return b[4:4 + struct.unpack(">I", b[:4])[0]]


def after_weak_cache_data(b):
    for size in (24, 84):  # attributes before and after, each after a flag
        b = b[4 + size * struct.unpack(">I", b[:4])[0]:]
    return b


HOW = {0: "UNSTABLE", 1: "DATA_SYNC", 2: "FILE_SYNC"}
root = handle(call(100005, 1, opaque(b"/"))[4:])
name = opaque(root) + opaque(b"file")
assert call(100003, 8, name + struct.pack(">I", 0) + struct.pack(">6I", 0, 0, 0, 0, 0, 0))[:4] == b"\0" * 4, "CREATE"
file = handle(call(100003, 3, name)[4:])
for how in (0, 2):
    answer = call(100003, 7, opaque(file) + struct.pack(">QII", 0, 4, how) + opaque(b"data"))
    status, rest = struct.unpack(">I", answer[:4])[0], after_weak_cache_data(answer[4:])
    print("write, %s: status %d, committed as %s" % (HOW[how], status, HOW[struct.unpack(">II", rest[:8])[1]]))
print("commit: status", struct.unpack(">I", call(100003, 21, opaque(file) + struct.pack(">QI", 0, 0))[:4])[0])
PYTHON
kill "$server"
wait "$server" 2>/dev/null || true
{
  echo "holds: $(cat served/file)"
  echo "opened: $(grep -c 'openat.*served/file"' calls | sed 's/^[1-9][0-9]*$/yes/')"
  echo "calls that flush: $(grep -cE 'sync|O_DSYNC|O_SYNC' calls)"
} >>seen || true
cat seen
diff seen - <<'EXPECTED'
write, UNSTABLE: status 0, committed as FILE_SYNC
write, FILE_SYNC: status 0, committed as FILE_SYNC
commit: status 0
holds: data
opened: yes
calls that flush: 0
EXPECTED
