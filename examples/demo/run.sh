#!/usr/bin/env bash
# Starts simulated gateways, backs them up with `dprun apply`, and shows where
# the files are. Everything goes to a directory of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."

out=${DEMO_DIR:-$(mktemp -d "${TMPDIR:-/tmp}/dprun-demo.XXXXXX")}
mkdir -p "$out/plan" "$out/backups"
cp examples/demo/plan.hcl "$out/plan/"
fleet=$out/plan/fleet.json

bin/dpsim --devices 3 --domains 4 --export-size 200KB --quiesce-time 1s --ready-file "$fleet" >"$out/dpsim.log" 2>&1 &
sim=$!
trap 'kill "$sim" 2>/dev/null; wait "$sim" 2>/dev/null || true' EXIT
for _ in $(seq 100); do
  [ -s "$fleet" ] && break
  kill -0 "$sim" 2>/dev/null || { cat "$out/dpsim.log" >&2; exit 1; }
  sleep 0.1
done

export DPRUN_STATE_DIR=$out/state
export DEMO_PASSWORD_gw_1=dpsim-gw-1 DEMO_PASSWORD_gw_2=dpsim-gw-2 DEMO_PASSWORD_gw_3=dpsim-gw-3
echo "+ dprun apply --yes plan.hcl"
bin/dprun apply --yes --var "backups=$out/backups" "$out/plan/plan.hcl"

echo
echo "The files:"
(cd "$out/backups" && find . -type f -name '*.zip' | sort | head -n 5)
echo "… $(find "$out/backups" -type f -name '*.zip' | wc -l) exports and $(find "$out/backups" -type f -name '*.dprun.json' | wc -l) manifests below $out/backups"
echo
first=$(find "$out/backups" -type f -name '*.zip' | sort | head -n 1)
echo "+ dprun verify archive ${first#"$out/backups/"}"
bin/dprun verify archive "$first"
