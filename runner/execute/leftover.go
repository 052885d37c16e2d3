package execute

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// sweepLimit bounds the time spent at each destination, at the start and at the
// end of a run, to remove the leftovers of broken stores.
const sweepLimit = 10 * time.Second

// Leftover is where a store that did not end well may have left a temporary file.
type Leftover struct {
	Destination string `json:"destination"`
	Directory   string `json:"directory"` // of the set
	Owner       string `json:"owner"`     // of the temporary names
}

// Expect notes that a dead run may have left such files.
func (x *Executor) Expect(left []Leftover) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, l := range left {
		x.left[l] = true
	}
}

// LeftBy is what the task's store at a destination may leave.
func (x *Executor) LeftBy(task, destination, directory string) Leftover {
	return Leftover{Destination: destination, Directory: directory, Owner: x.ownerOf(task)}
}

// beforeStore removes what an earlier attempt left, and expects the same of
// this one.
func (x *Executor) beforeStore(ctx context.Context, d sdk.Destination, l Leftover) {
	x.mu.Lock()
	again := x.left[l]
	x.left[l] = true
	x.mu.Unlock()
	if again {
		_ = x.sweep(ctx, d, l) // the store that follows says what is wrong; and it is swept again
	}
}

// afterStore notes that a store ended well: it leaves nothing.
func (x *Executor) afterStore(l Leftover) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.left, l)
}

func (x *Executor) sweep(ctx context.Context, d sdk.Destination, l Leftover) error {
	s, ok := sdk.As[sdk.Sweeper](d)
	if !ok {
		return nil // it leaves nothing
	}
	r, err := s.Sweep(ctx, sdk.SweepRequest{Prefix: l.Directory, Owner: l.Owner})
	if err != nil {
		return err
	}
	if len(r.Removed) > 0 {
		x.Log.Info("removed what a store left that did not end well", "destination", l.Destination, "files", x.Redact.Redact(strings.Join(r.Removed, " ")))
	}
	return nil
}

// Left returns where stores that did not end well may have left something. No
// store may be under way.
func (x *Executor) Left() []Leftover {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Collect(maps.Keys(x.left))
}

// Sweep removes leftovers, and returns those that it could not remove.
func (x *Executor) Sweep(ctx context.Context, left []Leftover) (rest []Leftover) {
	byDestination := map[string][]Leftover{}
	for _, l := range left {
		byDestination[l.Destination] = append(byDestination[l.Destination], l)
	}
	var wait sync.WaitGroup
	var mu sync.Mutex
	for name, left := range byDestination {
		wait.Go(func() {
			kept := x.sweepAt(ctx, name, left)
			mu.Lock()
			defer mu.Unlock()
			rest = append(rest, kept...)
		})
	}
	wait.Wait()
	return rest
}

func (x *Executor) sweepAt(ctx context.Context, name string, left []Leftover) (rest []Leftover) {
	ctx, cancel := x.limited(ctx, sweepLimit)
	defer cancel()
	d, _, err := x.destination(ctx, name)
	for i, l := range left {
		if err == nil {
			err = x.sweep(ctx, d, l)
		}
		if err == nil {
			continue
		}
		x.Log.Warn("what a store left could not be removed; the next run of the plan tries again", "destination", name, "directory", l.Directory, "owner", l.Owner, "error", x.clean("", err))
		if failure.From(err).Kind.Retryable() || ctx.Err() != nil {
			return append(rest, left[i:]...) // the others would fare the same
		}
		rest, err = append(rest, l), nil
	}
	return rest
}

// SweepAll removes all temporary files at a destination, whoever made them,
// whose last change is longer ago.
func (x *Executor) SweepAll(ctx context.Context, destination string, olderThan time.Duration) ([]string, error) {
	d, _, err := x.destination(ctx, destination)
	if err != nil {
		return nil, x.clean("", err)
	}
	s, ok := sdk.As[sdk.Sweeper](d)
	if !ok {
		return nil, nil // it leaves nothing
	}
	r, err := s.Sweep(ctx, sdk.SweepRequest{OlderThan: olderThan})
	if err != nil {
		return nil, x.clean("", err)
	}
	return r.Removed, nil
}
