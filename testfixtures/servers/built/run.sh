#!/usr/bin/env bash
# Builds servers that are no package of Debian's into a temporary directory,
# at the versions that stand in */go.mod and ssh2/package.json, and runs the
# tests against them; and those of the plugins for Node and for S3.
# Arguments go to the tests.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
for tool in go node npm; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: install it and try again" >&2; exit 1; }
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir" # the servers run as another user
export CGO_ENABLED=0
echo "Building rclone, go-nfs and ssh2 in $dir"
(cd "$here/rclone" && go build -o "$dir/rclone" .)
(cd "$here/gonfs" && go build -o "$dir/gonfs" .)
for server in versitygw minio seaweedfs; do # each is a tool of a module of its own
  echo "Building $server"
  (cd "$here/$server" && go build -o "$dir/$server" "$(go list tool)")
done
mkdir "$dir/ssh2"
cp "$here"/ssh2/{package.json,package-lock.json,server.js} "$dir/ssh2"
# Without its optional native helpers, which a compiler would be needed for.
(cd "$dir/ssh2" && npm ci --ignore-scripts --no-audit --no-fund --loglevel error)
plugin=$here/../../../examples/plugins/webdav
"$plugin/pack.sh" "$dir/webdav"
node --test "$plugin"/test/*.test.js
s3=$here/../../../examples/plugins/s3
(cd "$s3" && go build -o "$dir/dprun-plugin-s3" . && DPRUN_BUILT_SERVERS="$dir" go test -count 1 -tags builtservers -run Built -timeout 40m "$@" .)
cd "$here/.."
DPRUN_BUILT_SERVERS="$dir" go test -count 1 -tags builtservers -run Built "$@" .
