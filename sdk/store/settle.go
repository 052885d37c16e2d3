package store

import (
	"context"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// settle leaves a known state after a store that failed: the temporary file
// gone, and the final name either ours and whole, which is a success after
// all, or as it was before. cause is returned otherwise.
func (u *upload) settle(ctx context.Context, cause error) (*sdk.StoreReport, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupLimit)
	defer cancel()
	if u.publishing {
		// The answer may be lost, or another store was faster.
		report, err := u.existing(ctx)
		other := failure.From(cause).Kind == failure.Exists
		switch {
		case report != nil:
			report.Existed = other
			u.removeTemp(ctx, u.temp)
			return report, nil
		case err != nil && failure.From(err).Kind != failure.Exists:
			u.leave(u.temp, err)
			f := failure.From(cause)
			f.Message += "; whether the file stands under its final name is not known"
			return nil, f
		case err != nil: // something else stands there now
			cause = err
		}
	}
	u.removeTemp(ctx, u.temp)
	return nil, cause
}

// removeTemp removes a temporary file, as well as it can be done.
func (s *session) removeTemp(ctx context.Context, name string) {
	if err := s.Remove(ctx, name); err != nil && !absent(err) {
		s.leave(name, err)
	}
}

// leave remembers a temporary file that could not be removed. Nothing uses it any more.
func (s *session) leave(name string, err error) {
	s.d.o.Log.Warn("a temporary file is left; the next store removes it, or a sweep", "file", s.Location(name), "error", err)
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	s.d.leftovers = append(s.d.leftovers, name)
}

// removeLeftovers removes what earlier stores and checks could not.
func (s *session) removeLeftovers(ctx context.Context) {
	s.d.mu.Lock()
	names := s.d.leftovers
	s.d.leftovers = nil
	s.d.mu.Unlock()
	for _, name := range names {
		s.removeTemp(ctx, name)
	}
}
