package client

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/internal/wire"
	pluginv1 "github.com/dprun/dprun/sdk/proto/dprun/plugin/v1"
)

// CancelGrace is how long a call may take to clean up after it was asked to
// end.
const CancelGrace = 15 * time.Second

// A HangError is the failure of a call that was cut off, because the plugin did not
// end it within [CancelGrace] of being asked to. The plugin may still be working on
// it.
type HangError struct {
	Failure *failure.Error // the failure that the caller gets
}

// Error returns the text of the failure.
func (e *HangError) Error() string { return e.Failure.Error() }

// Unwrap returns the failure.
func (e *HangError) Unwrap() error { return e.Failure }

// errCutOff is the cause of a call's context when the plugin did not end the
// call.
var errCutOff = errors.New("the plugin did not end the call")

// cancellable returns a context for one streaming call. It does not end with
// ctx: when ctx ends, the plugin is asked to end the call, and the stream then
// brings its own result. So a call that has returned has left nothing running
// in the plugin. A plugin that does not react is cut off after [CancelGrace].
func (p *Plugin) cancellable(ctx context.Context) (context.Context, func()) {
	id := rand.Text()
	call, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		asked, done := context.WithTimeout(call, p.grace)
		defer done()
		again := time.NewTicker(200 * time.Millisecond) // a call may be cancelled before it has arrived
		defer again.Stop()
		for {
			if _, err := p.plugin.Cancel(asked, &pluginv1.CancelRequest{Call: id}); grpcstatus.Code(err) == codes.Unimplemented {
				cut(nil) // the plugin cannot be asked to end the call
				return
			}
			select {
			case <-asked.Done(): // the call has ended, or the grace is over
				cut(errCutOff) // has no effect on a call that has ended
				return
			case <-again.C:
			}
		}
	})
	return metadata.AppendToOutgoingContext(wire.Outgoing(ctx, call), wire.MetaCall, id), func() {
		stop()
		cut(nil)
	}
}
