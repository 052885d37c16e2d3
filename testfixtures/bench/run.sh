#!/usr/bin/env bash
# Runs the benchmarks from the repository's root: `make bench`, or with options
# `testfixtures/bench/run.sh -only a,b -rounds 5`. See docs/benchmarks.md.
# They are a module of their own, so that nothing that only they need is among
# dprun's dependencies.
set -euo pipefail
cd "$(dirname "$0")/../.."
export CGO_ENABLED=0
go build -C testfixtures/bench -trimpath -o ../../bin/bench .
go build -C testfixtures/bench -trimpath -o ../../bin/dprun-plugin-note ./note
exec bin/bench "$@"
