#!/usr/bin/env bash
# rsyslog: what it understands from the network it does not from a local socket.
#
# Guess: a message of RFC 5424 that rsyslog takes apart when it comes by TCP is
#   taken apart when it comes through its unix socket: the version stands in
#   the message ("<13>1 "), not in the way that it came.
# Seen:  by TCP the program, the message's name and its structured data are
#   there. Through the socket the program is "1", and all the rest, where time
#   and host stand too, is text: imuxsock has a parser of its own, for the old
#   format, and it is on where nobody says UseSpecialParser="off". Debian's own
#   logger --rfc5424 runs into it.
# Version: Debian's rsyslog 8.2302.0-1+deb12u2 and bsdutils 1:2.38.1-5+deb12u3.
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download rsyslog=8.2302.0-1+deb12u2 libestr0=0.1.11-1 libfastjson4=1.2304.0-1 bsdutils=1:2.38.1-5+deb12u3
for package in *.deb; do dpkg-deb -x "$package" package; done
modules=$(echo "$dir"/package/usr/lib/*-linux-gnu/rsyslog)

cat >conf <<CONF
global(workDirectory="$dir")
module(load="imtcp")
module(load="imuxsock" SysSock.Use="off")
template(name="fields" type="string" string="program %app-name%, name %msgid%, data %structured-data%, text \"%msg%\"\n")
ruleset(name="file") { action(type="omfile" file="$dir/got" template="fields") }
input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="$dir/port" ruleset="file")
input(type="imuxsock" socket="$dir/default" ruleset="file")
input(type="imuxsock" socket="$dir/off" useSpecialParser="off" ruleset="file")
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
waits_for test -S off
has_lines() { [ "$(grep -c '' got)" = "$1" ]; }
say() {
  package/usr/bin/logger --rfc5424=notime,nohost,notq --tag backup --msgid NIGHT --sd-id run@32473 --sd-param 'plan="all"' "$@" 'all is well'
}
say --tcp --octet-count --server 127.0.0.1 --port "$(cat port)"
waits_for has_lines 1
say --socket "$dir/default"
waits_for has_lines 2
say --socket "$dir/off"
waits_for has_lines 3
kill "$server"
wait "$server" 2>/dev/null || true
{ echo 'TCP:'; echo 'unix socket:'; echo 'unix socket, UseSpecialParser="off":'; } | paste -d ' ' - got >seen
cat seen
diff seen - <<'EXPECTED'
TCP: program backup, name NIGHT, data [run@32473 plan="all"], text "all is well"
unix socket: program 1, name -, data -, text " - - backup - NIGHT [run@32473 plan="all"] all is well"
unix socket, UseSpecialParser="off": program backup, name NIGHT, data [run@32473 plan="all"], text "all is well"
EXPECTED
