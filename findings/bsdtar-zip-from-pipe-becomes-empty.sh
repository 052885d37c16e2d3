#!/usr/bin/env bash
# bsdtar: turning a zip that comes through a pipe into a tar makes every file
# empty, and ends with 0.
#
# Guess: "bsdtar -cf new.tar @-" gives a tar with the same files as
#   "bsdtar -cf new.tar @old.zip". Where it cannot know a size in time (the
#   archive was itself written to a pipe, so that sizes stand behind the data,
#   as Go's and Python's libraries do it), it keeps the file back until it
#   knows, or fails.
# Seen:  a size that is not known yet is written as 0, the data is left out, and
#   nothing is said; tar and zip as the new format alike. Only cpio has a
#   warning, "Size required". "bsdtar -x" of the same pipe gets every byte.
# Version: Debian's libarchive-tools 3.6.2-1+deb12u5; Python 3 writes the archive.
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download libarchive-tools=3.6.2-1+deb12u5 libarchive13=3.6.2-1+deb12u5
for package in *.deb; do dpkg-deb -x "$package" package; done
bsdtar() { LD_LIBRARY_PATH=$(echo package/usr/lib/*-linux-gnu) package/usr/bin/bsdtar "$@"; }

python3 -c '
import sys, zipfile
with zipfile.ZipFile(sys.stdout.buffer, "w", zipfile.ZIP_DEFLATED) as z:
    for name in ("one", "two"):
        z.writestr(name, "a line\n" * 500)' | cat >old.zip

convert() {
  local what=$1 code=0
  shift
  cat old.zip | bsdtar "$@" 2>log || code=$?
  echo "$what: exit code $code, says $(wc -l <log) lines"
}
sizes() { (cd new && wc -c one two | sed 's/^ */  /'); rm -r new; }
{
  mkdir new && convert 'pipe to files' -xf - -C new
  sizes
  convert 'file to tar' -cf new.tar @old.zip
  mkdir new && bsdtar -xf new.tar -C new
  sizes
  convert 'pipe to tar' -cf new.tar @-
  mkdir new && bsdtar -xf new.tar -C new
  sizes
  convert 'pipe to zip' -cf new.zip --format=zip @-
  mkdir new && bsdtar -xf new.zip -C new
  sizes
  convert 'pipe to cpio' -cf new.cpio --format=cpio @-
} >seen
cat seen
diff seen - <<'EXPECTED'
pipe to files: exit code 0, says 0 lines
  3500 one
  3500 two
  7000 total
file to tar: exit code 0, says 0 lines
  3500 one
  3500 two
  7000 total
pipe to tar: exit code 0, says 0 lines
  0 one
  0 two
  0 total
pipe to zip: exit code 0, says 0 lines
  0 one
  0 two
  0 total
pipe to cpio: exit code 0, says 2 lines
EXPECTED
