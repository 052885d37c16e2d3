package runner

import (
	"errors"
	"time"

	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/staging"
	"github.com/dprun/dprun/runner/state"
)

// History is what the state directory tells of runs: the part of a [Runner]
// that needs no plugin and no lock.
type History struct {
	state   *state.State
	journal *journal.Journal // nil when it cannot be opened: lost says why
	lost    error
	staging *staging.Staging
	now     func() time.Time
}

// OpenHistory opens the history of a state directory, and makes it where it is
// missing. A journal that cannot be opened is the error of what needs it.
// Errors are *Error.
func OpenHistory(dir string) (*History, error) {
	h := &History{now: time.Now}
	var err error
	if h.state, err = state.Open(dir); err != nil {
		return nil, &Error{ExitUsage, err}
	}
	if h.journal, err = journal.Open(h.state.Journal()); err != nil {
		h.journal, h.lost = nil, &Error{ExitBug, err}
		return h, nil
	}
	if h.staging, err = staging.Open(h.state.Staging()); err != nil {
		return nil, &Error{ExitBug, errors.Join(err, h.journal.Close())}
	}
	return h, nil
}

// Close closes the journal and the staging area.
func (h *History) Close() error {
	var errs []error
	if h.staging != nil {
		errs = append(errs, h.staging.Close())
	}
	if h.journal != nil {
		errs = append(errs, h.journal.Close())
	}
	return errors.Join(errs...)
}
