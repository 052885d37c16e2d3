#!/usr/bin/env bash
# rclone serve sftp: an OPEN that must fail when the file exists empties it.
#
# Guess: OPEN with CREAT and EXCL of a name that exists is refused, as O_EXCL
#   of open(2) is, and the file stays as it is. Lock files and "never
#   overwrite" lean on it.
# Seen:  OPEN answers with a handle. After CLOSE the file is there and empty;
#   nothing was written and TRUNC was not asked for.
# Version: Debian's rclone 1.60.1+dfsg-2+b5, serve sftp --stdio, its defaults.
# Day:   2026-11-28
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download rclone=1.60.1+dfsg-2+b5
dpkg-deb -x rclone_*.deb package
mkdir served

PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$here" python3 - >seen <<'PYTHON'
from sftp3 import CREAT, EXCL, TRUNC, WRITE, Server

s = Server("package/usr/bin/rclone", "serve", "sftp", "--stdio", "--config", "/dev/null", "--cache-dir", "cache", "served")
_, h = s.open("/file", WRITE | CREAT | TRUNC)
print("write:", s.write(h, 0, "precious"), s.close(h))
print("holds:", open("served/file").read())
status, h = s.open("/file", WRITE | CREAT | EXCL)
print("open with CREAT and EXCL:", status or "a handle")
if not status:
    print("close:", s.close(h))
print("holds: %d bytes" % len(open("served/file").read()))
s.end()
PYTHON
cat seen
diff seen - <<'EXPECTED'
write: OK OK
holds: precious
open with CREAT and EXCL: a handle
close: OK
holds: 0 bytes
EXPECTED
