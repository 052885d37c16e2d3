#!/usr/bin/env bash
# rclone serve sftp: a file that was removed while it was open is back after CLOSE.
#
# Guess: a REMOVE that answers OK is final. Either the open file goes on
#   without a name, as on any Unix, or REMOVE is refused while it is open.
# Seen:  REMOVE answers OK and the name is gone from the listing. CLOSE of the
#   handle brings the file back under its old name, with its content. A client
#   that clears up a broken upload before it lets go of the handle leaves it.
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
import os

from sftp3 import CREAT, TRUNC, WRITE, Server

s = Server("package/usr/bin/rclone", "serve", "sftp", "--stdio", "--config", "/dev/null", "--cache-dir", "cache", "served")
_, h = s.open("/part", WRITE | CREAT | TRUNC)
print("write:", s.write(h, 0, "half of it"))
print("listed:", s.names("/"))
print("remove:", s.remove("/part"))
print("listed:", s.names("/"), "on disk:", os.listdir("served"))
print("close:", s.close(h))
print("listed:", s.names("/"), "on disk:", os.listdir("served"))
s.end()
PYTHON
cat seen
diff seen - <<'EXPECTED'
write: OK
listed: ['part']
remove: OK
listed: [] on disk: []
close: OK
listed: ['part'] on disk: ['part']
EXPECTED
