#!/usr/bin/env bash
# Erlang's ssh_sftpd: a file is told to become shorter, the server says OK, and it stays.
#
# Guess: SETSTAT and FSETSTAT with a size set it, or the server refuses what it cannot do.
# Seen:  both answer OK, and the file keeps its length and its bytes. The permissions in
#   the same request are set. OpenSSH's sftp-server sets the size.
# Version: Debian's erlang-ssh 1:25.2.3+dfsg-1+deb12u4 (ssh-4.15.2), with the OpenSSH that
#   is installed (9.2p1 on that day).
# Day:   2026-11-29
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
. "$here/erlang-sftpd.bash"
erlang_sftpd
PYTHONPATH=$here python3 - "${client[@]}" <<'PY'
import os, sys
from sftp3 import APPEND, WRITE, Server

SIZE, PERMISSIONS = 1, 4
seen = {}
for name, argv in (("ssh_sftpd", sys.argv[1:]), ("OpenSSH", ["/usr/lib/openssh/sftp-server"])):
    s = Server(*argv)
    path = os.path.abspath("store/file")

    def fresh():
        with open(path, "w") as f:
            f.write("hello world")
        os.chmod(path, 0o644)

    def now(status):
        return status, os.path.getsize(path), "%o" % (os.stat(path).st_mode & 0o777)

    fresh()
    seen[name] = [now(s.ask(9, path, SIZE | PERMISSIONS, (5,), 0o600)[0])]
    fresh()
    _, handle = s.open(path, WRITE | APPEND)
    seen[name].append(now(s.ask(10, handle, SIZE, (5,))[0]))
    s.close(handle)
    s.end()
    print("%-9s SETSTAT of 11 bytes to 5, and of the permissions: %s, %d bytes, %s; FSETSTAT: %s, %d bytes" % (name, *seen[name][0], *seen[name][1][:2]))
want = {"ssh_sftpd": [("OK", 11, "600"), ("OK", 11, "644")], "OpenSSH": [("OK", 5, "600"), ("OK", 5, "644")]}
if seen != want:
    print("  not as on that day:", seen)
    sys.exit(1)
PY
