#!/usr/bin/env bash
# age of Debian 12: a plugin that is nowhere "resolves to executable in current
# directory", with a path at which there is nothing.
#
# Guess: for a post-quantum recipient (age1pq1…), which age knows from 1.3 on, it
#   says that this recipient is not known; or, as the name of a plugin is all that it
#   can see in it, that age-plugin-pq is not found in $PATH.
# Seen:  the second, in other words: "age-plugin-pq resolves to executable in current
#   directory (./age-plugin-pq)". The directory is empty, and $PATH has absolute
#   directories only. Who believes it looks for somebody who planted a program. The
#   package that guards against such programs (golang.org/x/sys/execabs) takes the
#   name that was not found for a path that was.
# Version: Debian's age 1.1.1-1+b3.
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download age=1.1.1-1+b3
dpkg-deb -x age_*.deb package
mkdir empty
cd empty
# A recipient of a plugin called "nowhere", as bech32 writes it.
recipient=$(python3 - <<'PYTHON'
letters = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
def mod(values):
    c = 1
    for v in values:
        top, c = c >> 25, (c & 0x1ffffff) << 5 ^ v
        for i, g in enumerate((0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3)):
            if top >> i & 1: c ^= g
    return c
name, data = 'age1nowhere', [0] * 8
wide = [ord(x) >> 5 for x in name] + [0] + [ord(x) & 31 for x in name]
sum = mod(wide + data + [0] * 6) ^ 1
print(name + '1' + ''.join(letters[d] for d in data + [sum >> 5 * (5 - i) & 31 for i in range(6)]))
PYTHON
)
PATH=/usr/bin:/bin ../package/usr/bin/age -r "$recipient" </dev/null 2>../said >/dev/null && exit 1
ls -A >../there
sed -n '1s/.*: //p' ../said >../seen
cat ../seen ../there
diff ../seen - <<'EXPECTED'
age-plugin-nowhere resolves to executable in current directory (./age-plugin-nowhere)
EXPECTED
[ ! -s ../there ]
