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

// source is a configured source. It knows which calls must be made to undo something on
// its device: unquiescing, seeing the target back in service and healthy, and removing
// files. For these calls it starts a process even if the plugin went away often.
type source struct {
	*holder[sdk.Source]

	mu   sync.Mutex
	back map[sdk.Target]wayBack
}

type owedKey struct{}

// owed marks the context of a call that undoes something.
func owed(ctx context.Context) context.Context { return context.WithValue(ctx, owedKey{}, true) }

func isOwed(ctx context.Context) bool { return ctx.Value(owedKey{}) != nil }

// wayBack is how far a target has come on its way back into service.
type wayBack int

const (
	wayNone     wayBack = iota // no unquiesce since the last quiesce
	wayBegun                   // an unquiesce was requested
	wayReturned                // and the target was seen in service since then
)

// goes records how far a target has come on its way back.
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
	// A caller who brings a target back retries by itself, for as long as it takes, and
	// is never told to stop.
	r, err := call(ctx, s.holder, func() bool { return !back }, func(v sdk.Source) (*sdk.QuiesceReport, error) { return v.QuiesceState(ctx, t) })
	if back && err == nil && r.State == sdk.StateNormal {
		s.goes(t, wayReturned)
	}
	return r, err
}

// Capture may be repeated while it still needs the device. It may not be repeated once
// the caller was told that the device is done and may come back, or once it leaves
// something on the device that can exist only once.
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

// empty removes what an interrupted call has left in its directory.
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

// Health must be seen after an unquiesce: the target counts as back only when its
// objects are up.
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

// Import is sent once. A caller that does not know its outcome uses Resembles.
func (s *source) Import(ctx context.Context, r sdk.ImportRequest) (*sdk.ImportReport, error) {
	return able(ctx, s.holder, never, func(v sdk.Restorer) (*sdk.ImportReport, error) { return v.Import(ctx, r) })
}

// Resembles compares a target with archives. A recovery may depend on it.
func (s *source) Resembles(ctx context.Context, r sdk.ResembleRequest) (*sdk.ResembleReport, error) {
	ctx = owed(ctx)
	return able(ctx, s.holder, always, func(v sdk.Restorer) (*sdk.ResembleReport, error) { return v.Resembles(ctx, r) })
}

// Save saves the running configuration.
func (s *source) Save(ctx context.Context, t sdk.Target) error {
	return s.restorer(ctx, func(v sdk.Restorer) error { return v.Save(ctx, t) })
}

// Create creates a domain.
func (s *source) Create(ctx context.Context, t sdk.Target) error {
	return s.restorer(ctx, func(v sdk.Restorer) error { return v.Create(ctx, t) })
}

// Drop removes a domain that Create made. That must be done, so it counts as undoing.
func (s *source) Drop(ctx context.Context, t sdk.Target) error {
	ctx = owed(ctx)
	return s.restorer(ctx, func(v sdk.Restorer) error { return v.Drop(ctx, t) })
}

func (s *source) restorer(ctx context.Context, f func(sdk.Restorer) error) error {
	_, err := able(ctx, s.holder, never, func(v sdk.Restorer) (struct{}, error) { return struct{}{}, f(v) })
	return err
}

// An ability that is missing here looks like one that no plugin has.
var _ interface {
	sdk.Healther
	sdk.Preflighter
	sdk.Restorer
} = (*source)(nil)
