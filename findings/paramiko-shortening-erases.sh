#!/usr/bin/env bash
# Paramiko: the helper that sets a file's attributes erases a file that it shortens.
#
# Guess: SFTPServer.set_file_attr, which its documentation offers to servers
#   for SETSTAT, cuts a file to st_size and keeps what comes before, as
#   truncate(2) does.
# Seen:  the file has the size that was asked for, and every byte of it is zero.
# Version: Debian's python3-paramiko 2.12.0-2 (python3-cryptography, -bcrypt and
#   -nacl of Debian 12 below it).
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download python3-paramiko=2.12.0-2 python3-cryptography=38.0.4-3+deb12u1 \
  python3-bcrypt=3.2.2-1 python3-nacl=1.5.0-2 python3-cffi-backend=1.15.1-5+b1
for package in *.deb; do dpkg-deb -x "$package" package; done

PYTHONPATH=package/usr/lib/python3/dist-packages /usr/bin/python3 -W ignore - >seen <<'PYTHON'
from paramiko import SFTPAttributes, SFTPServer

open("file", "w").write("precious")
attributes = SFTPAttributes()
attributes._flags = attributes.FLAG_SIZE
attributes.st_size = 4
SFTPServer.set_file_attr("file", attributes)
print("holds:", open("file", "rb").read())
PYTHON
cat seen
diff seen - <<'EXPECTED'
holds: b'\x00\x00\x00\x00'
EXPECTED
