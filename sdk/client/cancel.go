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

// CancelGrace is how long a call that was asked to end may take to clean up.
const CancelGrace = 15 * time.Second

// A HangError is the failure of a call that the plugin did not end within
// [CancelGrace] of being asked to, so it was cut off. The plugin may still be at work.
type HangError struct {
	Failure *failure.Error // what the call came to for its caller
}

// Error gives the text of the failure.
func (e *HangError) Error() string { return e.Failure.Error() }

// Unwrap gives the failure.
func (e *HangError) Unwrap() error { return e.Failure }

// errCutOff is why the context of a call has ended that the plugin did not end.
var errCutOff = errors.New("the plugin did not end the call")

// cancellable returns a context for one streaming call. It does not end with
// ctx: when ctx ends, the plugin is asked to end the call and the stream then
// brings its own result. So a call that has returned has left nothing running
// in the plugin. A plugin that does not listen is cut off after a grace.
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
				cut(nil) // such a plugin cannot be asked
				return
			}
			select {
			case <-asked.Done(): // the call has ended, or the grace
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
