#!/usr/bin/env bash
# MySecureShell: a file that is opened to append to is overwritten from its start.
#
# Guess: with APPEND every WRITE goes to the end of the file, whatever its
#   offset says (the draft: "Force all writes to append data at the end of the
#   file"), or OPEN refuses the flag.
# Seen:  OPEN and WRITE answer OK, and the data stands at the WRITE's offset,
#   over what was there. Two writers of one log destroy each other's lines.
# Version: Debian's mysecureshell 2.0-2+b2. Needs root, to show it a configuration.
# Day:   2026-11-28
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download mysecureshell=2.0-2+b2
dpkg-deb -x mysecureshell_*.deb package
mkdir served ssh
printf '<Default>\n\tHome %s\n\tVirtualChroot true\n</Default>\n' "$dir/served" >ssh/sftp_config

cat >ask.py <<'PYTHON'
from sftp3 import APPEND, CREAT, TRUNC, WRITE, Server

# It reads /etc/ssh/sftp_config and nothing else.
s = Server("unshare", "--mount", "--ipc", "sh", "-c", "mount --bind ssh /etc/ssh && exec package/usr/bin/mysecureshell -c sftp-server")
_, h = s.open("/log", WRITE | CREAT | TRUNC)
print("write:", s.write(h, 0, "first line\n"), s.close(h))
_, h = s.open("/log", WRITE | APPEND)
print("append:", s.write(h, 0, "2nd\n"), s.close(h))
print("holds:", repr(open("served/log").read()))
s.end()
PYTHON
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$here" python3 ask.py >seen
cat seen
diff seen - <<'EXPECTED'
write: OK OK
append: OK OK
holds: '2nd\nt line\n'
EXPECTED
