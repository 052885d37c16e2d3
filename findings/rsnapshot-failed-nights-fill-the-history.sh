#!/usr/bin/env bash
# rsnapshot: nights on which a host could not be reached become snapshots of it, and push
# the real ones out.
#
# Guess: a host that fails is missing in that night's snapshot, or the night makes no
#   snapshot; the older ones of that host stay.
# Seen:  each night has the host's files of the last good night under its own date, also
#   with link_dest, where it says "Rolling back". With `retain daily 3`, after three failed
#   nights all three snapshots of the host are the same night, and what was two nights
#   older is gone. The exit code of the failed nights is 1.
# Version: Debian's rsnapshot 1.4.5-1 and rsync 3.5.0+ds1-0+deb12u1.
# Day:   2026-11-29
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download rsnapshot=1.4.5-1 rsync=3.5.0+ds1-0+deb12u1 libpopt0=1.19+dfsg-1
for package in *.deb; do dpkg-deb -x "$package" package; done
export LD_LIBRARY_PATH=$dir/package/usr/lib/x86_64-linux-gnu

# ssh to a host that is this machine, and that can be down
cat >ssh <<SH
#!/bin/sh
[ -e "$dir/down" ] && { echo "no route to host" >&2; exit 255; }
while [ "\$1" != rsync ]; do shift; done
exec "$dir/package/usr/bin/\$@"
SH
chmod +x ssh

fails=0
# nights makes good nights 1 to 3, then three on which host "far" is down.
nights() {
  rm -rf root near far down
  mkdir root near far
  {
    printf 'config_version\t1.2\nsnapshot_root\t%s/root/\ncmd_rsync\t%s/package/usr/bin/rsync\ncmd_ssh\t%s/ssh\ncmd_cp\t/bin/cp\n' "$dir" "$dir" "$dir"
    printf 'retain\tdaily\t3\nverbose\t1\nlink_dest\t%s\nbackup\t%s/near/\tnear/\nbackup\tu@far:%s/far/\tfar/\n' "$1" "$dir" "$dir"
  } >conf
  local n codes=
  for n in 1 2 3 4 5 6; do
    [ "$n" -lt 4 ] || touch down
    echo "night $n" | tee near/file >far/file
    touch -d "2026-11-0$n" near/file far/file
    if perl package/usr/bin/rsnapshot -c conf daily >>log 2>&1; then codes+=0; else codes+=$?; fi
  done
  echo "link_dest $1, exit codes $codes:"
  local got=
  for n in 0 1 2; do
    echo "  daily.$n: near has $(cat root/daily.$n/near/"$dir"/near/file), far has $(cat root/daily.$n/far/"$dir"/far/file)"
    got+="$(cat root/daily.$n/near/"$dir"/near/file root/daily.$n/far/"$dir"/far/file | tr -dc 0-9) "
  done
  [ "$codes $got" = '000111 63 53 43 ' ] || { echo "  not as on that day: $codes $got"; cat log; fails=1; }
}
nights 0
nights 1
exit $fails
