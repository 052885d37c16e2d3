#!/usr/bin/env bash
# Runs the benchmarks from the repository's root: `make bench`, or with options
# `testfixtures/bench/run.sh -only a,b -rounds 5`. See docs/benchmarks.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
export CGO_ENABLED=0
exec go run ./testfixtures/bench "$@"
