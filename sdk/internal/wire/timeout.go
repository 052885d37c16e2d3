package wire

import (
	"context"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/metadata"
)

// MetaTimeout is the metadata key of the time after which the host gives a call
// up, in milliseconds.
const MetaTimeout = "dprun-timeout"

// slack is added to the limit that a plugin is told, so that the host is the
// one that reports the timeout.
const slack = 2 * time.Second

type limitKey struct{}

// WithLimit notes when the calls of a context are given up. It does not end
// them: the host's own clock does.
func WithLimit(ctx context.Context, limit time.Duration) context.Context {
	return context.WithValue(ctx, limitKey{}, time.Now().Add(limit))
}

// Outgoing returns call with the limit of ctx, if it has one, as metadata for
// the plugin.
func Outgoing(ctx, call context.Context) context.Context {
	at, known := ctx.Deadline()
	if limit, ok := ctx.Value(limitKey{}).(time.Time); ok && (!known || limit.Before(at)) {
		at, known = limit, true
	}
	if !known {
		return call
	}
	left := max(time.Until(at), 0) + slack
	return metadata.AppendToOutgoingContext(call, MetaTimeout, strconv.FormatInt(left.Milliseconds(), 10))
}

// Incoming bounds a call by the limit that the host has sent.
func Incoming(ctx context.Context) (context.Context, context.CancelFunc) {
	md, _ := metadata.FromIncomingContext(ctx)
	left, err := strconv.ParseInt(strings.Join(md.Get(MetaTimeout), ""), 10, 64)
	if err != nil || left < 0 || left > maxTimeout {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Duration(left)*time.Millisecond)
}

// maxTimeout is more milliseconds than any call takes, and fewer than a Duration holds.
const maxTimeout = int64(1<<62) / int64(time.Millisecond)
