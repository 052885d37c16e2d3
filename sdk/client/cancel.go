package client

import (
	"context"
	"crypto/rand"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/dprun/dprun/sdk/internal/wire"
	pluginv1 "github.com/dprun/dprun/sdk/proto/dprun/plugin/v1"
)

// CancelGrace is how long a call that was asked to end may take to clean up.
const CancelGrace = 15 * time.Second

// cancellable returns a context for one streaming call. It does not end with
// ctx: when ctx ends, the plugin is asked to end the call and the stream then
// brings its own result. So a call that has returned has left nothing running
// in the plugin. A plugin that does not listen is cut off after a grace.
func (p *Plugin) cancellable(ctx context.Context) (context.Context, func()) {
	id := rand.Text()
	call, cut := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		defer cut()
		asked, done := context.WithTimeout(call, CancelGrace)
		defer done()
		again := time.NewTicker(200 * time.Millisecond) // a call may be cancelled before it has arrived
		defer again.Stop()
		for {
			if _, err := p.plugin.Cancel(asked, &pluginv1.CancelRequest{Call: id}); err != nil {
				return
			}
			select {
			case <-asked.Done(): // the call has ended, or the grace
				return
			case <-again.C:
			}
		}
	})
	return metadata.AppendToOutgoingContext(wire.Outgoing(ctx, call), wire.MetaCall, id), func() {
		stop()
		cut()
	}
}
