#!/usr/bin/env bash
# Puts the plugin with all that it needs, Node excepted, into a directory.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=${1:?usage: pack.sh DIRECTORY}
mkdir -p "$target"
cp "$here"/{dprun-plugin-webdav,*.js,package.json,package-lock.json} "$here/../../../sdk/proto/dprun/plugin/v1/plugin.proto" "$target"
cd "$target"
npm ci --ignore-scripts --no-bin-links --no-audit --no-fund --loglevel error
