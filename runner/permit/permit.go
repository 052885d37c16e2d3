// Package permit grants permits to quiesce. Across all runs of a state directory only a
// limited number of devices is out of service at once, and nothing is quiesced while a
// device has not come back.
//
// A permit is an obligation in the journal, entered before the quiesce. It ends when
// the return was verified, or is taken back if nothing was sent.
package permit

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/record"
)

// askAgain is the pause before asking again after a temporary refusal. Other processes
// do not tell this one when their devices are back.
const askAgain = 500 * time.Millisecond

// Desk grants the permits of one run. It implements [execute.Permits].
type Desk struct {
	Journal *journal.Journal
	Pending *pending.Dir
	Clock   clock.Clock
	Log     *slog.Logger
	Record  record.Run

	held sync.WaitGroup // permits that were not given back yet
}

var _ execute.Permits = (*Desk)(nil)

// guard returns the limits that apply to a claim.
func guard(c execute.Claim) journal.Guard {
	g := c.Task.Guard
	return journal.Guard{MaxDevices: g.MaxDevices, MaxPerGroup: g.MaxPerGroup, Settle: g.Settle, Group: group(c), Named: c.Task.Group, Environment: c.Task.Environment}
}

func group(c execute.Claim) []string {
	if c.Task.Group == "" {
		return nil
	}
	return append([]string{c.Task.Device}, c.Task.Peers...)
}

// Grant waits until the claim is granted. It reports the reasons for waiting. The
// permit is given back when ctx ends, unless something must be undone by then. A denial
// means that waiting does not help. An error is an error of the journal.
func (d *Desk) Grant(ctx context.Context, c execute.Claim, waiting func(why string)) (*event.Denial, error) {
	row, err := d.Record.DeviceRow(c.Owe, c.Identity)
	if err != nil {
		return nil, err
	}
	waiter := d.Clock.Waiter()
	defer waiter.Stop()
	told, asked, due := "", d.Clock.Now(), row.DueBack
	for {
		now := d.Clock.Now()
		row.Since = now
		if waited := now.Sub(asked); waited > 0 && !due.IsZero() { // the deadline moves, because the task's time stands still while it waits
			row.DueBack = due.Add(waited)
		}
		err := d.Journal.Grant(ctx, now, guard(c), row)
		if err == nil {
			d.held.Add(1)
			context.AfterFunc(ctx, func() {
				defer d.held.Done()
				d.giveBack(row.Key)
			})
			return nil, nil
		}
		denial, refused, err := denialOf(err)
		if denial != nil || err != nil {
			return denial, err
		}
		if why := refused.Error(); why != told {
			told = why
			waiting(why)
		}
		select {
		case <-waiter.Wait(now.Add(askAgain), 0):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// denialOf turns the error of a guard into a denial, a temporary refusal, or an error
// of the journal.
func denialOf(err error) (*event.Denial, *journal.GuardError, error) {
	refused := new(journal.GuardError)
	switch {
	case !errors.As(err, &refused):
		return nil, nil, err
	case refused.Denial.Passes():
		return nil, refused, nil
	case refused.Denial == journal.DeniedHold:
		return &event.Denial{By: event.ByHold, Why: refused.Error()}, nil, nil
	}
	return &event.Denial{By: event.ByBreaker, Why: refused.Error()}, nil, nil
}

// Confirm reports whether something has come to forbid every quiesce since the claim
// was granted.
func (d *Desk) Confirm(ctx context.Context, c execute.Claim) (*event.Denial, error) {
	of := pending.Obligation{Device: c.Task.Device, Domain: c.Task.Domain}
	denial, _, err := denialOf(d.Journal.Confirm(ctx, d.Clock.Now(), guard(c), of))
	return denial, err
}

// giveBack ends a permit that was not used: nothing was sent, so there is no pending
// file. A used permit ends with the verified return.
func (d *Desk) giveBack(id pending.Key) {
	if _, err := os.Stat(d.Pending.Path(id)); !errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err := d.Journal.Withdraw(context.Background(), id); err != nil {
		d.Log.Warn("the right to quiesce was not used and could not be given back: other devices wait until the next dprun recover", "of", id.String(), "error", err)
	}
}

// Close waits until every unused permit is given back. The contexts for which they were
// granted must have ended.
func (d *Desk) Close() { d.held.Wait() }

// Excused lists the members of the claim's group that are out of service with permits
// of their own, which the guard has counted.
func (d *Desk) Excused(ctx context.Context, c execute.Claim) ([]string, error) {
	owed, err := d.Journal.Owed(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, o := range owed {
		if o.Kind == pending.Unquiesce && slices.Contains(c.Task.Peers, o.Device) {
			out = append(out, o.Device)
		}
	}
	return out, nil
}
