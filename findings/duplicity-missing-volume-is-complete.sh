#!/usr/bin/env bash
# duplicity: a backup that lacks one of its volumes is complete, and is built upon.
#
# Guess: a set whose manifest names five volumes and that has four is "incomplete" in
#   collection-status, and an incremental backup on it fails or warns.
# Seen:  collection-status counts four volumes, says "No orphaned or incomplete backup sets
#   found" and ends with 0. An incremental backup is made on it, with "Errors 0" and exit
#   code 0. Only a restore, and verify, which is one, fail: with a KeyError. The removal of
#   old sets without --force removes nothing and ends with 0, too.
# Version: Debian's duplicity 0.8.22-1+b3.
# Day:   2026-11-29
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download duplicity=0.8.22-1+b3 librsync2=2.3.2-1+b1 libb2-1=0.98.1-1.1 libgomp1=12.2.0-14+deb12u1 \
  python3-fasteners=0.17.3-2 python3-future=0.18.2-6 python3-monotonic=1.6-2
for package in *.deb; do dpkg-deb -x "$package" package; done
export PYTHONPATH=$dir/package/usr/lib/python3/dist-packages LD_LIBRARY_PATH=$dir/package/usr/lib/x86_64-linux-gnu HOME=$dir
# says runs a command of duplicity, and gives its exit code and whether it says a text.
says() {
  local text=$1 code=0
  shift
  python3 package/usr/bin/duplicity "$@" >out 2>&1 || code=$?
  grep -q "$text" out && echo "exit code $code, $text" || echo "exit code $code"
}
options=(--no-encryption --archive-dir "$dir/archive" --volsize 1)
mkdir source
for i in 1 2 3; do head -c 1500000 /dev/urandom >source/$i; done
fails=0
is() {
  echo "$1: $2"
  [ "$2" = "$3" ] || { echo "  not as on that day"; cat out; fails=1; }
}
is 'full' "$(says 'Errors 0' full "${options[@]}" source "file://$dir/target")" 'exit code 0, Errors 0'
volumes=(target/*.difftar.gz)
rm "target/$(basename "${volumes[1]}")"
echo "volume 2 of ${#volumes[@]} is gone"
is 'collection-status' "$(says 'No orphaned or incomplete' collection-status "${options[@]}" "file://$dir/target")" 'exit code 0, No orphaned or incomplete'
echo more >source/more
is 'incremental' "$(says 'Errors 0' incremental "${options[@]}" source "file://$dir/target")" 'exit code 0, Errors 0'
is 'verify' "$(says 'KeyError' verify "${options[@]}" "file://$dir/target" source)" 'exit code 30, KeyError'
sleep 2
is 'full' "$(says 'Errors 0' full "${options[@]}" source "file://$dir/target")" 'exit code 0, Errors 0'
is 'remove-all-but-n-full 1' "$(says 'Rerun command with --force' remove-all-but-n-full 1 "${options[@]}" "file://$dir/target")" 'exit code 0, Rerun command with --force'
exit $fails
