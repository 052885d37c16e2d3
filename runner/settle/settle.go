// Package settle undoes what dead runs left, and what live ones do not undo in time. It
// works from the pending files alone: it needs no plan, no journal and no room on the
// disk. A recovery uses it, and so does every run before it begins.
//
// outstanding.go lists obligations and who works on them. owner.go takes over the locks
// of dead runs. settle.go brings gateways back, and scripts.go runs scripts.
package settle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/listen"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/runner/redact"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// settleAtOnce is how many targets are brought back at the same time.
const settleAtOnce = 16

// Settler undoes obligations during one operation.
type Settler struct {
	Pending *pending.Dir
	Journal *journal.Journal // nil: it cannot be opened, and only the pending files exist
	Locks   *lock.Locks
	Plugins *pluginhost.Host
	Clock   clock.Clock
	Redact  *redact.Redactor
	Log     *slog.Logger
	Sink    event.Sink // receives what is settled
	By      string     // who settles, for the record: user@host
	Secrets func() *record.Secrets
	// Executor returns what runs the scripts of a run. The caller closes it.
	Executor func(run, plan, dir string, answers execute.Plan) *execute.Executor
	Requests <-chan string       // requests to stop, by the names of signals
	Asked    func(signal string) // called with the first signal that arrives during a recovery
	// Again is how long after a failure this process tries again by itself; zero: it
	// does not.
	Again time.Duration

	denied   atomic.Bool // a login was refused
	mu       sync.Mutex
	troubles map[pending.Key]string // why this operation could not settle an obligation
}

// Settled is how one obligation of a run was settled.
type Settled struct {
	Run string
	event.Recovered
}

// Settle undoes obligations to devices, using only what the obligations hold. It
// returns the result of each. A target that a live run has quiesced meanwhile is left
// to that run.
func (s *Settler) Settle(ctx context.Context, list, all []Outstanding) []Settled {
	quiesced := quiescedByLiveRuns(all, s.Clock.Now())
	var mu sync.Mutex
	var out []Settled
	var g errgroup.Group
	g.SetLimit(settleAtOnce)
	ctx, hurried, stop := s.hearing(ctx)
	defer stop()
	for _, o := range list {
		g.Go(func() error {
			var err error
			if by := keeps(quiesced, o); by != "" {
				err = fmt.Errorf("run %s is at work and has it quiesced now; it brings it back, and dprun recover then sees that", by)
			} else {
				err = s.settleOne(ctx, o, hurried)
			}
			how := event.Recovered{Task: o.Task, ID: o.ID, Unwell: errors.As(err, new(unwell))}
			if err != nil {
				how.Trouble = s.noteTrouble(ctx, o.Obligation.Obligation, err)
			}
			mu.Lock()
			defer mu.Unlock()
			out = append(out, Settled{o.Run, how})
			return nil
		})
	}
	_ = g.Wait() // errors are in out
	return out
}

// unwell says that a target is in service but its objects are not up.
type unwell struct{ error }

// noteTrouble remembers why an obligation is still pending, and enters it in the
// journal if possible. It is shown with the list of what is left, which comes last.
func (s *Settler) noteTrouble(ctx context.Context, o pending.Obligation, why error) (trouble string) {
	trouble = s.Redact.Redact(why.Error())
	s.mu.Lock()
	if s.troubles == nil {
		s.troubles = map[pending.Key]string{}
	}
	s.troubles[o.Key] = trouble
	s.mu.Unlock()
	s.Log.Info("it must still be undone: "+trouble, "run", o.Run, "what", o.Kind, "where", o.Where())
	if s.Journal == nil {
		return trouble
	}
	next := time.Time{}
	if s.Again > 0 {
		next = s.Clock.Now().Add(s.Pause())
	}
	if err := s.Journal.NoteAttempt(context.WithoutCancel(ctx), o.Key, trouble, next); err != nil {
		s.Log.Debug("an attempt could not be written down", "obligation", o.Key.String(), "error", err)
	}
	return trouble
}

// deniedPause is how long this process waits after a refused login before it logs in
// again. Devices count refused logins, and must not lock the account that is needed to
// bring the gateway back.
const deniedPause = 30 * time.Minute

// Pause returns how long this process waits before it tries again: Again, or longer if
// a login was refused.
func (s *Settler) Pause() time.Duration {
	if s.denied.Load() {
		return max(s.Again, deniedPause)
	}
	return s.Again
}

// Done removes an obligation from the list, and enters that in the journal if possible.
// A row without a file is examined again later.
func (s *Settler) Done(ctx context.Context, o pending.Obligation) error {
	if err := s.Pending.Remove(o.Key); err != nil {
		return err
	}
	if o.Kind == pending.Restore {
		s.forgetRestore(o)
	}
	if s.Journal == nil {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	if err := s.Journal.Pay(ctx, s.Clock.Now(), o.Key); err != nil {
		s.Log.Debug("that it is done could not be written down", "obligation", o.Key.String(), "error", err)
	}
	if o.Kind == pending.Unquiesce && !s.stillAway(ctx, o.Device) {
		_ = s.Journal.CloseBreaker(ctx, o.Device, s.By, s.Clock.Now()) // there may be none
	}
	return nil
}

// stillAway reports whether something else on the device, such as another domain, may
// be down without a live process that brings it back.
func (s *Settler) stillAway(ctx context.Context, device string) bool {
	owed, err := s.Journal.Owed(ctx)
	return err != nil || slices.ContainsFunc(owed, func(o journal.Obligation) bool {
		if o.Kind != pending.Unquiesce || o.Device != device {
			return false
		}
		_, live := s.Holder(ctx, o.Run)
		return !live
	})
}

// settleOne settles one obligation, verifies the result and removes its file.
func (s *Settler) settleOne(ctx context.Context, o Outstanding, hurried func() bool) error {
	release, there, err := s.Pending.Claim(o.Key)
	if err != nil {
		return err
	}
	defer release()
	if o.Filed && !there {
		return s.Done(ctx, o.Obligation.Obligation) // another process has settled it meanwhile
	}
	e, err := s.endpointOf(o.Obligation.Obligation)
	if err != nil {
		return err
	}
	src, err := s.Plugins.Source(ctx, e.Type, e.Config)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	switch o.Kind {
	case pending.Discard:
		err = s.discard(ctx, src, o.Obligation.Obligation, hurried)
	case pending.DropDomain:
		err = s.drop(ctx, src, o.Obligation.Obligation, hurried)
	case pending.Restore:
		err = s.lookAtRestore(ctx, src, o.Obligation.Obligation)
	default:
		err = s.bringBack(ctx, src, o.Obligation.Obligation, hurried)
	}
	if err != nil {
		return err
	}
	if err := s.Done(ctx, o.Obligation.Obligation); err != nil || !o.Filed {
		return err
	}
	s.Sink.Settled(event.Settled{Run: o.Run, Task: o.Task, Plan: o.Plan, Kind: string(o.Kind), Device: o.Device, Domain: o.Domain, Since: o.Since, Time: s.Clock.Now()})
	return nil
}

// discardAgain is the pause before asking a busy device again.
const discardAgain = 5 * time.Second

// discard removes files from a device.
func (s *Settler) discard(ctx context.Context, src sdk.Source, o pending.Obligation, hurried func() bool) error {
	return s.patiently(ctx, o, lifecycle.RequestLimit, hurried, func(ctx context.Context) error { return src.Discard(ctx, o.Token) })
}

// dropLimit is the time limit for removing a domain, which the device does in its own
// time.
const dropLimit = 12 * time.Minute

// drop removes a domain that a drill has made.
func (s *Settler) drop(ctx context.Context, src sdk.Source, o pending.Obligation, hurried func() bool) error {
	restorer, ok := sdk.As[sdk.Restorer](src)
	if !ok {
		return failure.New(failure.Precondition, failure.Unsupported, "the plugin of device %s does not remove domains any more", o.Device)
	}
	return s.patiently(ctx, o, dropLimit, hurried, func(ctx context.Context) error {
		found, err := sameBox(ctx, src, o)
		if err == nil {
			err = restorer.Drop(ctx, sdk.Target{Domain: o.Domain})
		}
		if err != nil || slices.ContainsFunc(found.Domains, func(d sdk.Domain) bool { return d.Name == o.Domain }) {
			return err // it existed and is gone now
		}
		if comes := o.Since.Add(comesWithin); s.Clock.Now().Before(comes) {
			return failure.New(failure.Unavailable, failure.DeviceBusy, "%s is not there, and the gateway may still be making it: it is looked for until %s", o.Where(), comes.Format(time.TimeOnly))
		}
		return nil
	})
}

// comesWithin is how long a domain may still appear after its creation was about to be
// requested: the time of a request, and a little for differences between clocks.
const comesWithin = lifecycle.RequestLimit + 10*time.Second

// sameBox fails unless the box that answers is the one that the obligation is about. On
// another box, a domain that never existed there seems removed, and a member of the
// same group looks like the restored one. It returns what the box reports.
func sameBox(ctx context.Context, src sdk.Source, o pending.Obligation) (*sdk.Inspection, error) {
	in, err := src.Inspect(ctx, sdk.InspectRequest{})
	if err != nil {
		return nil, err
	}
	if has := in.Facts.Identity; o.Identity != "" && has != o.Identity {
		return nil, failure.New(failure.Precondition, failure.OtherDevice, "%s must be undone on the box %s, and the box at the address of device %s says that it is %q: nothing was done there", o.Where(), o.Identity, o.Device, has).
			WithRemedy("find out what answers there, and whether the account may read its name and serial number; where the box itself is gone, or somebody has looked at it: dprun recover --ack %s", o.Device)
	}
	return in, nil
}

// patiently repeats a request while the device is busy, at most as long as one waits
// for a device to come back.
func (s *Settler) patiently(ctx context.Context, o pending.Obligation, limit time.Duration, hurried func() bool, ask func(context.Context) error) error {
	end := s.Clock.Now().Add(o.Way().Unquiesce + o.Way().Grace)
	for {
		limited, cancel := context.WithTimeout(ctx, limit)
		err := ask(limited)
		cancel()
		next := s.Clock.Now().Add(discardAgain)
		if err == nil || !failure.From(err).Kind.Retryable() || hurried() || next.After(end) {
			return err
		}
		if stopped := s.until(ctx, next); stopped != nil {
			return err
		}
	}
}

// Unreadable reports whether the secrets for some device with an obligation cannot be
// read. Scripts report that themselves.
func (s *Settler) Unreadable(owed []Outstanding) bool {
	return slices.ContainsFunc(owed, func(o Outstanding) bool {
		if o.Kind == pending.PostScript {
			return false
		}
		_, err := s.endpointOf(o.Obligation.Obligation)
		return err != nil
	})
}

// endpointOf returns the device that an obligation is about, with its secrets read
// again.
func (s *Settler) endpointOf(o pending.Obligation) (execute.Endpoint, error) {
	e, err := record.DeviceOf(o)
	if err != nil {
		return execute.Endpoint{}, err
	}
	return e.Open(s.Secrets())
}

// bringBack drives the machine of the way back until its target is explicitly in
// service and healthy. It logs what it waits for.
func (s *Settler) bringBack(ctx context.Context, src sdk.Source, o pending.Obligation, hurried func() bool) error {
	debt := lifecycle.NewDebt(o.Way())
	debt.Restart(s.Clock.Now())
	target := sdk.Target{Domain: o.Domain}
	s.Log.Info("bringing it back", "run", o.Run, "where", o.Where())
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
		if err := s.until(ctx, a.NotBefore); err != nil {
			return fmt.Errorf("%s was not brought back: stopped (%s)", o.Where(), debt.Trouble())
		}
		result, err := s.wayBack(ctx, src, target, a)
		debt.Finish(s.Clock.Now(), a, &result, failure.From(err))
		if why := debt.Waiting(s.Clock.Now()); why != "" && !told && result.Quiesce != nil && result.Quiesce.State == sdk.StateNormal {
			told = true
			s.Log.Warn(why, "run", o.Run, "where", o.Where())
		}
	}
	if debt.Returned() {
		return nil
	}
	if debt.Denied() {
		s.denied.Store(true)
	}
	if debt.Unwell() {
		return unwell{errors.New(debt.Complaint())}
	}
	return errors.New(debt.Complaint())
}

// wayBack performs one action of the way back.
func (s *Settler) wayBack(ctx context.Context, src sdk.Source, target sdk.Target, a lifecycle.Action) (result event.Result, err error) {
	limit := lifecycle.RequestLimit
	if a.Kind == lifecycle.ActHealthBack {
		limit = lifecycle.HealthLimit
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	switch a.Kind {
	case lifecycle.ActUnquiesce:
		err = src.Unquiesce(limited, target)
	case lifecycle.ActUnquiesceState:
		result.Quiesce, err = src.QuiesceState(limited, target)
	case lifecycle.ActHealthBack:
		result.Health, err = execute.Health(limited, src, sdk.HealthRequest{Target: target, Domains: a.Domains})
	}
	return result, err
}

// hearing counts the signals that arrive while gateways are brought back. The first
// asks to stop afterwards, the second gives up the grace period, and the third ends the
// context. What is left stays pending.
func (s *Settler) hearing(ctx context.Context) (_ context.Context, hurried func() bool, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var heard atomic.Int32
	deaf := listen.To(s.Requests, func(name string) bool {
		if heard.Add(1) == 1 {
			s.Asked(name)
		}
		if heard.Load() > 2 {
			cancel()
		}
		return true
	})
	return ctx, func() bool { return heard.Load() > 1 }, func() {
		deaf()
		cancel()
	}
}

// until waits for a time.
func (s *Settler) until(ctx context.Context, at time.Time) error {
	if !at.After(s.Clock.Now()) {
		return ctx.Err()
	}
	waiter := s.Clock.Waiter()
	defer waiter.Stop()
	select {
	case <-waiter.Wait(at, 0):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
