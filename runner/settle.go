package runner

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// settleAtOnce bounds how many targets are brought back at the same time.
const settleAtOnce = 16

// settled is how one obligation of a run was settled.
type settled struct {
	Run string
	event.Recovered
}

// settle does what is owed to devices, from what stands in the obligations
// alone: no journal, no plan and no room on the disk is needed. It returns how
// each went. A target that a live run has quiesced meanwhile is left to that run.
func (r *operation) settle(ctx context.Context, list, all []outstanding) []settled {
	quiesced := quiescedByLiveRuns(all, r.Clock.Now())
	var mu sync.Mutex
	var out []settled
	var g errgroup.Group
	g.SetLimit(settleAtOnce)
	ctx, hurried, stop := r.hearing(ctx)
	defer stop()
	for _, o := range list {
		g.Go(func() error {
			trouble := ""
			if by := keeps(quiesced, o); by != "" {
				trouble = fmt.Sprintf("run %s is at work and has it quiesced now; it brings it back, and dprun recover then sees that", by)
			} else if err := r.settleOne(ctx, o, hurried); err != nil {
				trouble = r.redact.Redact(err.Error())
			}
			if trouble != "" {
				r.noteTrouble(ctx, o.Obligation.Obligation, trouble)
			}
			mu.Lock()
			defer mu.Unlock()
			out = append(out, settled{o.Run, event.Recovered{Task: o.Task, ID: o.ID, Trouble: trouble}})
			return nil
		})
	}
	_ = g.Wait() // what went wrong is in out
	return out
}

// noteTrouble keeps why something is still owed, and enters it where that can
// be written down. It is told with what is left, which comes last.
func (r *operation) noteTrouble(ctx context.Context, o pending.Obligation, trouble string) {
	r.mu.Lock()
	r.troubles[o.Key] = trouble
	r.mu.Unlock()
	r.Log.Info("still owed: "+trouble, "run", o.Run, "what", o.Kind, "where", o.Where())
	if r.journal == nil {
		return
	}
	if err := r.journal.NoteAttempt(context.WithoutCancel(ctx), o.Key, trouble, time.Time{}); err != nil {
		r.Log.Debug("an attempt could not be written down", "obligation", o.Key.String(), "error", err)
	}
}

// noteDone takes an obligation off the list, and enters it where that can be
// written down: a row without a file is looked at again.
func (r *operation) noteDone(ctx context.Context, o pending.Obligation) error {
	if err := r.pending.Remove(o.Key); err != nil {
		return err
	}
	if r.journal == nil {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	if err := r.journal.Pay(ctx, r.Clock.Now(), o.Key); err != nil {
		r.Log.Debug("that it is done could not be written down", "obligation", o.Key.String(), "error", err)
	}
	if o.Kind == pending.Unquiesce {
		_ = r.journal.ClearBreaker(ctx, o.Device) // there may be none
	}
	return nil
}

// settleOne does what one obligation asks, verifies it and removes its file.
func (r *operation) settleOne(ctx context.Context, o outstanding, hurried func() bool) error {
	release, there, err := r.pending.Claim(o.Key)
	if err != nil {
		return err
	}
	defer release()
	if o.filed && !there {
		return r.noteDone(ctx, o.Obligation.Obligation) // another process has done it meanwhile
	}
	e, err := r.endpointOf(o.Obligation.Obligation)
	if err != nil {
		return err
	}
	src, err := r.plugins.host.Source(ctx, e.Type, e.Config)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	if o.Kind == pending.Discard {
		err = r.discard(ctx, src, o.Obligation.Obligation, hurried)
	} else {
		err = r.bringBack(ctx, src, o.Obligation.Obligation, hurried)
	}
	if err != nil {
		return err
	}
	if err := r.noteDone(ctx, o.Obligation.Obligation); err != nil || !o.filed {
		return err
	}
	r.sink.Settled(event.Settled{Run: o.Run, Task: o.Task, Plan: o.Plan, Kind: string(o.Kind), Device: o.Device, Domain: o.Domain, Since: o.Since, Time: r.Clock.Now()})
	return nil
}

// discardAgain is how long after a device that is still busy is asked again.
const discardAgain = 5 * time.Second

// discard removes files from a device. One that is still busy with the backup is
// asked again, for as long as one waits for a device to come back.
func (r *operation) discard(ctx context.Context, src sdk.Source, o pending.Obligation, hurried func() bool) error {
	end := r.Clock.Now().Add(o.Way().Unquiesce + o.Way().Grace)
	for {
		limited, cancel := context.WithTimeout(ctx, lifecycle.RequestLimit)
		err := src.Discard(limited, o.Token)
		cancel()
		next := r.Clock.Now().Add(discardAgain)
		if err == nil || !failure.From(err).Kind.Retryable() || hurried() || next.After(end) {
			return err
		}
		if stopped := r.until(ctx, next); stopped != nil {
			return err
		}
	}
}

// endpointOf is the device that something is owed to, its secrets read anew.
func (r *operation) endpointOf(o pending.Obligation) (execute.Endpoint, error) {
	e, err := record.DeviceOf(o)
	if err != nil {
		return execute.Endpoint{}, err
	}
	return e.Open(r.fresh())
}

// bringBack drives the machine of the way back until its target is explicitly
// in service. What it waits for is logged.
func (r *operation) bringBack(ctx context.Context, src sdk.Source, o pending.Obligation, hurried func() bool) error {
	debt := lifecycle.NewDebt(o.Way())
	debt.Restart(r.Clock.Now())
	target := sdk.Target{Domain: o.Domain}
	r.Log.Info("bringing it back", "run", o.Run, "where", o.Where())
	told := false
	for {
		if hurried() {
			debt.Hurry()
		}
		actions := debt.Pending()
		if len(actions) == 0 {
			break
		}
		a := actions[1]
		if limit := actions[0]; limit.NotBefore.Before(a.NotBefore) {
			a = limit
		}
		if err := r.until(ctx, a.NotBefore); err != nil {
			return fmt.Errorf("%s was not brought back: stopped (%s)", o.Where(), debt.Trouble())
		}
		report, err := r.wayBack(ctx, src, target, a)
		debt.Finish(r.Clock.Now(), a, report, failure.From(err))
		if why := debt.Waiting(r.Clock.Now()); why != "" && !told && report != nil && report.State == sdk.StateNormal {
			told = true
			r.Log.Warn(why, "run", o.Run, "where", o.Where())
		}
	}
	if debt.Returned() {
		return nil
	}
	return errors.New(debt.Complaint())
}

// wayBack does one action of the way back.
func (r *operation) wayBack(ctx context.Context, src sdk.Source, target sdk.Target, a lifecycle.Action) (*sdk.QuiesceReport, error) {
	limited, cancel := context.WithTimeout(ctx, lifecycle.RequestLimit)
	defer cancel()
	switch a.Kind {
	case lifecycle.ActUnquiesce:
		return nil, src.Unquiesce(limited, target)
	case lifecycle.ActUnquiesceState:
		return src.QuiesceState(limited, target)
	}
	return nil, nil
}

// hearing counts the signals that come while gateways are brought back. The
// first asks to stop after that, the second gives up the grace, and the third
// ends the context: what is left stays owed.
func (r *operation) hearing(ctx context.Context) (_ context.Context, hurried func() bool, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done, ended := make(chan struct{}), make(chan struct{})
	var heard atomic.Int32
	go func() {
		defer close(ended)
		for {
			select {
			case name := <-r.requests:
				if heard.Add(1) == 1 {
					r.stopped = name
				}
				if heard.Load() > 2 {
					cancel()
				}
			case <-done:
				return
			}
		}
	}()
	return ctx, func() bool { return heard.Load() > 1 }, func() {
		close(done)
		<-ended
		cancel()
	}
}

// until waits for a time.
func (r *operation) until(ctx context.Context, at time.Time) error {
	if !at.After(r.Clock.Now()) {
		return ctx.Err()
	}
	waiter := r.Clock.Waiter()
	defer waiter.Stop()
	select {
	case <-waiter.Wait(at, 0):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
