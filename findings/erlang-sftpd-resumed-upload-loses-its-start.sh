#!/usr/bin/env bash
# Erlang's ssh_sftpd: an upload that is resumed loses what was there, and ends well.
#
# Guess: OPEN with WRITE and without TRUNC leaves what a file holds, so that a client
#   can go on where an upload ended; and without CREAT a missing file stays missing.
# Seen:  OPEN with WRITE alone empties the file, and makes a missing one; with CREAT and
#   EXCL, which must fail, it opens a file that is there. `put -c` of lftp continues an upload of 300,000 bytes at
#   byte 100,000 and ends with 0: the file has the right size and 100,000 zeros at its
#   start. With APPEND, as `put -a` of OpenSSH sends it, the file is whole. OpenSSH's
#   sftp-server keeps the bytes, refuses EXCL, and makes nothing without CREAT.
# Version: Debian's erlang-ssh 1:25.2.3+dfsg-1+deb12u4 (ssh-4.15.2) and lftp 4.9.2-2+b1,
#   with the OpenSSH that is installed (9.2p1 on that day).
# Day:   2026-11-29
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
. "$here/erlang-sftpd.bash"
erlang_sftpd

fails=0
# now says what has become of the first 100,000 bytes of an upload that was resumed.
now() {
  local what=$1 want=$2 got=other
  if cmp -s whole store/part; then
    got=whole
  elif [ "$(stat -c %s store/part)" = 300000 ] && cmp -s -n 100000 store/part /dev/zero && cmp -s -i 100000 whole store/part; then
    got=zeros
  fi
  echo "$what: exit code 0, 300,000 bytes, and the first 100,000 are $got"
  [ "$got" = "$want" ] || { echo "  not as on that day"; ls -l store; fails=1; }
}
head -c 300000 /dev/urandom >whole
apt-get -qq -o APT::Sandbox::User=root download lftp=4.9.2-2+b1
dpkg-deb -x lftp_*.deb lftp
head -c 100000 whole >store/part
LFTP_HOME=$dir lftp/usr/bin/lftp -c "set sftp:connect-program 'ssh ${options[*]} -a -x'; open -u $(id -un),x sftp://127.0.0.1:$port; put -c whole -o $dir/store/part"
now 'put -c of lftp' zeros
head -c 100000 whole >store/part
printf 'put -a whole %s/store/part\n' "$dir" | sftp -q -b - "${options[@]}" -P "$port" 127.0.0.1 >/dev/null
now 'put -a of OpenSSH' whole
PYTHONPATH=$here python3 - "${client[@]}" <<'PY' || fails=1
import os, sys
from sftp3 import CREAT, EXCL, WRITE, Server

seen = {}
for name, argv in (("ssh_sftpd", sys.argv[1:]), ("OpenSSH", ["/usr/lib/openssh/sftp-server"])):
    s = Server(*argv)
    here = os.path.abspath("store")
    for path in ("kept", "missing"):
        if os.path.exists(os.path.join(here, path)):
            os.remove(os.path.join(here, path))
    seen[name] = []
    for flags in (WRITE, WRITE | CREAT | EXCL):
        with open(os.path.join(here, "kept"), "w") as f:
            f.write("ten bytes.")
        status, handle = s.open(os.path.join(here, "kept"), flags)
        if not status:
            s.close(handle)
        seen[name].append((status or "OK", os.path.getsize(os.path.join(here, "kept"))))
    status, handle = s.open(os.path.join(here, "missing"), WRITE)
    if not status:
        s.close(handle)
    seen[name].append((status or "OK", os.path.exists(os.path.join(here, "missing"))))
    print("%-9s OPEN with WRITE leaves %d of 10 bytes; with CREAT and EXCL %s; without CREAT a missing file: %s" % (name, seen[name][0][1], seen[name][1][0], seen[name][2][0]))
    s.end()
want = {"ssh_sftpd": [("OK", 0), ("OK", 10), ("OK", True)], "OpenSSH": [("OK", 10), ("FAILURE", 10), ("NO_SUCH_FILE", False)]}
if seen != want:
    print("  not as on that day:", seen)
    sys.exit(1)
PY
exit $fails
