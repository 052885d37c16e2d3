#!/usr/bin/env bash
# go-mail: a server that refuses one of three recipients gets no mail for the
# other two.
#
# Guess: the mail goes to the two that the server took, and the error names the
#   third, as Python's smtplib does it: a reply to RCPT is
#   about one recipient (RFC 5321, 3.3), and a team's list has somebody who left.
# Seen:  all three are offered, two of them are accepted, and then the library
#   gives up the message. Nobody gets it. The error names the one
#   that was refused, and reads as if the others had theirs.
# Version: github.com/wneessen/go-mail v0.7.2, beside smtplib of Debian's python3
#   3.11.2-1+b1, with the server of Debian's python3-aiosmtpd 1.4.3-1.1+deb12u1.
# Day:   2026-11-28
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download python3-aiosmtpd=1.4.3-1.1+deb12u1 python3-public=2.3-4 python3-attr=22.2.0-1 \
  python3-typing-extensions=4.4.0-1 python3-pkg-resources=66.1.1-1+deb12u2
for package in *.deb; do dpkg-deb -x "$package" package; done

cat >server.py <<'PYTHON'
import asyncio
from aiosmtpd.smtp import SMTP

class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address == "left@example.com":
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        print("  delivered to", *envelope.rcpt_tos, flush=True)
        return "250 OK"

async def main():
    listener = await asyncio.get_running_loop().create_server(lambda: SMTP(Handler(), hostname="localhost"), "127.0.0.1", 0)
    with open("port", "w") as file:
        file.write(str(listener.sockets[0].getsockname()[1]))
    await asyncio.sleep(600)

asyncio.run(main())
PYTHON
PYTHONPATH="$dir"/package/usr/lib/python3/dist-packages /usr/bin/python3 server.py >>seen 2>log &
server=$!
for _ in $(seq 600); do [ -s port ] && break; sleep 0.1; done
[ -s port ] || { cat log; exit 1; }

echo 'smtplib:' >>seen
/usr/bin/python3 - "$(cat port)" >>seen <<'PYTHON'
import smtplib, sys
with smtplib.SMTP("127.0.0.1", int(sys.argv[1])) as client:
    refused = client.sendmail("dprun@example.com", ["night@example.com", "left@example.com", "day@example.com"], "Subject: backup\r\n\r\nIt failed.\r\n")
print("  refused:", *refused)
PYTHON

cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/wneessen/go-mail"
)

func main() {
	port, _ := strconv.Atoi(os.Args[1])
	m := mail.NewMsg()
	if err := m.From("dprun@example.com"); err != nil {
		panic(err)
	}
	if err := m.To("night@example.com", "left@example.com", "day@example.com"); err != nil {
		panic(err)
	}
	m.Subject("backup")
	m.SetBodyString(mail.TypeTextPlain, "It failed.")
	client, err := mail.NewClient("127.0.0.1", mail.WithPort(port), mail.WithTLSPolicy(mail.NoTLS))
	if err != nil {
		panic(err)
	}
	fmt.Println("  error:", client.DialAndSend(m))
}
GO
go mod init example.com/finding 2>log && go get github.com/wneessen/go-mail@v0.7.2 2>>log || { cat log; exit 1; }
echo 'go-mail:' >>seen
go run . "$(cat port)" >>seen || { cat seen; exit 1; }
cat seen
diff seen - <<'EXPECTED'
smtplib:
  delivered to night@example.com day@example.com
  refused: left@example.com
go-mail:
  error: send failed: sending SMTP RCPT TO command: 550 "no such user", affected recipient(s): <left@example.com>
EXPECTED
