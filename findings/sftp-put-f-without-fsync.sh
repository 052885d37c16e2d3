#!/usr/bin/env bash
# OpenSSH's sftp: "put -f" on a server that cannot flush says nothing and ends
# well.
#
# Guess: with -f the file is on the disk when sftp ends with 0. A server without
#   fsync@openssh.com, which sftp knows from its first reply, is an error, or at
#   least a warning, as other missing extensions are ("server does not support ...").
# Seen:  exit code 0, not a word, and no system call that flushes. With -vv there is
#   nothing either: what is looked for is a line that is missing.
# Version: Debian's openssh-client and openssh-sftp-server 1:9.2p1-2+deb12u10,
#   strace 6.1-0.1.
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download openssh-client=1:9.2p1-2+deb12u10 openssh-sftp-server=1:9.2p1-2+deb12u10 \
  strace=6.1-0.1 libunwind8=1.6.2-3 libedit2=3.1-20221030-2 libbsd0=0.11.7-2
for package in *.deb; do dpkg-deb -x "$package" package; done
export LD_LIBRARY_PATH=$(echo "$dir"/package/usr/lib/*-linux-gnu)
echo backup >file

# puts says how sftp put the file through a server, and how often something was flushed.
puts() {
  echo "put -f $dir/file $dir/stored" >batch
  rm -f stored
  code=0
  package/usr/bin/strace -f -qq -e trace=fsync,fdatasync,sync,syncfs -o calls package/usr/bin/sftp -q -b batch -D "$1" >said 2>&1 || code=$?
  echo "exit code $code, flushed $(grep -c sync calls) times, same: $(cmp file stored && echo yes), it says: $(grep -v '^sftp> ' said || echo nothing)"
}
server=$dir/package/usr/lib/openssh/sftp-server
{ puts "$server"; puts "$server -P fsync"; } | tee seen
diff seen - <<'EXPECTED'
exit code 0, flushed 1 times, same: yes, it says: nothing
exit code 0, flushed 0 times, same: yes, it says: nothing
EXPECTED
