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
	// Grant returns when the right is granted, and it is held until ctx ends. It
	// tells what it waits for. A denial is what waiting does not end.
	Grant(ctx context.Context, c Claim, waiting func(why string)) (*event.Denial, error)
	// Confirm reports what has come to forbid it since.
	Confirm(ctx context.Context, c Claim) (*event.Denial, error)
	// Excused lists the members of the group that are out of service by a right of their own.
	Excused(ctx context.Context, c Claim) ([]string, error)
}

// Credentials keep accounts from being locked out, over all runs of the state directory.
type Credentials interface {
	// Of names what logs in to an endpoint; empty: nothing does.
	Of(ctx context.Context, e Endpoint) (string, error)
	// Use makes a call that logs in to a device, or fails as a refused login does
	// because the credential must not be used now.
	Use(ctx context.Context, credential, device string, call func() error) error
}

// Claim is what a permit is asked for.
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

// peers reads the other members of the device's group. One whose reading may
// work next time makes the whole reading fail, so that it is tried again.
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

// awayFrom says why a device does not count as serving a target. The error is
// one that may pass.
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

// notServing says why a reading does not show a target in service. Only an
// explicit "normal" does.
func notServing(r *sdk.QuiesceReport) string {
	switch {
	case r.State == sdk.StateNormal:
		return ""
	case r.State == sdk.StateUnknown && r.Detail != "":
		return r.Detail
	}
	return "it is " + string(r.State)
}
