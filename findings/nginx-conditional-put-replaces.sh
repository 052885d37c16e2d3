#!/usr/bin/env bash
# nginx: a PUT that must not replace a file replaces it.
#
# Guess: a server that takes PUT answers 412 to "If-None-Match: *" when the file
#   is there, and to "If-Match" with another tag. That is what the conditions are
#   for (RFC 9110, 13.1), nginx evaluates them for GET, and lighttpd for PUT.
# Seen:  nginx does not look at them: 204, and the file is replaced. So it is with
#   "If-Unmodified-Since". Its MOVE does keep "Overwrite: F": a file can be
#   published without replacing another one, with PUT to a name of its own before.
# Version: Debian's nginx 1.22.1-9+deb12u11, beside lighttpd and
#   lighttpd-mod-webdav 1.4.69-1.
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
servers=()
trap 'kill "${servers[@]}" 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download nginx=1.22.1-9+deb12u11 lighttpd=1.4.69-1 lighttpd-mod-webdav=1.4.69-1
for package in *.deb; do dpkg-deb -x "$package" package; done
mkdir root

cat >nginx.conf <<CONF
daemon off;
master_process off;
error_log $dir/nginx.log;
pid $dir/nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path $dir/temporary;
  proxy_temp_path $dir/temporary;
  fastcgi_temp_path $dir/temporary;
  uwsgi_temp_path $dir/temporary;
  scgi_temp_path $dir/temporary;
  server {
    listen unix:$dir/nginx.socket;
    root $dir/root;
    dav_methods PUT DELETE MOVE;
  }
}
CONF
cat >lighttpd.conf <<CONF
server.document-root = "$dir/root"
server.bind = "$dir/lighttpd.socket"
server.errorlog = "$dir/lighttpd.log"
server.modules = ("mod_webdav")
webdav.activate = "enable"
webdav.is-readonly = "disable"
CONF
package/usr/sbin/nginx -c "$dir/nginx.conf" 2>log &
servers+=($!)
package/usr/sbin/lighttpd -D -f lighttpd.conf -m package/usr/lib/lighttpd 2>>log &
servers+=($!)
for server in nginx lighttpd; do
  for _ in $(seq 600); do [ -S "$server.socket" ] && break; sleep 0.1; done
  [ -S "$server.socket" ] || { cat log; exit 1; }
done

send() { curl -s -o answer -w '%{http_code}' --unix-socket "$server.socket" "$@"; }
for server in nginx lighttpd; do
  for condition in 'If-None-Match: *' 'If-Match: "another"' 'If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT'; do
    printf old >root/backup
    echo "$server, PUT with $condition $(send -X PUT -H "$condition" --data-binary new http://localhost/backup), the file is $(cat root/backup)"
  done
  printf old >root/backup
  printf new >root/part
  echo "$server, MOVE with Overwrite: F $(send -X MOVE -H 'Overwrite: F' -H 'Destination: http://localhost/backup' http://localhost/part), the file is $(cat root/backup)"
done >seen
cat seen
diff seen - <<'EXPECTED'
nginx, PUT with If-None-Match: * 204, the file is new
nginx, PUT with If-Match: "another" 204, the file is new
nginx, PUT with If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT 204, the file is new
nginx, MOVE with Overwrite: F 412, the file is old
lighttpd, PUT with If-None-Match: * 412, the file is old
lighttpd, PUT with If-Match: "another" 412, the file is old
lighttpd, PUT with If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT 412, the file is old
lighttpd, MOVE with Overwrite: F 412, the file is old
EXPECTED
