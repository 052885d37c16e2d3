#!/usr/bin/env bash
# rsyslog: of a message that is too long, the rest arrives as messages of hosts
# that do not exist.
#
# Guess: a message of RFC 5424 that comes by TCP with its length before it
#   (octet counting, RFC 6587) is one message. When it is longer than 8 KB it is
#   cut, and the rest is thrown away: rsyslog's own log says "truncating...".
# Seen:  the rest is not thrown away. Each further 8 KB become a message of
#   their own, and are taken apart like one of the old format: words from the
#   middle of the text stand there as host and program. A summary of 900 tasks
#   is four messages, three of them of hosts "rders", "8" and "0808". The message after it is right.
# Version: Debian's rsyslog 8.2302.0-1+deb12u2.
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download rsyslog=8.2302.0-1+deb12u2 libestr0=0.1.11-1 libfastjson4=1.2304.0-1
for package in *.deb; do dpkg-deb -x "$package" package; done
modules=$(echo "$dir"/package/usr/lib/*-linux-gnu/rsyslog)

cat >conf <<CONF
global(workDirectory="$dir")
module(load="imtcp")
template(name="fields" type="string" string="host %hostname%, program %app-name%, text \"%msg:1:24%\"\n")
ruleset(name="file") { action(type="omfile" file="$dir/got" template="fields") }
input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="$dir/port" ruleset="file")
CONF
LD_LIBRARY_PATH=$(dirname "$modules") package/usr/sbin/rsyslogd -n -M "$modules" -f conf -i "$dir/pid" >log 2>&1 &
server=$!

# waits_for gives up after a minute.
waits_for() {
  for _ in $(seq 600); do
    "$@" 2>/dev/null && return
    sleep 0.1
  done
  cat log
  return 1
}
waits_for test -s port
rows=$(seq -f 'gw%04g orders FAILED checksum' 0 899)
exec 3<>"/dev/tcp/127.0.0.1/$(cat port)"
for text in "$rows" 'all is well'; do
  message="<13>1 2026-11-28T02:00:00Z vault dprun - NIGHT - $text"
  printf '%d %s' "${#message}" "$message" >&3
done
exec 3>&-
waits_for grep -q 'all is well' got
kill "$server"
wait "$server" 2>/dev/null || true
cat got
grep -o 'received oversize message.*truncating' log | sed 's/ from peer.*:/:/'
diff got - <<'EXPECTED'
host vault, program dprun, text "gw0000 orders FAILED che"
host rders, program FAILED, text " checksum#012gw0269 orde"
host 8, program orders, text " FAILED checksum#012gw05"
host 0808, program orders, text " FAILED checksum#012gw08"
host vault, program dprun, text "all is well"
EXPECTED
