package runner

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/staging"
	"github.com/dprun/dprun/runner/state"
)

// History reads what the state directory knows about runs. It is the part of a
// [Runner] that needs no plugin and no lock.
type History struct {
	state   *state.State
	kept    atomic.Pointer[kept] // a lost journal may be begun anew during a read
	staging *staging.Staging
	now     func() time.Time
}

// kept is the journal of a state directory.
type kept struct {
	journal *journal.Journal // nil: it cannot be opened, and lost says why
	lost    error
}

// OpenHistory opens the history of a state directory, and creates a missing one.
// If the journal cannot be opened, only the methods that need it return that
// error. The errors of OpenHistory are *Error.
func OpenHistory(dir string) (*History, error) {
	h := &History{now: time.Now}
	var err error
	if h.state, err = state.Open(dir); err != nil {
		return nil, &Error{ExitUsage, err}
	}
	if h.open(ExitBug); h.kept.Load().journal == nil {
		return h, nil
	}
	if h.staging, err = staging.Open(h.state.Staging()); err != nil {
		return nil, &Error{ExitBug, errors.Join(err, h.Close())}
	}
	return h, nil
}

// open opens the journal. lost is the exit code if the journal was lost.
func (h *History) open(lost int) {
	j, err := journal.Open(h.state.Journal())
	switch {
	case err == nil:
		h.kept.Store(&kept{journal: j})
	case errors.Is(err, journal.ErrLost):
		h.kept.Store(&kept{lost: &Error{lost, err}})
	default:
		h.kept.Store(&kept{lost: &Error{ExitBug, err}})
	}
}

// known returns the journal, which must not be lost, and the ID of the state
// directory.
func (h *History) known() (_ *journal.Journal, own string, err error) {
	k := h.kept.Load()
	if k.lost != nil {
		return nil, "", k.lost
	}
	if own, err = h.state.ID(); err != nil {
		return nil, "", &Error{ExitBug, err}
	}
	return k.journal, own, nil
}

// Close closes the journal and the staging area.
func (h *History) Close() error {
	var errs []error
	if h.staging != nil {
		errs = append(errs, h.staging.Close())
	}
	if k := h.kept.Load(); k != nil && k.journal != nil {
		errs = append(errs, k.journal.Close())
	}
	return errors.Join(errs...)
}
