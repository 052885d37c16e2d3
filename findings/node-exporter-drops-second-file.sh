#!/usr/bin/env bash
# node_exporter: of two files that tell of one metric, one is left out, and nothing says so.
#
# Guess: where two files of the textfile collector cannot both be taken, because they have
#   the same series or describe a metric differently, node_textfile_scrape_error is 1, as
#   it is for a file that cannot be read.
# Seen:  the answer has status 200, node_textfile_scrape_error is 0, both files are in
#   node_textfile_mtime_seconds with the time of their last change, and the values of the
#   second are not there: those of the same series, and all of a metric whose HELP differs,
#   though it has other labels. Its own log alone says it. A file that ends without a
#   newline sets the error.
# Version: Debian's prometheus-node-exporter 1.5.0-1+b6.
# Day:   2026-11-29
set -euo pipefail
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download prometheus-node-exporter=1.5.0-1+b6
dpkg-deb -x prometheus-node-exporter_*.deb package
mkdir files
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
package/usr/bin/prometheus-node-exporter --web.listen-address="127.0.0.1:$port" --collector.disable-defaults \
  --collector.textfile --collector.textfile.directory=files >log 2>&1 &
server=$!
for _ in $(seq 300); do (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done

fails=0
# has writes two files and compares: status, error, files with a time, series of the second file.
has() {
  local what=$1 want=$2 got
  : >log
  got=$(python3 - "http://127.0.0.1:$port/metrics" <<'PY'
import re, sys, urllib.request

answer = urllib.request.urlopen(sys.argv[1])
text = answer.read().decode()
error = re.search(r"^node_textfile_scrape_error (\d)", text, re.M).group(1)
print(answer.status, "error", error, "files", text.count("\nnode_textfile_mtime_seconds{"), "of the second", len(re.findall(r"^backup_.* 2$", text, re.M)))
PY
)
  echo "$what: status $got; in the log: $(grep -c level=error log || true)"
  [ "$got" = "$want" ] || { echo "  not as on that day"; fails=1; }
}
file() { printf '# HELP backup_pending %s\n# TYPE backup_pending gauge\nbackup_pending%s %s\n' "$2" "$3" "$4" >"files/$1.prom"; }
file one 'Pending.' '{device="a"}' 1
file two 'Pending.' '{device="b"}' 2
has 'other labels' '200 error 0 files 2 of the second 1'
file two 'Pending.' '{device="a"}' 2
has 'the same labels' '200 error 0 files 2 of the second 0'
file two 'Pending devices.' '{device="b"}' 2
has 'other labels, another HELP' '200 error 0 files 2 of the second 0'
printf 'backup_pending{device="b"} 2' >files/two.prom
has 'without a newline' '200 error 1 files 1 of the second 0'
exit $fails
