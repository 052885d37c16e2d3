package execute

import (
	"cmp"
	"context"
	"os"
	"slices"
	"time"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Root returns the name that a destination gives itself. It finds that out with
// a check, which does what a store does and leaves nothing.
func (x *Executor) Root(ctx context.Context, destination string) (string, error) {
	d, _, err := x.destination(ctx, destination)
	if err != nil {
		return "", x.clean("", err)
	}
	ctx, cancel := x.limited(ctx, destinationLimit)
	defer cancel()
	r, err := d.Check(ctx)
	if err != nil {
		return "", x.clean("", late(ctx, err))
	}
	return r.Location, nil
}

// List returns what a destination holds below a directory; empty: everything. An
// impossible list is a failure, so that nobody draws conclusions from it.
func (x *Executor) List(ctx context.Context, destination, prefix string) ([]sdk.Object, error) {
	d, _, err := x.destination(ctx, destination)
	if err != nil {
		return nil, x.clean("", err)
	}
	l, ok := sdk.As[sdk.Lister](d)
	if !ok {
		return nil, unable(destination, "list what it keeps")
	}
	ctx, cancel := x.limited(ctx, listLimit)
	defer cancel()
	found, err := l.List(ctx, prefix)
	if err != nil {
		return nil, x.clean("", late(ctx, err))
	}
	for i, o := range found {
		if sdk.CheckPath(o.Path) != nil || o.Size < 0 || i > 0 && found[i-1].Path >= o.Path {
			return nil, failure.New(failure.Corrupt, failure.Protocol, "destination %s: its list cannot be true: entry %d is %q with %d bytes", destination, i+1, o.Path, o.Size).
				WithRemedy("report it to the author of the plugin")
		}
	}
	return found, nil
}

// Leftovers returns the temporary objects at a destination, as far as it shows
// them.
func (x *Executor) Leftovers(ctx context.Context, destination string) ([]sdk.Object, error) {
	d, _, err := x.destination(ctx, destination)
	if err != nil {
		return nil, x.clean("", err)
	}
	l, ok := sdk.As[sdk.LeftoverLister](d)
	if !ok {
		return nil, nil
	}
	ctx, cancel := x.limited(ctx, listLimit)
	defer cancel()
	found, err := l.Leftovers(ctx, "")
	if err != nil {
		return nil, x.clean("", late(ctx, err))
	}
	return found, nil
}

// listLimit bounds a list, which may be long.
const listLimit = 10 * time.Minute

// Fetch copies one object of a destination to a new local file of at most so
// many bytes.
func (x *Executor) Fetch(ctx context.Context, destination string, q sdk.FetchRequest, most int64) (*sdk.FetchReport, error) {
	d, _, err := x.destination(ctx, destination)
	if err != nil {
		return nil, x.clean("", err)
	}
	reader, ok := sdk.As[sdk.Reader](d)
	if !ok {
		return nil, unable(destination, "give back what it keeps")
	}
	limited, end := x.limited(ctx, readLimit(most))
	defer end()
	ctx, cancel := context.WithCancelCause(limited)
	defer cancel(nil)
	tooLong := failure.New(failure.Corrupt, failure.Mismatch, "%s has more than %d bytes", q.Path, most)
	r, err := reader.Fetch(ctx, q, func(n int64) {
		if n > most {
			cancel(tooLong)
		}
	})
	switch {
	case context.Cause(ctx) == error(tooLong) || err == nil && r.Size > most:
		return nil, tooLong
	case err != nil:
		return nil, x.clean("", late(limited, err))
	}
	return r, nil
}

func unable(destination, what string) error {
	return failure.New(failure.Precondition, failure.BadConfig, "destination %s: its plugin cannot %s", destination, what)
}

// slowest is how many bytes a second a destination gives at least: one that
// gives less is taken for hung.
const slowest = 256 << 10

// readLimit is how long reading so many bytes may take.
func readLimit(size int64) time.Duration {
	return destinationLimit + time.Duration(size/slowest)*time.Second
}

// Sum reads an object that should have size bytes and gives its size and
// SHA-256. A destination that cannot do that alone is made to fetch it to file,
// which is removed again, where staging has room for it.
func (x *Executor) Sum(ctx context.Context, destination, path string, size int64, file string) (*sdk.FetchReport, error) {
	d, _, err := x.destination(ctx, destination)
	if err != nil {
		return nil, x.clean("", err)
	}
	if summer, ok := sdk.As[sdk.Summer](d); ok {
		ctx, cancel := x.limited(ctx, readLimit(size))
		defer cancel()
		r, err := summer.Sum(ctx, path, nil)
		if err != nil {
			return nil, x.clean("", late(ctx, err))
		}
		return r, nil
	}
	budget, err := x.Staging.Budget(0)
	if err != nil {
		return nil, stagingFailure(err)
	}
	if budget.Most < size {
		return nil, failure.New(failure.NoSpace, failure.StagingIO, "read %s: its plugin cannot hash what it keeps, and so %d bytes are to be fetched into staging; %d may be: %s", path, size, budget.Most, budget.Why).
			WithRemedy("make room in the state directory, for example with `dprun runs prune`")
	}
	defer os.Remove(file) //nolint:errcheck // its directory goes
	return x.Fetch(ctx, destination, sdk.FetchRequest{Path: path, File: file}, max(2*size, 1<<20))
}

// Delete removes one object of a destination. One that is not there is removed.
func (x *Executor) Delete(ctx context.Context, destination, path string) error {
	d, _, err := x.destination(ctx, destination)
	if err != nil {
		return x.clean("", err)
	}
	deleter, ok := sdk.As[sdk.Deleter](d)
	if !ok {
		return unable(destination, "delete what it keeps")
	}
	ctx, cancel := x.limited(ctx, destinationLimit)
	defer cancel()
	if err := deleter.Delete(ctx, path); err != nil {
		return x.clean("", late(ctx, err))
	}
	return nil
}

// objectsLimit bounds the reading of a domain's objects, so that a backup does
// not wait for it for long.
const objectsLimit = 30 * time.Second

// objects returns the states of a task's objects for its manifest. For a target
// that was quiesced, these are the states from before. A domain is asked with
// one request. A whole device is not asked, because that takes one request for
// each domain. If the states cannot be read, the manifest says so, and the task
// goes on.
func (x *Executor) objects(ctx context.Context, j engine.Job, s sdk.Source) []backups.Objects {
	x.mu.Lock()
	kept, read := x.before[j.Task.ID]
	delete(x.before, j.Task.ID)
	x.mu.Unlock()
	switch {
	case read:
		return kept
	case j.Task.Domain == "":
		return nil
	case j.Task.Quiesces():
		return []backups.Objects{{Domain: j.Task.Domain, Unread: "they were not read before the domain was quiesced"}}
	}
	if _, ok := sdk.As[sdk.Healther](s); !ok {
		return nil
	}
	ctx, cancel := x.limited(ctx, objectsLimit)
	defer cancel()
	r, err := Health(ctx, s, sdk.HealthRequest{Target: sdk.Target{Domain: j.Task.Domain}})
	if err != nil {
		return []backups.Objects{{Domain: j.Task.Domain, Unread: x.clean(j.Action.Device, late(ctx, err)).Error()}}
	}
	return objectsOf(r)
}

// keepObjects keeps the states that were read before a quiesce for the manifest.
func (x *Executor) keepObjects(task string, o []backups.Objects) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.before == nil {
		x.before = map[string][]backups.Objects{}
	}
	x.before[task] = o
}

// objectsOf sorts a reading by domain and by state.
func objectsOf(r *sdk.HealthReport) []backups.Objects {
	of := map[string]*backups.Objects{}
	domain := func(name string) *backups.Objects {
		if of[name] == nil {
			of[name] = &backups.Objects{Domain: name}
		}
		return of[name]
	}
	for _, o := range r.Objects {
		d, name := domain(o.Domain), o.Class+" "+o.Name
		switch {
		case o.Up && o.Serving:
			d.Up = append(d.Up, name)
		case o.Up:
		case o.Disabled:
			d.Disabled = append(d.Disabled, name)
		case o.Detail != "":
			d.Down = append(d.Down, name+": "+o.Detail)
		default:
			d.Down = append(d.Down, name)
		}
	}
	for _, u := range r.Unread {
		domain(u.Domain).Unread = cmp.Or(u.Failure, failure.New(failure.Internal, "", "the plugin does not say why")).Error()
	}
	var out []backups.Objects
	for _, o := range of {
		slices.Sort(o.Up)
		slices.Sort(o.Down)
		slices.Sort(o.Disabled)
		out = append(out, *o)
	}
	slices.SortFunc(out, func(a, b backups.Objects) int { return cmp.Compare(a.Domain, b.Domain) })
	return out
}
