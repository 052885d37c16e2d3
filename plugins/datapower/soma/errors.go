package soma

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"
)

// Class is the kind of a failure.
type Class string

// The classes.
const (
	Denied      Class = "denied"      // user or password refused
	Refused     Class = "refused"     // logged in, but the operation was refused
	Result      Class = "result"      // the device answered with an error text
	Fault       Class = "fault"       // the device rejected the message
	HTTPStatus  Class = "http_status" // the answer does not come from the management interface
	BadReply    Class = "bad_reply"   // not XML, or an answer to something else
	EmptyFile   Class = "empty_file"  // the device built no file
	ErrorFile   Class = "error_file"  // the file's content is the word ERROR
	NotBase64   Class = "not_base64"  // the file's text cannot be decoded
	CutFile     Class = "cut_file"    // the reply is complete, but its file ends within a group of digits
	Truncated   Class = "truncated"   // the reply ended early
	TooLarge    Class = "too_large"   // more than the caller allowed
	Sink        Class = "sink"        // the receiver of the file failed
	TLSFailure  Class = "tls"         // no trusted connection
	Unreachable Class = "unreachable" // no connection
	Lost        Class = "lost"        // the connection broke before an answer; whether the device acted is unknown
	Stalled     Class = "stalled"     // no byte for too long within a reply
	Deadline    Class = "deadline"    // no whole answer within the caller's time
	Cancelled   Class = "cancelled"   // given up by the caller
	BadRequest  Class = "bad_request" // the request cannot be made from its arguments
)

// Error is the error of every call.
type Error struct {
	Op     string // the operation, such as "do-export" or "get-status DomainStatus"
	Domain string // the domain that was asked
	Class  Class
	Text   string // the device's text, or what is wrong; safe to print
	Status int    // HTTP status, if it is the reason
	// Fingerprint is the SHA-256 of the certificate that was not trusted, in lower-case hex. It is the value to pin.
	Fingerprint string
	// TLS is the cause of a failure of class TLSFailure.
	TLS TLSCause
	// Names are the names in the certificate, if it lacks the one that was asked for.
	Names []string

	cause error
}

// Error says what was attempted and why it failed.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Op, e.Text) }

// Unwrap gives the underlying error.
func (e *Error) Unwrap() error { return e.cause }

// ClassOf returns the class of an error of this package, or "".
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return ""
}

var (
	errStalled = errors.New("no data arrived")
	errPin     = errors.New("the certificate is not the pinned one")
)

// silentError says that a device took too long to begin its answer.
type silentError struct{ limit time.Duration }

func (e *silentError) Error() string { return fmt.Sprintf("no answer within %v", e.limit) }

// pinError holds the fingerprint that was shown instead of the pinned one.
type pinError struct{ got string }

func (e *pinError) Error() string { return errPin.Error() + ": its SHA-256 fingerprint is " + e.got }
func (e *pinError) Unwrap() error { return errPin }

// transportError classifies an error in sending a request or waiting for the answer.
func transportError(ctx context.Context, op string, err error, stall time.Duration) *Error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // its text repeats the URL
	}
	e := &Error{Op: op, cause: err}
	if cause := context.Cause(ctx); cause != nil {
		switch {
		case errors.Is(cause, errStalled):
			e.Class, e.Text = Stalled, fmt.Sprintf("no data arrived for %v", stall)
			return e
		case errors.As(cause, new(*silentError)):
			e.Class, e.Text = Deadline, "the device did not begin its answer: "+cause.Error()
			return e
		case errors.Is(cause, context.DeadlineExceeded):
			e.Class, e.Text = Deadline, "the device did not answer in time"
			return e
		default:
			e.Class, e.Text = Cancelled, "cancelled"
			return e
		}
	}
	if e.tlsFailure(err) {
		return e
	}
	var netErr net.Error
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		e.Class, e.Text = Unreachable, "no connection: "+printable(dial.Error())+"; "+connectRemedy(err)
	case errors.As(err, &netErr) && netErr.Timeout():
		e.Class, e.Text = Unreachable, "no connection: "+printable(err.Error())+"; "+connectRemedy(err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Class, e.Text = Lost, "the device closed the connection without an answer"
	default:
		e.Class, e.Text = Lost, "the connection broke: "+printable(err.Error())
	}
	return e
}

// connectRemedy says what to check if no connection can be made.
func connectRemedy(err error) string {
	switch name := new(net.DNSError); {
	case errors.As(err, &name) && name.IsNotFound:
		return "check host, and that this machine can resolve the name"
	case errors.As(err, &name):
		return "check that this machine's name server answers"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "check that port is that of the XML management interface (5550 unless it was changed), and that the interface is on and listens at this address (xml-mgmt, admin-state enabled)"
	}
	return "check host and port, that the gateway is up, and that no firewall is in between"
}

const maxErrorText = 2000

// printable makes a device's text safe to show on one line.
func printable(s string) string {
	if len(s) > maxErrorText {
		cut := maxErrorText
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, strings.TrimSpace(s))
}
