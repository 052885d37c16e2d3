#!/usr/bin/env bash
# ssh2 of npm: a server that opens files with its flagsToString opens for
# reading what a client wants to make, or to write over.
#
# Guess: flagsToString gives Node's words for every combination of the
#   protocol's flags that makes sense, or throws. WRITE with CREAT (write over
#   a file, or make it) and WRITE with CREAT and EXCL (make a new file) do make
#   sense: open(2) has them, and OpenSSH's scp 9.2 uploads with the first.
# Seen:  it gives null for both, as only combinations with TRUNC or APPEND
#   have words. Node's fs.open takes null for its default, which is "r". So a
#   client that makes a new file hears "no such file", and one that writes over
#   a file gets a handle on which each WRITE fails.
# Version: ssh2 1.17.0 of npm, on Node.js 20 or newer.
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --ignore-scripts --no-audit --no-fund --no-save --loglevel error ssh2@1.17.0 >log

cat >run.js <<'NODE'
'use strict';

const fs = require('fs');
const { flagsToString, OPEN_MODE } = require('ssh2').utils.sftp;

const { WRITE, CREAT, EXCL, TRUNC } = OPEN_MODE;
console.log('with TRUNC:', flagsToString(WRITE | CREAT | TRUNC), flagsToString(WRITE | CREAT | TRUNC | EXCL));
console.log('without:', flagsToString(WRITE | CREAT), flagsToString(WRITE | CREAT | EXCL));

const attempt = (what, act) => {
  try {
    act();
    console.log(`${what}: works`);
  } catch (err) {
    console.log(`${what}: ${err.code}`);
  }
};
attempt('make a new file', () => fs.openSync('new', flagsToString(WRITE | CREAT | EXCL)));
fs.writeFileSync('old', 'content');
const fd = fs.openSync('old', flagsToString(WRITE | CREAT));
attempt('write over a file', () => fs.writeSync(fd, 'new'));
NODE
node run.js >seen || { cat seen; exit 1; }
cat seen
diff seen - <<'EXPECTED'
with TRUNC: w wx
without: null null
make a new file: ENOENT
write over a file: EBADF
EXPECTED
