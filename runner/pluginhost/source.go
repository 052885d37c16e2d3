package pluginhost

import (
	"context"
	"sync"
	"time"

	"github.com/dprun/dprun/sdk"
)

// source is a configured source. It knows what is owed to its device: an
// unquiesce, then that the target is seen back in service, and the removal of
// files. For these a process is started although the plugin went away often.
type source struct {
	*holder[sdk.Source]

	mu   sync.Mutex
	back map[sdk.Target]bool // on their way back: an unquiesce was asked for
}

type owedKey struct{}

// owed marks the context of a call that pays something owed.
func owed(ctx context.Context) context.Context { return context.WithValue(ctx, owedKey{}, true) }

func isOwed(ctx context.Context) bool { return ctx.Value(owedKey{}) != nil }

// comesBack notes whether a target is on its way back.
func (s *source) comesBack(t sdk.Target, back bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !back {
		delete(s.back, t)
		return
	}
	if s.back == nil {
		s.back = map[sdk.Target]bool{}
	}
	s.back[t] = true
}

func (s *source) isComingBack(t sdk.Target) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.back[t]
}

func (s *source) Inspect(ctx context.Context) (*sdk.Inspection, error) {
	return call(ctx, s.holder, func(v sdk.Source) (*sdk.Inspection, error) { return v.Inspect(ctx) })
}

func (s *source) Check(ctx context.Context, r sdk.CheckRequest) (*sdk.CheckReport, error) {
	return call(ctx, s.holder, func(v sdk.Source) (*sdk.CheckReport, error) { return v.Check(ctx, r) })
}

func (s *source) Quiesce(ctx context.Context, t sdk.Target, deviceTimeout time.Duration) error {
	s.comesBack(t, false)
	return do(ctx, s.holder, func(v sdk.Source) error { return v.Quiesce(ctx, t, deviceTimeout) })
}

func (s *source) Unquiesce(ctx context.Context, t sdk.Target) error {
	s.comesBack(t, true)
	ctx = owed(ctx)
	return do(ctx, s.holder, func(v sdk.Source) error { return v.Unquiesce(ctx, t) })
}

func (s *source) QuiesceState(ctx context.Context, t sdk.Target) (*sdk.QuiesceReport, error) {
	back := s.isComingBack(t)
	if back {
		ctx = owed(ctx)
	}
	r, err := call(ctx, s.holder, func(v sdk.Source) (*sdk.QuiesceReport, error) { return v.QuiesceState(ctx, t) })
	if back && err == nil && r.State == sdk.StateNormal {
		s.comesBack(t, false)
	}
	return r, err
}

func (s *source) Capture(ctx context.Context, r sdk.CaptureRequest, emit func(sdk.CaptureProgress)) (*sdk.Capture, error) {
	return call(ctx, s.holder, func(v sdk.Source) (*sdk.Capture, error) { return v.Capture(ctx, r, emit) })
}

func (s *source) Discard(ctx context.Context, token string) error {
	ctx = owed(ctx)
	return do(ctx, s.holder, func(v sdk.Source) error { return v.Discard(ctx, token) })
}
