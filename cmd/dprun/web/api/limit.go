package api

import (
	"context"
	"maps"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner/report"
)

// fleet is which devices the served plans have, and their labels: what limits of
// access are measured by.
type fleet map[string]map[string]map[string]string // plan, device, label

// fleetOf is the devices of all plans. Of two plans of one name, a device that they
// label differently has none: whose it is cannot be told.
func fleetOf(all []report.ServedPlan) fleet {
	out := fleet{}
	for _, p := range all {
		if out[p.Plan] == nil {
			out[p.Plan] = map[string]map[string]string{}
		}
		for device, labels := range p.Devices {
			if before, twice := out[p.Plan][device]; twice && !maps.Equal(before, labels) {
				labels = nil
			}
			out[p.Plan][device] = labels
		}
	}
	return out
}

// sees decides what one caller sees, and what he may touch. All routes ask it, and
// nothing else does. What it cannot know it denies.
type sees struct {
	who   access.Principal
	fleet fleet // nil: he is not limited to labels, so nobody asks
}

// sight is what the caller of a request sees.
func (a *api) sight(ctx context.Context) (sees, error) {
	who, ok := access.From(ctx)
	if !ok {
		return sees{}, unknownCaller()
	}
	s := sees{who: who}
	if len(who.Labels) == 0 {
		return s, nil
	}
	all, err := a.Desk.Plans(ctx)
	s.fleet = fleetOf(all)
	return s, err
}

// all reports whether nothing is kept from him.
func (s sees) all() bool { return len(s.who.Plans) == 0 && len(s.who.Labels) == 0 }

// device reports whether he sees what belongs to a device in a plan. Of what
// belongs to no plan, the plan is empty.
func (s sees) device(plan, device string) bool {
	if len(s.who.Labels) == 0 {
		return s.who.MaySeePlan(plan)
	}
	if plan != "" {
		return s.who.MaySee(plan, s.fleet[plan][device])
	}
	if !s.who.MaySeePlan("") {
		return false
	}
	for _, devices := range s.fleet {
		if labels, has := devices[device]; has && s.who.MaySee("", labels) {
			return true
		}
	}
	return false
}

// plan reports whether he sees a plan: one of its devices is enough.
func (s sees) plan(name string) bool {
	if len(s.who.Labels) == 0 {
		return s.who.MaySeePlan(name)
	}
	for device := range s.fleet[name] {
		if s.device(name, device) {
			return true
		}
	}
	return false
}

// wholeRun reports whether he sees all of a run, also of one whose plan had other
// devices than now.
func (s sees) wholeRun(d report.RunDetail) (bool, error) {
	if len(s.who.Labels) == 0 || d.Details == nil {
		return s.whole(d.Plan), nil
	}
	whole := s.whole(d.Plan)
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
	if s.all() {
		return true
	}
	whole := r.Plan != "" && s.whole(r.Plan)
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

// whole reports whether he sees all of a plan: what he does to it touches no device
// that he does not see.
func (s sees) whole(name string) bool {
	if len(s.who.Labels) == 0 {
		return s.who.MaySeePlan(name)
	}
	for device := range s.fleet[name] {
		if !s.device(name, device) {
			return false
		}
	}
	return len(s.fleet[name]) > 0
}
