package execute

import (
	"context"
	"path"
	"time"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// checkShared is how long one check of a destination serves other tasks that
// ask. A check does all that a store does, and hundreds of tasks need not make
// hundreds of them.
const checkShared = time.Minute

// sharedCheck is the last check of a destination. The holder of its token may
// read it, and may check again.
type sharedCheck struct {
	token  chan struct{}
	at     time.Time
	report *sdk.DestinationReport
}

func (x *Executor) checkDestination(ctx context.Context, j engine.Job) (*event.Result, error) {
	ctx, cancel := x.limited(ctx, destinationLimit)
	defer cancel()
	x.mu.Lock()
	c := x.checks[j.Action.Destination]
	if c == nil {
		c = &sharedCheck{token: make(chan struct{}, 1)}
		x.checks[j.Action.Destination] = c
	}
	x.mu.Unlock()
	select {
	case c.token <- struct{}{}:
		defer func() { <-c.token }()
	case <-ctx.Done():
		return nil, late(ctx, failure.From(ctx.Err()))
	}
	if now := x.Clock.Now(); c.report != nil && now.Sub(c.at) < checkShared {
		return &event.Result{Destination: c.report}, nil
	}
	c.report = nil
	d, verify, err := x.destination(ctx, j.Action.Destination)
	if err != nil {
		return nil, err
	}
	r, err := d.Check(ctx)
	if err != nil {
		return nil, late(ctx, err)
	}
	if r.WriteOnly != "" && verify == sdk.VerifyReadBack {
		return nil, failure.New(failure.Precondition, failure.NoAccess, "check %s: stored files cannot be read back: %s", r.Location, r.WriteOnly).
			WithRemedy(`let the destination's user read what it stored, or set verify = "sent" for this destination`)
	}
	c.report, c.at = r, x.Clock.Now()
	x.mu.Lock()
	x.roots[j.Action.Destination] = r.Location
	x.mu.Unlock()
	return &event.Result{Destination: r}, nil
}

// prepare computes the stamp and the directory of the set, and refuses two sets
// in one directory.
func (x *Executor) prepare(ctx context.Context, j engine.Job) (*event.Result, error) {
	p := &event.Prepared{Stamp: plan.FormatStamp(j.Started), Sets: map[string]string{}}
	at := x.scope(j)
	at.Stamp = p.Stamp
	for _, d := range j.Task.Destinations {
		dir, name, err := x.Plan.Set(ctx, d.Name, at)
		if err != nil {
			return nil, err
		}
		p.Sets[d.Name], p.Name = dir, name
		key := d.Name + "\x00" + path.Join(dir, name)
		x.mu.Lock()
		other, taken := x.sets[key]
		if !taken {
			x.sets[key] = j.Task.ID
		}
		x.mu.Unlock()
		if taken && other != j.Task.ID {
			return nil, failure.New(failure.Precondition, failure.Occupied, "destination %s: the sets of %s and %s would both go to %s", d.Name, other, j.Task.ID, path.Join(dir, name)).
				WithRemedy("make the destination's path differ by device, domain or stamp")
		}
	}
	return &event.Result{Prepared: p}, nil
}
