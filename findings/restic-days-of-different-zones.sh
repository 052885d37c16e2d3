#!/usr/bin/env bash
# restic: snapshots of the same half hour count as several days where they were
# made in different time zones, and push real days out.
#
# Guess: forget --keep-daily counts days of one zone, the caller's or UTC. So
#   three snapshots of the same twenty minutes are one day, and the days before
#   them stay.
# Seen:  each snapshot's day is that of the zone in which it was made, and only
#   neighbours are compared: 10 January, 11 January (Tokyo), 10 January again
#   are three days. --keep-daily 3 keeps these three and removes the day before
#   and the one before that, whatever the caller's zone is. A unit that runs in
#   UTC and a person whose shell has TZ set are enough.
# Version: Debian's restic 0.14.0-1+b5.
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download restic=0.14.0-1+b5
dpkg-deb -x restic_*.deb package
export RESTIC_PASSWORD=x RESTIC_REPOSITORY=$dir/repository RESTIC_CACHE_DIR=$dir/cache
restic=package/usr/bin/restic
mkdir data && echo content >data/file
$restic -q init

backup() { TZ=$1 $restic -q backup --host host --time "$2" data; }
backup UTC '2026-01-08 20:00:00'
backup UTC '2026-01-09 20:00:00'
backup UTC '2026-01-10 20:00:00'
backup Asia/Tokyo '2026-01-11 05:10:00' # 20:10 in UTC
backup UTC '2026-01-10 20:20:00'

cat >times.py <<'PYTHON'
import datetime
import json
import sys

(group,) = json.loads(sys.stdin.readline())
for outcome in ("keep", "remove"):
    times = [datetime.datetime.fromisoformat(s["time"].replace("Z", "+00:00")) for s in group[outcome]]
    print("%s:" % outcome, *("%s" % t.astimezone(datetime.timezone.utc).strftime("%d %H:%M") for t in sorted(times)), sep="  ")
PYTHON
for zone in UTC Asia/Tokyo; do
  echo "--keep-daily 3, called in $zone; days and times in UTC"
  TZ=$zone $restic --json forget --dry-run --keep-daily 3 | python3 times.py
done >seen
cat seen
diff seen - <<'EXPECTED'
--keep-daily 3, called in UTC; days and times in UTC
keep:  10 20:00  10 20:10  10 20:20
remove:  08 20:00  09 20:00
--keep-daily 3, called in Asia/Tokyo; days and times in UTC
keep:  10 20:00  10 20:10  10 20:20
remove:  08 20:00  09 20:00
EXPECTED
