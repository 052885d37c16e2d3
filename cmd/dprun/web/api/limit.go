package api

import (
	"context"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner/report"
)

// sees decides what a caller may see and touch. All routes use it, and nothing else
// does.
type sees struct{ access.Sight }

// sight returns what the caller of a request may see.
func (a *api) sight(ctx context.Context) (sees, error) {
	who, ok := access.From(ctx)
	if !ok {
		return sees{}, unknownCaller()
	}
	s := sees{access.Sight{Who: who, Fleet: access.Fleet{}}}
	if len(who.Labels) == 0 {
		return s, nil // access is not limited by labels, so the labels do not matter
	}
	all, err := a.Desk.Plans(ctx)
	for _, p := range all {
		s.Fleet.Add(p.Plan, p.Devices)
	}
	return s, err
}

// device reports whether things of a device in a plan are visible. Things that should
// name a device but do not are hidden from callers who are limited by labels.
func (s sees) device(plan, device string) bool {
	return (device != "" || len(s.Who.Labels) == 0) && s.Device(plan, device)
}

// wholeRun reports whether all of a run is visible, even if its plan had other devices
// at that time.
func (s sees) wholeRun(d report.RunDetail) (bool, error) {
	if len(s.Who.Labels) == 0 || d.Details == nil {
		return s.Whole(d.Plan), nil
	}
	whole := s.Whole(d.Plan)
	for t, err := range d.Details {
		if err != nil {
			return false, err
		}
		whole = whole && s.device(d.Plan, t.Device)
	}
	return whole, nil
}

// wholeRecord reports whether everything in a record of evidence is visible.
func (s sees) wholeRecord(r report.EvidenceDetail) bool {
	if s.All() {
		return true
	}
	whole := r.Plan != "" && s.Whole(r.Plan)
	of := func(device string) { whole = whole && (device == "" || s.device(r.Plan, device)) }
	for _, t := range r.Tasks {
		of(t.Device)
	}
	for _, o := range r.Outages {
		of(o.Device)
	}
	for _, c := range r.Copies {
		of(c.Device)
	}
	for _, x := range r.Actions {
		of(x.Device)
	}
	return whole
}
