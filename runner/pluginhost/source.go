package pluginhost

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// source is a configured source. It knows what is owed to its device: an
// unquiesce, then that the target is seen back in service and healthy, and the
// removal of files. For these a process is started although the plugin went away often.
type source struct {
	*holder[sdk.Source]

	mu   sync.Mutex
	back map[sdk.Target]wayBack
}

type owedKey struct{}

// owed marks the context of a call that pays something owed.
func owed(ctx context.Context) context.Context { return context.WithValue(ctx, owedKey{}, true) }

func isOwed(ctx context.Context) bool { return ctx.Value(owedKey{}) != nil }

// wayBack is where the way back of a target stands.
type wayBack int

const (
	wayNone     wayBack = iota // nothing was asked for since the last quiesce
	wayBegun                   // an unquiesce was asked for
	wayReturned                // and the target was seen in service since
)

// goes notes where the way back of a target stands.
func (s *source) goes(t sdk.Target, w wayBack) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.back == nil {
		s.back = map[sdk.Target]wayBack{}
	}
	s.back[t] = w
}

func (s *source) stands(t sdk.Target) wayBack {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.back[t]
}

func (s *source) Inspect(ctx context.Context, r sdk.InspectRequest) (*sdk.Inspection, error) {
	return call(ctx, s.holder, always, func(v sdk.Source) (*sdk.Inspection, error) { return v.Inspect(ctx, r) })
}

func (s *source) Check(ctx context.Context, r sdk.CheckRequest) (*sdk.CheckReport, error) {
	return call(ctx, s.holder, always, func(v sdk.Source) (*sdk.CheckReport, error) { return v.Check(ctx, r) })
}

func (s *source) Quiesce(ctx context.Context, t sdk.Target, deviceTimeout time.Duration) error {
	s.goes(t, wayNone)
	return do(ctx, s.holder, never, func(v sdk.Source) error { return v.Quiesce(ctx, t, deviceTimeout) })
}

func (s *source) Unquiesce(ctx context.Context, t sdk.Target) error {
	s.goes(t, wayBegun)
	ctx = owed(ctx)
	return do(ctx, s.holder, never, func(v sdk.Source) error { return v.Unquiesce(ctx, t) })
}

func (s *source) QuiesceState(ctx context.Context, t sdk.Target) (*sdk.QuiesceReport, error) {
	back := s.stands(t) == wayBegun
	if back {
		ctx = owed(ctx)
	}
	// Who owes asks again by itself, for as long as it takes, and is never told to stop.
	r, err := call(ctx, s.holder, func() bool { return !back }, func(v sdk.Source) (*sdk.QuiesceReport, error) { return v.QuiesceState(ctx, t) })
	if back && err == nil && r.State == sdk.StateNormal {
		s.goes(t, wayReturned)
	}
	return r, err
}

// Capture may be repeated while the device is still needed for it: not when it
// was told that the device is done and may come back, and not when it leaves
// something on the device that is there once.
func (s *source) Capture(ctx context.Context, r sdk.CaptureRequest, emit func(sdk.CaptureProgress)) (*sdk.Capture, error) {
	var told atomic.Bool
	told.Store(r.Variant == sdk.VariantSecureBackup)
	begun := false
	return call(ctx, s.holder, func() bool { return !told.Load() }, func(v sdk.Source) (*sdk.Capture, error) {
		if begun {
			if err := empty(r.Dir); err != nil {
				return nil, failure.New(failure.Unavailable, failure.StagingIO, "make room for another try of the capture: %w", err)
			}
		}
		begun = true
		return v.Capture(ctx, r, func(p sdk.CaptureProgress) {
			if p.DeviceDone || p.Token != "" {
				told.Store(true)
			}
			emit(p)
		})
	})
}

// empty removes what a call that was broken off has left in its directory.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

func (s *source) Discard(ctx context.Context, token string) error {
	ctx = owed(ctx)
	return do(ctx, s.holder, never, func(v sdk.Source) error { return v.Discard(ctx, token) })
}

// Health is owed after an unquiesce: the target counts as back only when its
// objects were seen up.
func (s *source) Health(ctx context.Context, r sdk.HealthRequest) (*sdk.HealthReport, error) {
	if s.stands(r.Target) != wayNone {
		ctx = owed(ctx)
	}
	return able(ctx, s.holder, always, func(v sdk.Healther) (*sdk.HealthReport, error) { return v.Health(ctx, r) })
}

// Preflight finds out what would keep activities from running.
func (s *source) Preflight(ctx context.Context, r sdk.PreflightRequest) (*sdk.PreflightReport, error) {
	return able(ctx, s.holder, always, func(v sdk.Preflighter) (*sdk.PreflightReport, error) { return v.Preflight(ctx, r) })
}

// Rehearse finds out what a restore would do.
func (s *source) Rehearse(ctx context.Context, r sdk.RehearseRequest) (*sdk.RehearseReport, error) {
	return able(ctx, s.holder, always, func(v sdk.Rehearser) (*sdk.RehearseReport, error) { return v.Rehearse(ctx, r) })
}

// Import is sent once: who does not know what came of it looks with Resembles.
func (s *source) Import(ctx context.Context, r sdk.ImportRequest) (*sdk.ImportReport, error) {
	return able(ctx, s.holder, never, func(v sdk.Restorer) (*sdk.ImportReport, error) { return v.Import(ctx, r) })
}

// Resembles finds out what became of a target. A target may be waiting for it.
func (s *source) Resembles(ctx context.Context, r sdk.ResembleRequest) (*sdk.ResembleReport, error) {
	ctx = owed(ctx)
	return able(ctx, s.holder, always, func(v sdk.Restorer) (*sdk.ResembleReport, error) { return v.Resembles(ctx, r) })
}

// Save makes what runs what is saved.
func (s *source) Save(ctx context.Context, t sdk.Target) error {
	return s.restorer(ctx, func(v sdk.Restorer) error { return v.Save(ctx, t) })
}

// Create makes a domain.
func (s *source) Create(ctx context.Context, t sdk.Target) error {
	return s.restorer(ctx, func(v sdk.Restorer) error { return v.Create(ctx, t) })
}

// Drop removes a domain that Create made: it is owed.
func (s *source) Drop(ctx context.Context, t sdk.Target) error {
	ctx = owed(ctx)
	return s.restorer(ctx, func(v sdk.Restorer) error { return v.Drop(ctx, t) })
}

func (s *source) restorer(ctx context.Context, f func(sdk.Restorer) error) error {
	_, err := able(ctx, s.holder, never, func(v sdk.Restorer) (struct{}, error) { return struct{}{}, f(v) })
	return err
}

// One that is left out here is an ability that no plugin seems to have.
var _ interface {
	sdk.Healther
	sdk.Preflighter
	sdk.Restorer
} = (*source)(nil)
