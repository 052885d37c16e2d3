package sftp

import (
	"context"
	"errors"
	"os"
	"path"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// settle leaves the server in a known state after a failed upload: the
// temporary file gone, and the final name either ours and whole, which is a
// success after all, or as it was before. cause is returned otherwise.
func (t *upload) settle(ctx context.Context, cause error) (*sdk.StoreReport, error) {
	var report *sdk.StoreReport
	err := t.d.again(ctx, t.s, func(ctx context.Context, s *session) error {
		var err error
		if t.publishing || errors.Is(cause, errOccupied) {
			// The answer to the rename may be lost, or another was faster.
			if report, err = t.existing(ctx, s); err != nil && failure.From(err).Kind != failure.Exists {
				return err
			}
			if errors.Is(cause, errOccupied) {
				cause = err
			} else if report != nil {
				report.Existed = false
			}
		}
		return t.d.remove(s, t.temp)
	})
	if report != nil {
		return report, nil
	}
	if err != nil {
		t.d.leave(t.temp)
		t.d.log.Warn("clear up after a failed store: a part of the file is left; the next try removes it", "file", t.temp, "error", err)
	}
	if cause == nil || errors.Is(cause, errOccupied) {
		cause = failure.New(failure.Exists, failure.Occupied, "%s: something else was put there meanwhile", t.what)
	}
	if t.publishing && err != nil {
		f := failure.From(cause)
		f.Message += "; whether the file stands under its final name is not known"
		return nil, f
	}
	return nil, cause
}

// removeTemp removes a temporary file, as well as it can be done.
func (d *destination) removeTemp(ctx context.Context, s *session, name string) {
	if err := d.again(ctx, s, func(_ context.Context, s *session) error { return d.remove(s, name) }); err != nil {
		d.leave(name)
		d.log.Warn("remove a temporary file: it is left; the next store removes it", "file", name, "error", err)
	}
}

// remove removes a temporary file; one that is not there is a success.
func (d *destination) remove(s *session, name string) error {
	err := s.sftp.Remove(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// leave remembers a temporary file that could not be removed. Nothing uses it any more.
func (d *destination) leave(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leftovers = append(d.leftovers, name)
}

// removeLeftovers removes what earlier stores and checks could not.
func (d *destination) removeLeftovers(ctx context.Context, s *session) {
	d.mu.Lock()
	names := d.leftovers
	d.leftovers = nil
	d.mu.Unlock()
	for _, name := range names {
		if err := d.remove(s, name); err != nil {
			d.leave(name)
			d.log.Warn("remove what is left of a failed store", "file", name, "error", d.explain(ctx, s, err, path.Dir(name), "remove it").Message)
		}
	}
}

// connectionFailed reports whether err, plain or explained, came from a
// connection that is gone; the session itself notices a little later.
func connectionFailed(s *session, err error) bool {
	if f, ok := errors.AsType[*failure.Error](err); ok {
		return f.Reason == failure.Unreachable || f.Reason == failure.Stalled
	}
	return !s.alive() || lost(err)
}

// again runs f to clear up, whatever became of ctx: on s while it lives, else
// on a fresh connection in the same slot. f may run twice.
func (d *destination) again(ctx context.Context, s *session, f func(context.Context, *session) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.timing.cleanup)
	defer cancel()
	if s.alive() {
		stop := context.AfterFunc(ctx, s.kill)
		err := f(ctx, s)
		stop()
		if err == nil || !connectionFailed(s, err) {
			return err
		}
		s.kill()
	}
	fresh, err := d.pool.open(ctx)
	if err != nil {
		return err
	}
	defer fresh.close()
	stop := context.AfterFunc(ctx, fresh.kill)
	defer stop()
	return f(ctx, fresh)
}
