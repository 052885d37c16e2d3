package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/pending"
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
		out = append(out, Owed{Run: o.Run, Task: o.Task, Kind: string(o.Kind), Device: o.Device, Domain: o.Domain, Since: o.Since, LastError: o.LastError, Commands: r.commands(o)})
	}
	return out, nil
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
		if o.Kind == string(pending.Unquiesce) {
			res.ExitCode = ExitOwed
		}
	}
	return nil
}

// payRemaining tries, once, to pay what ended runs still owe. A device that
// turns out to be back is accepted as paid. What another process is at is left
// to it.
func (r *Runner) payRemaining(ctx context.Context) error {
	all, err := r.journal.Owed(ctx)
	if err != nil {
		return &Error{ExitBug, err}
	}
	owes := map[string]bool{} // ended runs that nobody else works on
	held := map[string]bool{} // those whose lock is ours
	for _, o := range all {
		if _, asked := owes[o.Run]; asked {
			continue
		}
		run, err := r.journal.Run(ctx, o.Run)
		if err != nil || run.State != journal.Finished {
			owes[o.Run] = false
			continue
		}
		l, err := r.locks.TryAcquire(lock.RunKey(o.Run), lock.Exclusive, lock.Info{Run: o.Run, Recovery: true})
		if err == nil {
			defer func() { _ = l.Release() }()
			held[o.Run] = true
		}
		_, live := r.holder(ctx, o.Run)
		owes[o.Run] = err == nil || !live // what hangs and keeps the lock keeps no device
	}
	if all, err = r.journal.Owed(ctx); err != nil { // before the locks were taken, others may have paid
		return &Error{ExitBug, err}
	}
	var devices, scripts []journal.Obligation
	for _, o := range all {
		switch {
		case !owes[o.Run]:
		case o.Kind != pending.PostScript:
			devices = append(devices, o)
		case held[o.Run]:
			scripts = append(scripts, o)
		}
	}
	return errors.Join(r.settle(ctx, devices, held), r.runOwedScripts(ctx, scripts))
}

// settle pays what is owed to devices from its own rows, several devices at a
// time, and enters how it went. A target that a live run has quiesced meanwhile
// is left to that run; ours are the runs whose locks are held here.
func (r *Runner) settle(ctx context.Context, owed []journal.Obligation, ours map[string]bool) error {
	if len(owed) == 0 {
		return nil
	}
	quiesced, err := r.quiescedByLiveRuns(ctx, ours)
	if err != nil {
		return err
	}
	byDevice := map[string][]journal.Obligation{}
	for _, o := range owed {
		if by := holding(quiesced, o); by != "" {
			r.noteAttempt(ctx, o.Key, fmt.Errorf("run %s is at work and has it quiesced now; it brings it back, and dprun recover then sees that", by))
			continue
		}
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
		r.noteAttempt(ctx, o.Key, err)
		return nil
	}
	if err := r.journal.Pay(ctx, r.Clock.Now(), o.Key); err != nil {
		return &Error{ExitBug, err}
	}
	if o.Kind == pending.Unquiesce {
		_ = r.journal.ClearBreaker(ctx, o.Device) // there may be none
	}
	return nil
}

// noteAttempt enters why an obligation could not be paid.
func (r *Runner) noteAttempt(ctx context.Context, id pending.Key, why error) {
	if err := r.journal.NoteAttempt(ctx, id, r.redact.Redact(why.Error()), time.Time{}); err != nil {
		r.Log.Error("an attempt could not be written down", "error", err)
	}
}

// pay does what one obligation asks and verifies it.
func (r *Runner) pay(ctx context.Context, o journal.Obligation) error {
	ctx, cancel := context.WithTimeout(ctx, payLimit)
	defer cancel()
	e, err := r.endpointOf(o)
	if err != nil {
		return err
	}
	src, err := r.plugins.host.Source(ctx, e.Type, e.Config)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	if o.Kind == pending.Discard {
		return src.Discard(ctx, o.Token)
	}
	return r.bringBack(ctx, src, o)
}

// endpointOf is the device that something is owed to, its secrets read anew.
func (r *Runner) endpointOf(o journal.Obligation) (execute.Endpoint, error) {
	var s sealed
	if err := json.Unmarshal(o.Endpoint, &s); err != nil {
		return execute.Endpoint{}, fmt.Errorf("read the journal's record of %s: %w", o.Device, err)
	}
	return s.open(r.fresh())
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
			return fmt.Errorf("%s is still %s after %s; look at it on the device", where(o), state.State, payLimit)
		}
	}
}
