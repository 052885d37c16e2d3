package datapower

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"

	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk/failure"
)

// failed turns an error of the client into a typed failure. what says what was attempted.
func (s *source) failed(err error, what string, args ...any) *failure.Error {
	what = fmt.Sprintf(what, args...)
	var e *soma.Error
	if !errors.As(err, &e) {
		return failure.From(fmt.Errorf("%s: %s: %w", s.name, what, err))
	}
	kind, reason, remedy := classify(e)
	if e.Class == soma.TLSFailure {
		remedy = s.tls.remedy(e)
	}
	f := failure.New(kind, reason, "%s: %s: %w", s.name, what, err)
	if remedy != "" {
		f.Remedy = remedy
	}
	return f
}

// classify maps the client's errors to kind and reason. Nothing depends on the words of a gateway.
func classify(e *soma.Error) (failure.Kind, failure.Reason, string) {
	switch e.Class {
	case soma.Denied:
		return failure.Denied, failure.BadCredentials, "check username and password, and that the user may use the XML management interface"
	case soma.Refused:
		return failure.Denied, failure.NotPermitted, permission(e)
	case soma.Result, soma.Fault, soma.ErrorFile:
		return failure.Precondition, failure.DeviceError, "look at the gateway's log of that time"
	case soma.HTTPStatus:
		if e.Status >= http.StatusInternalServerError {
			return failure.Unavailable, failure.BadReply, ""
		}
		return failure.Corrupt, failure.BadReply, "check host, port and path: this may not be the XML management interface"
	case soma.BadReply:
		return failure.Corrupt, failure.BadReply, "check host, port and path: this may not be the XML management interface"
	case soma.TooLarge:
		return failure.Corrupt, failure.BadReply, ""
	case soma.EmptyFile:
		return failure.Corrupt, failure.EmptyFile, "see how much room is free in the gateway's temporary: store"
	case soma.NotBase64, soma.CutFile:
		return failure.Corrupt, failure.NotBase64, ""
	case soma.Truncated, soma.Unreachable, soma.Lost:
		return failure.Unavailable, "", ""
	case soma.Stalled:
		return failure.Timeout, failure.Stalled, ""
	case soma.Deadline:
		return failure.Timeout, "", ""
	case soma.Cancelled:
		return failure.Cancelled, "", ""
	case soma.TLSFailure:
		return failure.Denied, failure.BadCertificate, ""
	case soma.Sink:
		return stagingKind(e), failure.StagingIO, ""
	}
	return failure.Internal, "", ""
}

// permission says which right the user needs.
func permission(e *soma.Error) string {
	kind, class, _ := strings.Cut(e.Op, " ")
	switch kind {
	case "get-status":
		return fmt.Sprintf("give the user read access to status %s in domain %s", class, e.Domain)
	case "get-config":
		return fmt.Sprintf("give the user read access to objects of class %s in domain %s", class, e.Domain)
	}
	return fmt.Sprintf("give the user the permission for %s, and check that the domain exists", e.Op)
}

// stagingKind tells a full disk from other errors of writing.
func stagingKind(err error) failure.Kind {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return failure.NoSpace
	}
	return failure.Unavailable
}

// staging is a failure to write what was captured.
func (s *source) staging(err error, what string) *failure.Error {
	return failure.New(stagingKind(err), failure.StagingIO, "%s: %s: %w", s.name, what, err)
}

// answered reports whether the gateway itself answered, but not with what it was asked for: with a refusal, an
// error of its own, or an answer that cannot be understood. Any other error is the loss of an answer, and the
// same request may succeed later.
func answered(err error) bool {
	switch soma.ClassOf(err) {
	case soma.Result, soma.Fault, soma.HTTPStatus, soma.Refused, soma.BadReply, soma.TooLarge:
		return true
	}
	return false
}
