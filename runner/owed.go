package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/sdk"
)

const (
	// payLimit bounds the attempt to pay one obligation of an ended run.
	payLimit = 90 * time.Second
	payPoll  = 2 * time.Second
)

// Owed lists what dead or ended runs still owe.
func (r *Runner) Owed(ctx context.Context) ([]Owed, error) {
	all, err := r.journal.Owed(ctx)
	if err != nil {
		return nil, &Error{ExitBug, err}
	}
	var out []Owed
	for _, o := range all {
		if held, _, err := r.locks.Held(lock.RunKey(o.Run)); err == nil && held {
			continue // a live run owns it
		}
		out = append(out, Owed{Run: o.Run, Task: o.Task, Kind: string(o.Kind), Device: o.Device, Domain: o.Domain, Since: o.Since, LastError: o.LastError, Commands: commands(o)})
	}
	return out, nil
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
	for _, o := range all {
		if o.Kind == journal.PostScript {
			continue
		}
		run, err := r.journal.Run(ctx, o.Run)
		if err != nil || run.State != journal.Finished {
			continue
		}
		if err := r.pay(ctx, o); err != nil {
			if err := r.journal.NoteAttempt(ctx, o.ObligationID, r.redact.Redact(err.Error()), time.Time{}); err != nil {
				return &Error{ExitBug, err}
			}
			continue
		}
		if err := r.journal.Pay(ctx, r.Clock.Now(), o.ObligationID); err != nil {
			return &Error{ExitBug, err}
		}
		if o.Kind == journal.Unquiesce {
			_ = r.journal.ClearBreaker(ctx, o.Device) // there may be none
		}
	}
	return nil
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
	target := sdk.Target{Domain: o.Domain}
	sent := false
	for {
		state, err := src.QuiesceState(ctx, target)
		switch {
		case err != nil:
			return err
		case state.State == sdk.StateNormal:
			return nil
		case !sent:
			if err := src.Unquiesce(ctx, target); err != nil {
				return err
			}
			sent = true
		}
		due, giveUp := r.Clock.At(r.Clock.Now().Add(payPoll))
		select {
		case <-due:
		case <-ctx.Done():
			giveUp()
			return fmt.Errorf("%s is still %s after %s", o.Device, state.State, payLimit)
		}
	}
}
