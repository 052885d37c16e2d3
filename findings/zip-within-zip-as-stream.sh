#!/usr/bin/env bash
# Zip archives read as a stream: what an inner archive holds comes out as if the
# outer one held it, or the rest is missing, and there is no error.
#
# Guess: an entry that is stored and whose size stands behind it (what Go's
#   archive/zip writes for zip.Store; the format allows it) is read right, or
#   refused as not to be read this way. It does not depend on what it holds.
# Seen:  where it holds a zip itself, marks of the inner archive are taken for
#   those of the outer one. fflate's Unzip gives five entries instead of three,
#   and the two archives with more bytes than they have. bsdtar -t from a pipe
#   lists the first entry, nothing else, and ends with 0. From a whole file
#   both are right.
# Version: fflate 0.8.3 of npm, on Node.js 20 or newer; Debian's libarchive-tools
#   3.6.2-1+deb12u5. Go 1.26 writes the archive.
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download libarchive-tools=3.6.2-1+deb12u5 libarchive13=3.6.2-1+deb12u5
for package in *.deb; do dpkg-deb -x "$package" package; done
npm install --ignore-scripts --no-audit --no-fund --no-save --loglevel error fflate@0.8.3 >log

cat >main.go <<'GO'
package main

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
)

func main() {
	out, err := os.Create("outer.zip")
	check(err)
	outer := zip.NewWriter(out)
	for _, name := range []string{"alpha", "beta"} {
		var b bytes.Buffer
		inner := zip.NewWriter(&b)
		add(inner, name+".xml", zip.Deflate, bytes.Repeat([]byte("<"+name+"/>\n"), 50))
		check(inner.Close())
		add(outer, name+".zip", zip.Store, b.Bytes())
	}
	add(outer, "export.xml", zip.Deflate, []byte("<export/>\n"))
	check(outer.Close())
	check(out.Close())
}

func add(w *zip.Writer, name string, method uint16, content []byte) {
	f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
	check(err)
	_, err = io.Copy(f, bytes.NewReader(content))
	check(err)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
GO
go run main.go

cat >run.js <<'NODE'
'use strict';

const fs = require('fs');
const fflate = require('fflate');

const archive = new Uint8Array(fs.readFileSync('outer.zip'));
for (const [name, content] of Object.entries(fflate.unzipSync(archive))) console.log('fflate, whole:', name, content.length);

const reader = new fflate.Unzip();
reader.register(fflate.UnzipInflate);
reader.onfile = (file) => {
  let size = 0;
  file.ondata = (err, piece, last) => {
    if (err) throw err;
    size += piece.length;
    if (last) console.log('fflate, stream:', file.name, size);
  };
  file.start();
};
reader.push(archive, true);
NODE
bsdtar() { LD_LIBRARY_PATH=$(echo package/usr/lib/*-linux-gnu) package/usr/bin/bsdtar "$@"; }
{
  node run.js
  bsdtar -tf outer.zip | sed 's/^/bsdtar, file: /'
  cat outer.zip | bsdtar -tf - | sed 's/^/bsdtar, pipe: /'
} >seen || { cat seen; exit 1; }
cat seen
diff seen - <<'EXPECTED'
fflate, whole: alpha.zip 151
fflate, whole: beta.zip 148
fflate, whole: export.xml 10
fflate, stream: alpha.zip 616
fflate, stream: alpha.xml 450
fflate, stream: beta.zip 411
fflate, stream: beta.xml 400
fflate, stream: export.xml 10
bsdtar, file: alpha.zip
bsdtar, file: beta.zip
bsdtar, file: export.xml
bsdtar, pipe: alpha.zip
EXPECTED
