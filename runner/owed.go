package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

const (
	// payLimit bounds the attempt to pay one obligation of an ended run.
	payLimit = 90 * time.Second
	payPoll  = 2 * time.Second
	// payAtOnce bounds how many devices are brought back at the same time.
	payAtOnce = 8
)

// Owed lists what dead or ended runs still owe.
func (r *Runner) Owed(ctx context.Context) ([]Owed, error) {
	all, err := r.journal.Owed(ctx)
	if err != nil {
		return nil, &Error{ExitBug, err}
	}
	var out []Owed
	for _, o := range all {
		if r.live(ctx, o.Run) {
			continue // it pays by itself
		}
		out = append(out, Owed{Run: o.Run, Task: o.Task, Kind: string(o.Kind), Device: o.Device, Domain: o.Domain, Since: o.Since, LastError: o.LastError, Commands: commands(o)})
	}
	return out, nil
}

// live reports whether the process of a run is at work. A lock alone says
// only that something which the run has started is still there.
func (r *Runner) live(ctx context.Context, run string) bool {
	held, holder, err := r.locks.Held(lock.RunKey(run))
	if err != nil || !held {
		return false
	}
	if holder.PID == 0 { // it has not said yet
		if known, err := r.journal.Run(ctx, run); err == nil {
			holder.PID = known.PID
		}
	}
	return alive(holder.PID)
}

// commands are what to type by hand, on the appliance and then here.
func commands(o journal.Obligation) []string {
	switch o.Kind {
	case journal.Unquiesce:
		back := "appliance-unquiesce"
		if o.Domain != "" {
			back = "domain-unquiesce " + o.Domain
		}
		return []string{fmt.Sprintf("on %s: configure terminal; %s; show domains", o.Device, back), "dprun recover"}
	case journal.Discard:
		return []string{fmt.Sprintf("on %s: remove %s", o.Device, o.Token), "dprun recover"}
	}
	return []string{"dprun recover"}
}

// noteOwed puts what is still owed into a result; a device that may be
// quiesced decides the exit code.
func (r *Runner) noteOwed(ctx context.Context, res *Result) error {
	owed, err := r.Owed(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	res.Owed = owed
	for _, o := range owed {
		if o.Kind == string(journal.Unquiesce) {
			res.ExitCode = ExitOwed
		}
	}
	return nil
}

// payRemaining tries, once, to pay what ended runs still owe. A device that
// turns out to be back is accepted as paid.
func (r *Runner) payRemaining(ctx context.Context) error {
	all, err := r.journal.Owed(ctx)
	if err != nil {
		return &Error{ExitBug, err}
	}
	var owed []journal.Obligation
	for _, o := range all {
		if o.Kind == journal.PostScript {
			continue
		}
		if run, err := r.journal.Run(ctx, o.Run); err == nil && run.State == journal.Finished {
			owed = append(owed, o)
		}
	}
	return r.settle(ctx, owed)
}

// settle pays obligations from their own rows, several devices at a time, and
// enters how it went.
func (r *Runner) settle(ctx context.Context, owed []journal.Obligation) error {
	byDevice := map[string][]journal.Obligation{}
	for _, o := range owed {
		byDevice[o.Device] = append(byDevice[o.Device], o)
	}
	var mu sync.Mutex
	var errs []error
	var g errgroup.Group
	g.SetLimit(payAtOnce)
	for _, list := range byDevice {
		g.Go(func() error {
			for _, o := range list {
				if err := r.settleOne(ctx, o); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
			return nil
		})
	}
	_ = g.Wait() // what went wrong is in errs
	return errors.Join(errs...)
}

func (r *Runner) settleOne(ctx context.Context, o journal.Obligation) error {
	if err := r.pay(ctx, o); err != nil {
		r.noteAttempt(ctx, o.ObligationID, err)
		return nil
	}
	if err := r.journal.Pay(ctx, r.Clock.Now(), o.ObligationID); err != nil {
		return &Error{ExitBug, err}
	}
	if o.Kind == journal.Unquiesce {
		_ = r.journal.ClearBreaker(ctx, o.Device) // there may be none
	}
	return nil
}

// noteAttempt enters why an obligation could not be paid.
func (r *Runner) noteAttempt(ctx context.Context, id journal.ObligationID, why error) {
	if err := r.journal.NoteAttempt(ctx, id, r.redact.Redact(why.Error()), time.Time{}); err != nil {
		r.Log.Error("an attempt could not be written down", "error", err)
	}
}

// pay does what one obligation asks and verifies it.
func (r *Runner) pay(ctx context.Context, o journal.Obligation) error {
	ctx, cancel := context.WithTimeout(ctx, payLimit)
	defer cancel()
	var s sealed
	if err := json.Unmarshal(o.Endpoint, &s); err != nil {
		return fmt.Errorf("read the journal's record of %s: %w", o.Device, err)
	}
	e, err := s.open(r.fresh(), &r.redact)
	if err != nil {
		return err
	}
	src, err := r.plugins.host.Source(ctx, e.Type, e.Config)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	if o.Kind == journal.Discard {
		return src.Discard(ctx, o.Token)
	}
	return r.bringBack(ctx, src, o)
}

// bringBack reads the state and, unless it is normal, unquiesces and reads on.
// A state that cannot be read keeps nobody from asking the device to return;
// a login that was refused does: trying again would lock the account.
func (r *Runner) bringBack(ctx context.Context, src sdk.Source, o journal.Obligation) error {
	target := sdk.Target{Domain: o.Domain}
	sent, end := false, r.Clock.Now().Add(payLimit)
	for {
		state, err := src.QuiesceState(ctx, target)
		if err == nil && state.State == sdk.StateNormal {
			return nil
		}
		if err != nil && failure.From(err).Kind == failure.Denied {
			return err
		}
		if !sent {
			if refused := src.Unquiesce(ctx, target); refused != nil {
				return refused
			}
			sent = true
		}
		due, giveUp := r.Clock.At(r.Clock.Now().Add(payPoll))
		select {
		case <-due:
		case <-ctx.Done():
		}
		giveUp()
		if ctx.Err() != nil || !r.Clock.Now().Before(end) {
			if err != nil {
				return err
			}
			return fmt.Errorf("%s is still %s after %s", o.Device, state.State, payLimit)
		}
	}
}
