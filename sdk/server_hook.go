package sdk

import (
	"sync"
	"time"

	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/internal/wire"
	pluginv1 "github.com/dprun/dprun/sdk/proto/dprun/plugin/v1"
)

type hookServer struct {
	pluginv1.UnimplementedHookServer
	s *Server
}

func (h hookServer) Run(r *pluginv1.RunRequest, stream pluginv1.Hook_RunServer) error {
	i, err := instance[Hook](h.s, r.Instance)
	if err != nil {
		return err
	}
	out := newSender(stream.Send)
	defer out.close()
	rep, err := i.Run(stream.Context(), RunRequest{Context: r.Context, Env: r.Env, Dir: r.Dir, Arguments: r.Arguments}, func(o Output) {
		out.event(&pluginv1.RunEvent{Output: &pluginv1.Output{Stream: wire.Enum[pluginv1.Stream](o.Stream), Text: []byte(o.Text)}}, false)
	})
	if err := answered(rep, err, failure.CallRun); err != nil {
		return err
	}
	done := &pluginv1.RunReport{ExitCode: int32(rep.ExitCode), Tail: []byte(rep.Tail), Outputs: make(map[string][]byte, len(rep.Outputs))}
	for k, v := range rep.Outputs {
		done.Outputs[k] = v
	}
	out.event(&pluginv1.RunEvent{Done: done}, false)
	return nil
}

// progressEvery is the shortest time between two reports of progress of a call.
const progressEvery = 100 * time.Millisecond

// sender sends the events of one call, one at a time, and drops them once the
// call is over. A handler may report from several goroutines; a gRPC stream
// must not be used by several.
type sender[E any] struct {
	send func(E) error

	mu   sync.Mutex
	over bool
	sent time.Time
}

// newSender makes a sender for a call that begins now. A call that ends within
// progressEvery reports no progress.
func newSender[E any](send func(E) error) *sender[E] { return &sender[E]{send: send, sent: time.Now()} }

// event sends e. It drops a droppable event that follows the last one too soon.
func (s *sender[E]) event(e E, droppable bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.over || droppable && now.Sub(s.sent) < progressEvery {
		return
	}
	s.sent = now
	if s.send(e) != nil {
		s.over = true // the host is gone; the context says so too
	}
}

// close makes later events be dropped.
func (s *sender[E]) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
}
