#!/usr/bin/env bash
# lighttpd: what a server says as it happens arrives when it has said all.
#
# Guess: mod_proxy hands on what the server behind it sends, as it comes, at least
#   when the answer is text/event-stream and chunked. Other proxies of Debian do.
# Seen:  the first event, and the status line before it, arrive when the server
#   ends the answer, six seconds later; of a stream without an end nothing arrives.
#   lighttpd reads an answer to its end first (server.stream-response-body = 0).
#   With 1 each event arrives when it is sent. h2o, with no more configuration,
#   hands on each event.
# Version: Debian's lighttpd 1.4.69-1 and h2o 2.2.5+dfsg2-7.
# Day:   2026-11-29
set -euo pipefail
dir=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download lighttpd=1.4.69-1 h2o=2.2.5+dfsg2-7
for package in *.deb; do dpkg-deb -x "$package" package; done

cat >server.py <<'PY'
import http.server, time

class Events(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for i in range(6):
            event = b"id: %d\nevent: status\ndata: {}\n\n" % i
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            self.wfile.flush()
            time.sleep(1)
        self.wfile.write(b"0\r\n\r\n")

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Events)
print(server.server_port, flush=True)
server.serve_forever()
PY
cat >client.py <<'PY'
import socket, sys, time

begin = time.time()
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 30)
s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
at, first, seen = [], None, b""
while data := s.recv(65536):
    first = first or time.time() - begin
    seen += data
print("first" if first < 3 else "last", "" if seen.count(b"event: status") == 6 else "not all events", "%.1f s" % first)
PY
python3 server.py >port &
pids+=($!)
for _ in $(seq 300); do [ -s port ] && break; sleep 0.1; done
behind=$(cat port)
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

fails=0
# sees starts a proxy and says when the first byte of the answer arrived.
sees() {
  local what=$1 want=$2 port=$3 got
  shift 3
  "$@" >log 2>&1 &
  pids+=($!)
  for _ in $(seq 300); do (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
  got=$(python3 client.py "$port")
  echo "$what: the first byte came with the ${got%% *} event (${got##*  })"
  [ "${got%% *}" = "$want" ] || { echo "  not as on that day"; cat log; fails=1; }
}
lighttpd() {
  cat <<CONF >lighttpd.conf
server.bind = "127.0.0.1"
server.port = $1
server.document-root = "$dir"
server.modules = ("mod_proxy")
proxy.server = ("" => (("host" => "127.0.0.1", "port" => $behind)))
$2
CONF
  exec package/usr/sbin/lighttpd -D -m "$dir/package/usr/lib/lighttpd" -f lighttpd.conf
}
h2o() {
  cat <<CONF >h2o.conf
listen: { host: 127.0.0.1, port: $1 }
user: $(id -un)
hosts: { default: { paths: { /: { proxy.reverse.url: "http://127.0.0.1:$behind/" } } } }
CONF
  exec package/usr/bin/h2o -c h2o.conf
}
one=$(free); sees 'lighttpd' last "$one" lighttpd "$one" ''
two=$(free); sees 'lighttpd, server.stream-response-body = 1' first "$two" lighttpd "$two" 'server.stream-response-body = 1'
three=$(free); sees 'h2o' first "$three" h2o "$three"
exit $fails
