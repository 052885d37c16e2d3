#!/usr/bin/env bash
# Apache's mod_dav: MOVE with "Overwrite: F" replaces a file that another MOVE
# has just put there, and says 201 to both.
#
# Guess: of several MOVEs of different files to one new name at the same time
#   one is answered with 201 and the others with 412 (RFC 4918, 10.6: with F the
#   server must not perform the operation if the destination is mapped).
# Seen:  in about a third of the rounds more than one of six gets 201. The file
#   of the one that was first is gone, without a word to anybody: mod_dav looks
#   whether the name is taken, and mod_dav_fs calls rename(2), which replaces.
#   Of several MKCOLs of one new directory, one is answered with 201, and most
#   others with 405; those that lose between look and mkdir(2) with 403.
# Version: Debian's apache2-bin 2.4.71-1~deb12u1, libapr1 1.7.2-3+deb12u1,
#   libaprutil1 1.6.3-1; Node.js 18 or newer asks. As root it serves as nobody.
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || { kill "$server"; wait "$server" || true; }; rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download apache2-bin=2.4.71-1~deb12u1 libapr1=1.7.2-3+deb12u1 libaprutil1=1.6.3-1
for p in *.deb; do dpkg-deb -x "$p" package; done
mkdir data locks
chmod 755 . && chmod 777 data locks
port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
modules=$dir/package/usr/lib/apache2/modules
cat >httpd.conf <<CONF
ServerRoot $dir
ServerName localhost
Listen 127.0.0.1:$port
PidFile pid
ErrorLog error.log
DefaultRuntimeDir .
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule dav_module $modules/mod_dav.so
LoadModule dav_fs_module $modules/mod_dav_fs.so
User nobody
Group nogroup
DavLockDB locks/db
DocumentRoot $dir/data
<Directory />
  Dav On
  Require all granted
</Directory>
CONF
export LD_LIBRARY_PATH=$(dirname "$(find "$dir/package" -name 'libapr-1.so.0')")
package/usr/sbin/apache2 -d "$dir" -f httpd.conf -D FOREGROUND &
server=$!
for _ in $(seq 100); do
  (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
  sleep 0.1
done

cat >run.js <<'NODE'
'use strict';

const http = require('http');
const [, , port] = process.argv;
const agent = new http.Agent({ keepAlive: true, maxSockets: 6 });
const ask = (method, path, headers = {}, body = '') => new Promise((resolve, reject) => {
  const req = http.request({ host: '127.0.0.1', port, method, path, headers, agent }, (res) => {
    let text = '';
    res.on('data', (part) => { text += part; }).on('end', () => resolve({ status: res.statusCode, text }));
  });
  req.on('error', reject).end(body);
});
const six = [0, 1, 2, 3, 4, 5];

(async () => {
  let [two, lost] = [0, 0];
  const made = new Set();
  for (let i = 0; i < 300; i++) {
    await Promise.all(six.map((k) => ask('PUT', `/part-${i}-${k}`, {}, `content ${k}`)));
    const moves = await Promise.all(six.map((k) => ask('MOVE', `/part-${i}-${k}`, { Destination: `http://127.0.0.1:${port}/file-${i}`, Overwrite: 'F' })));
    const won = six.filter((k) => moves[k].status === 201);
    const { text } = await ask('GET', `/file-${i}`);
    if (won.length > 1) two++;
    if (won.some((k) => text !== `content ${k}`)) lost++;
    for (const m of await Promise.all(six.map(() => ask('MKCOL', `/dir-${i}/`)))) made.add(m.status);
  }
  console.error(`of 300 rounds ${two} with more than one success`);
  console.log('a MOVE with Overwrite: F was answered with 201, and its file is gone:', two > 0 && lost > 0);
  console.log('answers to MKCOL:', [...made].sort().join(' '));
  process.exit();
})();
NODE
node run.js "$port" >seen
cat seen
diff seen - <<'EXPECTED'
a MOVE with Overwrite: F was answered with 201, and its file is gone: true
answers to MKCOL: 201 403 405
EXPECTED
