#!/usr/bin/env bash
# grpc-js of npm: a call that fails with much to say never ends.
#
# Guess: a status whose details (grpc-status-details-bin) are large arrives, or
#   the client gets another failure at once (RESOURCE_EXHAUSTED, INTERNAL), or
#   the server's code gets an error. Clients of Go take 16 MiB of headers.
# Seen:  where the headers have more than 64 KiB nothing is sent, and nobody is
#   told: the handler's callback returns, and the client waits until its deadline;
#   without one, for ever. Node's HTTP/2 sends no larger block of headers
#   (maxSendHeaderBlockLength), and the stream just stays open.
# Version: @grpc/grpc-js 1.14.7 of npm, seen on Node.js 20.20.2
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --ignore-scripts --no-audit --no-fund --no-save --loglevel error @grpc/grpc-js@1.14.7 >log

cat >run.js <<'NODE'
'use strict';

const grpc = require('@grpc/grpc-js');

const same = (b) => b;
const service = { Fail: {
  path: '/x.X/Fail', requestStream: false, responseStream: false,
  requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same,
} };
for (const event of ['uncaughtException', 'unhandledRejection']) process.on(event, (err) => console.log(event, err));
const server = new grpc.Server();
server.addService(service, { Fail: (call, answer) => {
  const metadata = new grpc.Metadata();
  metadata.set('grpc-status-details-bin', Buffer.alloc(Number(call.request)));
  answer({ code: grpc.status.NOT_FOUND, details: 'no', metadata });
} });
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), async (err, port) => {
  if (err) throw err;
  const Client = grpc.makeGenericClientConstructor(service, 'X');
  for (const size of [10, 40000, 100000]) {
    const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
    await new Promise((resolve) => {
      client.Fail(Buffer.from(String(size)), { deadline: Date.now() + 3000 }, (failed) => {
        console.log(`${size} bytes of details:`, grpc.status[failed.code]);
        resolve();
      });
    });
    client.close();
  }
  process.exit();
});
NODE
node run.js >seen || { cat seen; exit 1; }
cat seen
diff seen - <<'EXPECTED'
10 bytes of details: NOT_FOUND
40000 bytes of details: NOT_FOUND
100000 bytes of details: DEADLINE_EXCEEDED
EXPECTED
