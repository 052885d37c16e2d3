package runner

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/user"

	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/report"
)

// HoldRequest asks to stop every quiesce, or to allow them again.
type HoldRequest struct {
	Reason  string // for whoever finds the hold
	Release bool
	By      string // who asks; empty: the user that dprun runs as
}

// Hold stops every quiesce of the state directory until it is released. What is
// quiesced is brought back, and tasks without a quiesce go on. The report says
// what stops quiesces now. The error is an *[Error].
func (r *Runner) Hold(ctx context.Context, q HoldRequest) (report.Hold, error) {
	k := r.kept.Load()
	if k.journal == nil {
		return report.Hold{}, k.lost
	}
	var err error
	now, by := r.Clock.Now(), cmp.Or(q.By, whoami())
	if q.Release {
		err = k.journal.CloseBreaker(ctx, "", by, now)
		if errors.Is(err, journal.ErrNotFound) {
			return report.Hold{}, errorf(ExitUsage, "quiesces are not on hold: nothing to release")
		}
	} else {
		err = k.journal.OpenBreaker(ctx, journal.Breaker{Since: now, Reason: q.Reason, By: by})
	}
	if err != nil {
		return report.Hold{}, &Error{ExitBug, err}
	}
	stops, err := stops(ctx, k.journal, "")
	if err != nil {
		return report.Hold{}, &Error{ExitBug, err}
	}
	return report.Hold{Released: q.Release, Stops: stops}, nil
}

// stops lists what forbids quiesces now; with a run, what it has opened, closed or not.
func stops(ctx context.Context, j *journal.Journal, run string) ([]report.Stop, error) {
	if j == nil {
		return nil, nil // that is told by itself
	}
	open, err := j.Breakers(ctx, run)
	var out []report.Stop
	for _, b := range open {
		out = append(out, report.Stop{Device: b.Device, Environment: b.Environment, Since: b.Since, Reason: b.Reason, Run: b.Run, By: b.By, Closed: b.Closed, ClosedBy: b.ClosedBy})
	}
	return out, err
}

// whoami is the user and the host, for the record of what somebody did by hand.
func whoami() string {
	host, _ := os.Hostname()
	return username() + "@" + host
}

// username is the user that dprun runs as; empty: it has no name.
func username() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}
