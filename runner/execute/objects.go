package execute

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

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
