#!/usr/bin/env bash
# ssh-keygen -Y sign: where a signature is there already and nobody can answer,
# it signs nothing and ends with 0.
#
# Guess: without a terminal it writes over the old signature, or it fails: a
#   script that goes by the exit code never takes an old signature for the new.
# Seen:  it asks whether to overwrite, takes the end of its input for a no, and
#   ends with 0. The old signature stays, and does not fit the file any more:
#   verify says so, maybe years later.
# Version: Debian's openssh-client 1:9.2p1-2+deb12u10.
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download openssh-client=1:9.2p1-2+deb12u10
dpkg-deb -x openssh-client_*.deb package
keygen=package/usr/bin/ssh-keygen
$keygen -q -t ed25519 -N '' -C '' -f key
echo "somebody $(cat key.pub)" >signers

sign() {
  local code=0
  setsid --wait $keygen -Y sign -f key -n record record </dev/null >>log 2>&1 || code=$?
  echo "sign: exit code $code"
}
verify() {
  local code=0
  $keygen -Y verify -f signers -I somebody -n record -s record.sig <record >>log 2>&1 || code=$?
  [ $code = 0 ] && echo "verify: good" || echo "verify: bad"
}
{
  echo first >record
  sign
  verify
  cp record.sig before
  echo second >record
  sign
  cmp -s record.sig before && echo "the signature is the old one"
  verify
} >seen
cat seen
diff seen - <<'EXPECTED'
sign: exit code 0
verify: good
sign: exit code 0
the signature is the old one
verify: bad
EXPECTED
