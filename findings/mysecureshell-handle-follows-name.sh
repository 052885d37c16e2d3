#!/usr/bin/env bash
# MySecureShell: a request about an open file is carried out on another file
# that has its name by now.
#
# Guess: FSETSTAT names a handle, so that it is about the file that was opened,
#   whatever happens to names meanwhile: that is what tells it from SETSTAT.
# Seen:  after RENAME of the open file and a new file under the old name,
#   FSETSTAT of a size through the old handle cuts the new file. The one that
#   is open stays as it is. All requests answer OK.
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
from sftp3 import CREAT, TRUNC, WRITE, Server

# It reads /etc/ssh/sftp_config and nothing else.
s = Server("unshare", "--mount", "--ipc", "sh", "-c", "mount --bind ssh /etc/ssh && exec package/usr/bin/mysecureshell -c sftp-server")
_, first = s.open("/current", WRITE | CREAT | TRUNC)
print("write:", s.write(first, 0, "monday"))
print("rename:", s.ask(18, "/current", "/monday")[0])
_, h = s.open("/current", WRITE | CREAT | TRUNC)
print("write:", s.write(h, 0, "tuesday"), s.close(h))
print("set the size of the first:", s.ask(10, first, 1, (3,))[0], s.close(first))
for name in ("monday", "current"):
    print(name, "holds", repr(open("served/" + name).read()))
s.end()
PYTHON
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$here" python3 ask.py >seen
cat seen
diff seen - <<'EXPECTED'
write: OK
rename: OK
write: OK OK
set the size of the first: OK OK
monday holds 'monday'
current holds 'tue'
EXPECTED
