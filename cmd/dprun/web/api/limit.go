package api

import (
	"context"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner/report"
)

// sees is what one caller sees, and what he may touch. All routes ask it, and
// nothing else.
type sees struct{ access.Sight }

// sight is what the caller of a request sees.
func (a *api) sight(ctx context.Context) (sees, error) {
	who, ok := access.From(ctx)
	if !ok {
		return sees{}, unknownCaller()
	}
	s := sees{access.Sight{Who: who, Fleet: access.Fleet{}}}
	if len(who.Labels) == 0 {
		return s, nil // he is not limited to labels, so nobody asks
	}
	all, err := a.Desk.Plans(ctx)
	for _, p := range all {
		s.Fleet.Add(p.Plan, p.Devices)
	}
	return s, err
}

// device reports whether he sees what belongs to a device in a plan. What should
// name a device and does not is kept from whoever is limited to labels.
func (s sees) device(plan, device string) bool {
	return (device != "" || len(s.Who.Labels) == 0) && s.Device(plan, device)
}

// wholeRun reports whether he sees all of a run, also of one whose plan had other
// devices than now.
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

// wholeRecord reports whether he sees all that a record of evidence tells of.
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
