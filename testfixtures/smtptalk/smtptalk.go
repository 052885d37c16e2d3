// Package smtptalk holds SMTP servers that answer as a test wants, because a real
// server does not fail on demand.
package smtptalk

import (
	"bufio"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"testing"

	"github.com/dprun/dprun/testfixtures/need"
)

// Start answers SMTP clients: to a command what replies has for its word, one after
// another and then the last again, else that it is fine. With any reply for the
// word "." it cuts the line instead of taking a mail.
func Start(t testing.TB, replies map[string][]string) (port int) {
	t.Helper()
	l := need.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	t.Cleanup(func() { _ = l.Close() })
	turn := map[string]int{}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			func() {
				defer func() { _ = c.Close() }()
				in := textproto.NewReader(bufio.NewReader(c))
				say := func(line string) { _, _ = fmt.Fprintf(c, "%s\r\n", line) }
				say("220 ready")
				for {
					line, err := in.ReadLine()
					if err != nil {
						return
					}
					word, _, _ := strings.Cut(line, " ")
					if list := replies[word]; len(list) > 0 {
						reply := list[min(turn[word], len(list)-1)]
						turn[word]++
						say(reply)
						continue
					}
					switch word {
					case "DATA":
						say("354 go on")
						if _, err := in.ReadDotBytes(); err != nil || replies["."] != nil {
							return // the line is cut
						}
					case "QUIT":
						say("221 bye")
						return
					}
					say("250 fine")
				}
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// Silent takes connections, and says nothing.
func Silent(t testing.TB) (port int) {
	t.Helper()
	l := need.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	t.Cleanup(func() { _ = l.Close() }) // the kernel takes connections, and nobody serves them
	return l.Addr().(*net.TCPAddr).Port
}
