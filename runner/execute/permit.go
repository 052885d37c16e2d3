package execute

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Permits grant the right to quiesce, over all runs of the state directory.
type Permits interface {
	// Grant returns when the right is granted; it is held until ctx ends. It
	// reports what it waits for. It returns a denial if waiting does not help.
	Grant(ctx context.Context, c Claim, waiting func(why string)) (*event.Denial, error)
	// Confirm reports what forbids the quiesce by now.
	Confirm(ctx context.Context, c Claim) (*event.Denial, error)
	// Excused lists the members of the group that are out of service by a permit
	// of their own.
	Excused(ctx context.Context, c Claim) ([]string, error)
}

// Credentials keep accounts from being locked out, over all runs of the state directory.
type Credentials interface {
	// Of returns the name of the credential that logs in to an endpoint; empty:
	// none.
	Of(ctx context.Context, e Endpoint) (string, error)
	// Use makes a call that logs in to a device. If the credential must not be
	// used now, it fails as a refused login does.
	Use(ctx context.Context, credential, device string, call func() error) error
}

// Claim is what a task asks a permit for.
type Claim struct {
	Task     *lifecycle.TaskSpec
	Identity string               // of the box
	Owe      lifecycle.Obligation // what is owed from the quiesce on
}

func claim(j engine.Job) Claim {
	c := Claim{Task: j.Task}
	if j.Action.Owe != nil {
		c.Owe = *j.Action.Owe
	}
	if j.Facts != nil {
		c.Identity = j.Facts.Identity
	}
	return c
}

func (x *Executor) permit(ctx context.Context, j engine.Job) (*event.Result, error) {
	denial, err := x.Permits.Grant(ctx, claim(j), func(why string) { j.Notify(event.Notice{Waiting: why}) })
	return &event.Result{Denial: denial}, err
}

func (x *Executor) confirm(ctx context.Context, j engine.Job) (*event.Result, error) {
	denial, err := x.Permits.Confirm(ctx, claim(j))
	return &event.Result{Denial: denial}, err
}

// peersAtOnce bounds how many members of a group are read at the same time.
const peersAtOnce = 8

// peers reads the other members of the device's group. If the reading of one may
// work next time, the whole reading fails, so that it is tried again.
func (x *Executor) peers(ctx context.Context, j engine.Job) (*event.Result, error) {
	ctx, cancel := x.limited(ctx, checkLimit)
	defer cancel()
	var excused []string
	if x.Permits != nil {
		var err error
		if excused, err = x.Permits.Excused(ctx, claim(j)); err != nil {
			return nil, late(ctx, err)
		}
	}
	var mu sync.Mutex
	res := &event.Result{}
	var g errgroup.Group
	g.SetLimit(peersAtOnce)
	for _, name := range j.Task.Peers {
		if slices.Contains(excused, name) {
			continue
		}
		g.Go(func() error {
			why, err := x.awayFrom(ctx, name, target(j))
			if err != nil {
				return failure.From(fmt.Errorf("%s: %w", name, late(ctx, err)))
			}
			if why != "" {
				mu.Lock()
				defer mu.Unlock()
				res.Peers = append(res.Peers, event.Peer{Device: name, Why: x.Redact.Redact(why)})
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(res.Peers, func(a, b event.Peer) int { return slices.Compare([]string{a.Device}, []string{b.Device}) })
	return res, nil
}

// awayFrom returns why a device does not count as serving a target. It returns
// an error if that may pass.
func (x *Executor) awayFrom(ctx context.Context, device string, t sdk.Target) (why string, err error) {
	var r *sdk.QuiesceReport
	err = x.logIn(ctx, device, func() error {
		s, err := x.source(ctx, device)
		if err == nil {
			r, err = s.QuiesceState(ctx, t)
		}
		return err
	})
	if err == nil {
		return notServing(r), nil
	}
	f := failure.From(err)
	if f.Kind.Retryable() {
		return "", f
	}
	return f.Error(), nil
}

// notServing returns why a reading does not show a target in service. Only an
// explicit "normal" shows that.
func notServing(r *sdk.QuiesceReport) string {
	switch {
	case r.State == sdk.StateNormal:
		return ""
	case r.State == sdk.StateUnknown && r.Detail != "":
		return r.Detail
	}
	return "it is " + string(r.State)
}
