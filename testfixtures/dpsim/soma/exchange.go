package soma

import (
	"bufio"
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim/appliance"
)

// exchange is one connection, request by request.
type exchange struct {
	ctx  context.Context // ends with the server
	app  *appliance.Appliance
	wire *corked
	conn *tls.Conn
	r    *bufio.Reader
	pace pace
	end  func() // of the present request
}

// maxRequest bounds a request's body: set-file carries whole files.
const maxRequest = 512 << 20

// next serves one request; false ends the connection.
func (x *exchange) next() bool {
	r, err := http.ReadRequest(x.r)
	if err != nil {
		return false
	}
	x.end = sync.OnceFunc(x.app.Begin())
	defer x.end()
	if wantsMore(r) {
		io.WriteString(x.conn, "HTTP/1.1 100 Continue\r\n\r\n")
		x.wire.flush()
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if err != nil {
		return false
	}
	x.pace = pace{}
	answer, whole := x.answer(r, body)
	if answer == nil {
		return false
	}
	if !x.send(answer, whole) || r.Close {
		return false
	}
	return true
}

// whole says how much of an answer goes out, and what happens then.
type ending int

const (
	complete ending = iota
	closeMidBody
	hangAfterHeaders
	hangMidBody
)

// answer makes the reply to a request; nil closes the connection.
func (x *exchange) answer(r *http.Request, body []byte) (*reply, ending) {
	switch {
	case r.URL.Path != "/" && !strings.HasPrefix(r.URL.Path, "/service/mgmt/"):
		return plain(404, "Not Found", ""), complete
	case r.Method != http.MethodPost:
		return plain(405, "Method Not Allowed", ""), complete
	}
	if !x.admits(r) {
		x.app.CountFailedLogin()
		return loginRefused(), complete
	}
	requests, err := parseRequests(body)
	if err != nil {
		x.app.Count("unparsable", nil, "")
		return soapFault("Internal Error (from client)"), complete
	}
	answer, how := x.one(requests[0])
	last := answer
	for _, req := range requests[1:] {
		if answer == nil || how != complete {
			break
		}
		if last.next, how = x.one(req); last.next == nil {
			return nil, how
		}
		last = last.next
	}
	return answer, how
}

// one answers one of the requests of a body, with an envelope of its own.
func (x *exchange) one(req *request) (*reply, ending) {
	domains := req.domains()
	faults := x.app.ReplyFaults(req.name, domains)
	var kinds []string
	for _, f := range faults {
		kinds = append(kinds, f.Kind)
	}
	x.app.Count(req.name, domains, strings.Join(kinds, ","))
	return x.withFaults(req, faults)
}

func (x *exchange) admits(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	wantUser, wantPassword := x.app.Credentials()
	return x.app.May("default", "login/xml-mgmt", "x") && ok && subtle.ConstantTimeCompare([]byte(user), []byte(wantUser))&subtle.ConstantTimeCompare([]byte(password), []byte(wantPassword)) == 1
}

// perform asks the gateway and words its answer.
func (x *exchange) perform(req *request) *reply {
	answer, err := x.dispatch(req)
	var no *appliance.Refusal
	switch {
	case err == nil:
		return answer
	case errors.As(err, &no) && no.Log:
		return good(x.app.Now(), errorLog(x.app.Profile(), no.Text))
	case errors.As(err, &no):
		return good(x.app.Now(), result(no.Text))
	case x.app.Session().Err() != nil:
		return nil
	}
	return good(x.app.Now(), errorLog(x.app.Profile(), "dpsim: "+err.Error()))
}

// send writes an answer; false ends the connection.
func (x *exchange) send(a *reply, how ending) bool {
	if a.noise {
		fmt.Fprintf(x.conn, "HTTP/1.1 %d %s\r\nContent-Type: text/xml\r\nConnection: close\r\n\r\n", a.status, a.phrase)
		x.copy(a.body())
		return false
	}
	fmt.Fprintf(x.conn, "HTTP/1.1 %d %s\r\nContent-Type: text/xml\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n", a.status, a.phrase, a.size())
	size := a.size()
	switch how {
	case hangAfterHeaders:
		x.hang()
		return false
	case closeMidBody, hangMidBody:
		part := size / 2
		if x.pace.after > 0 {
			part = min(x.pace.after, size-1)
		}
		x.copy(io.LimitReader(a.body(), part))
		x.wire.flush()
		if how == hangMidBody {
			x.hang()
		}
		return false
	}
	// The books are closed before the last byte goes out: a client that has
	// the whole answer must find it counted.
	body, last := a.body(), min(size, 1)
	if !x.copy(io.LimitReader(body, size-last)) {
		return false
	}
	if size > corkSize && x.wire.flush() != nil {
		return false
	}
	for r := a; r != nil; r = r.next {
		if r.served != nil {
			x.app.CountServed(*r.served)
		}
	}
	x.end()
	_, err := io.Copy(onlyWriter{x.conn}, body)
	return err == nil && x.wire.flush() == nil
}

// pace slows a body down, in wall time.
type pace struct {
	rate  int64         // bytes a second
	pause time.Duration // once, in the middle
	after int64         // where a body is cut or pauses
}

func (x *exchange) copy(body io.Reader) bool {
	if x.pace.pause > 0 {
		before := max(x.pace.after, 100)
		if _, err := io.CopyN(x.conn, body, before); err != nil {
			return err == io.EOF
		}
		x.wire.flush()
		x.sleep(x.pace.pause)
	}
	if x.pace.rate == 0 {
		_, err := io.CopyBuffer(onlyWriter{x.conn}, body, make([]byte, corkSize))
		return err == nil
	}
	chunk := max(x.pace.rate/20, 1)
	for {
		n, err := io.CopyN(x.conn, body, chunk)
		x.wire.flush()
		if err != nil || n < chunk {
			return err == io.EOF
		}
		x.sleep(50 * time.Millisecond)
		if x.app.Session().Err() != nil {
			return false
		}
	}
}

// onlyWriter hides every other method, so that the buffer's size is used.
type onlyWriter struct{ io.Writer }

// sleep waits in wall time, unless the gateway goes down.
func (x *exchange) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-x.app.Session().Done():
	}
}

// hang keeps the connection open and silent until the client gives up.
func (x *exchange) hang() {
	x.wire.flush()
	x.r.Peek(x.r.Buffered() + 1)
}
