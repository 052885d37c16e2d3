package wire

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/dprun/dprun/sdk/failure"
	pluginv1 "github.com/dprun/dprun/sdk/proto/dprun/plugin/v1"
)

// maxText bounds a message on the wire, in bytes: it travels in a header.
const maxText = 16 << 10

// Status returns err as a gRPC status that carries a typed failure.
func Status(err error) error {
	if err == nil {
		return nil
	}
	f := failure.From(err)
	st, err := status.New(code(f.Kind), text(f.Message)).WithDetails(FailureToWire(f))
	if err != nil { // only for codes.OK or a message that cannot be marshalled
		return status.Error(codes.Internal, err.Error())
	}
	return st.Err()
}

// FailureToWire returns a failure as a message of the protocol.
func FailureToWire(f *failure.Error) *pluginv1.Failure {
	return &pluginv1.Failure{Kind: Enum[pluginv1.FailureKind](f.Kind), Reason: Enum[pluginv1.Reason](f.Reason), Message: text(f.Message), Remedy: text(f.Remedy)}
}

// FailureFromWire reads a failure of one call. It drops a reason that the call
// may not give.
func FailureFromWire(call failure.Call, p *pluginv1.Failure) *failure.Error {
	kind, reason := Word[failure.Kind](p.GetKind()), Word[failure.Reason](p.GetReason())
	kind = cmp.Or(kind, failure.Internal) // from a newer SDK: its text still counts
	if call != "" && !slices.Contains(failure.Reasons(call), reason) {
		reason = ""
	}
	return &failure.Error{Kind: kind, Reason: reason, Message: p.GetMessage(), Remedy: p.GetRemedy()}
}

func text(s string) string {
	if len(s) > maxText {
		s = s[:maxText] + "…"
	}
	return strings.ToValidUTF8(s, "�")
}

func code(k failure.Kind) codes.Code {
	switch k {
	case failure.Unavailable:
		return codes.Unavailable
	case failure.Timeout:
		return codes.DeadlineExceeded
	case failure.Denied:
		return codes.PermissionDenied
	case failure.NotFound:
		return codes.NotFound
	case failure.Exists:
		return codes.AlreadyExists
	case failure.NoSpace:
		return codes.ResourceExhausted
	case failure.Corrupt:
		return codes.DataLoss
	case failure.Precondition:
		return codes.FailedPrecondition
	case failure.Cancelled:
		return codes.Canceled
	}
	return codes.Internal
}

// Failure reads the failure of one call from its error. It drops a reason that
// the call may not give.
func Failure(call failure.Call, err error) *failure.Error {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*failure.Error](err); ok {
		return f
	}
	if errors.Is(err, io.EOF) {
		return failure.New(failure.Internal, failure.Protocol, "%s: the plugin ended the call without a result", call)
	}
	st, ok := status.FromError(err)
	if !ok {
		return failure.From(err)
	}
	for _, d := range st.Details() {
		if p, ok := d.(*pluginv1.Failure); ok {
			return FailureFromWire(call, p)
		}
	}
	switch st.Code() {
	case codes.DeadlineExceeded:
		return failure.New(failure.Timeout, "", "%s: no answer within the time limit: %w", call, context.DeadlineExceeded)
	case codes.Canceled:
		return failure.New(failure.Cancelled, "", "%s: %w", call, context.Canceled)
	case codes.Unavailable:
		return failure.New(failure.Unavailable, failure.Crashed, "%s: the plugin went away: %s", call, st.Message())
	case codes.ResourceExhausted:
		return failure.New(failure.Internal, failure.Protocol, "%s: a message is larger than the protocol allows (%d MiB from a plugin, %d MiB to it): %s", call, MaxReply>>20, MaxRequest>>20, st.Message())
	case codes.Unimplemented:
		return failure.New(failure.Internal, failure.Protocol, "%s: the plugin does not offer this call: %s", call, st.Message())
	}
	return failure.New(failure.Internal, failure.Protocol, "%s: %s", call, st.Message())
}
