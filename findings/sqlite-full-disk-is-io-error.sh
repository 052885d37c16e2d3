#!/usr/bin/env bash
# SQLite: on a full disk even reading fails, and the error does not say "full".
#
# Guess: a database in WAL mode can be read on a full disk, as reading needs no
#   room; what does need room fails with SQLITE_FULL (13), "database or disk is
#   full", which programs look for.
# Seen:  SELECT of a closed, sound database fails with SQLITE_IOERR (10), "disk
#   I/O error", extended code 4874 (SHMSIZE): the index of the WAL is made anew
#   when the first connection opens, and has no room. With 64 KiB made free the
#   same SELECT works.
# Version: Debian's sqlite3 and libsqlite3-0 3.40.1-2+deb12u2. Needs root, for a
#   small file system.
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download sqlite3=3.40.1-2+deb12u2 libsqlite3-0=3.40.1-2+deb12u2 libreadline8=8.2-1.3
for package in *.deb; do dpkg-deb -x "$package" package; done
mkdir small

cat >run.sh <<'SCRIPT'
set -euo pipefail
mount -t tmpfs -o size=1m tmpfs small
export LD_LIBRARY_PATH=$(echo package/usr/lib/*-linux-gnu | tr ' ' :)
ask() { package/usr/bin/sqlite3 small/db "$@" 2>&1 || true; }
ask 'PRAGMA journal_mode = wal; CREATE TABLE t (x); INSERT INTO t VALUES (7);' >log
echo "sound and closed: $(ask 'PRAGMA integrity_check')"
head -c 65536 /dev/zero >small/spare
cat /dev/zero >small/ballast 2>/dev/null || true
echo "free: $(df --output=avail small | tail -1 | tr -d ' ') KiB"
echo "select on a full disk: $(ask -cmd '.log stdout' 'SELECT x FROM t' | grep -oE '[(][0-9]+[)] disk I/O error|disk is full' || true)"
rm small/spare
echo "select with room: $(ask 'SELECT x FROM t')"
SCRIPT
unshare --mount bash run.sh >seen
cat seen
diff seen - <<'EXPECTED'
sound and closed: ok
free: 0 KiB
select on a full disk: (4874) disk I/O error
select with room: 7
EXPECTED
