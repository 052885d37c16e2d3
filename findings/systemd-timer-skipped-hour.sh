#!/usr/bin/env bash
# systemd: a timer for a time that the clocks jump over leaves out the whole night.
#
# Guess: "02:30 Europe/Berlin" elapses at 03:30 in the night in which the clocks
#   go from two to three, as systemd counts with mktime(3), which gives that hour
#   for it. In autumn it elapses once.
# Seen:  in spring it does not elapse at all: after Saturday comes Monday. So does
#   "02:00", which is when the clocks jump. Nothing was missed then, so that
#   Persistent= has nothing to make up for. In autumn it elapses once, in the first
#   pass of the hour, and "every hour at half past" leaves out the second pass.
# Version: Debian's systemd 252.39-1~deb12u2.
# Day:   2026-11-29
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
version=252.39-1~deb12u2
apt-get -qq -o APT::Sandbox::User=root download systemd=$version libsystemd-shared=$version tzdata
for package in *.deb; do dpkg-deb -x "$package" package; done
library=$(dirname "$(find package -name 'libsystemd-shared-*.so')")

# times gives the next times of an expression after a moment, in UTC.
times() {
  LD_LIBRARY_PATH=$library package/usr/bin/systemd-analyze calendar --iterations="$1" --base-time="$2 UTC" "$3" |
    sed -n -E 's/.*(Next elapse|Iter\. #[0-9]+|\(in UTC\)): [A-Z][a-z]{2} ([0-9: -]+) UTC$/\2/p'
}
LD_LIBRARY_PATH=$library package/usr/bin/systemd-analyze --version | head -n 1
fails=0
expect() {
  local what=$1 got
  shift
  got=$(times "$1" "$2" "$3" | tr '\n' ';')
  echo "$what: $got"
  [ "$got" = "$4" ] || { echo "  another answer than on that day: $4"; fails=1; }
}
export TZ=UTC
expect 'spring, 02:30' 3 '2026-03-27 12:00:00' '*-*-* 02:30:00 Europe/Berlin' '2026-03-28 01:30:00;2026-03-30 00:30:00;2026-03-31 00:30:00;'
expect 'spring, 02:00' 3 '2026-03-27 12:00:00' '*-*-* 02:00:00 Europe/Berlin' '2026-03-28 01:00:00;2026-03-30 00:00:00;2026-03-31 00:00:00;'
expect 'autumn, 02:30' 3 '2026-10-23 12:00:00' '*-*-* 02:30:00 Europe/Berlin' '2026-10-24 00:30:00;2026-10-25 00:30:00;2026-10-26 01:30:00;'
expect 'autumn, every hour' 3 '2026-10-24 23:45:00' '*-*-* *:30:00 Europe/Berlin' '2026-10-25 00:30:00;2026-10-25 02:30:00;2026-10-25 03:30:00;'
exit $fails
