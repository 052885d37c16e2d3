package access

import (
	"maps"
	"slices"
)

// Fleet holds the labels of the devices of the served plans. Limits of access are
// checked against it. The keys are plan, device and label.
type Fleet map[string]map[string]map[string]string

// Add adds the devices of a plan. If two plans of the same name label a device
// differently, the device has no labels: nobody can tell whose it is.
func (f Fleet) Add(plan string, devices map[string]map[string]string) {
	if f[plan] == nil {
		f[plan] = map[string]map[string]string{}
	}
	for device, labels := range devices {
		if before, twice := f[plan][device]; twice && !maps.Equal(before, labels) {
			labels = nil
		}
		f[plan][device] = labels
	}
}

// Sight decides what a principal may see and touch. It denies what it cannot know.
type Sight struct {
	Who   Principal
	Fleet Fleet // may be nil if access is not limited by labels
}

// All reports whether nothing is hidden from the principal.
func (s Sight) All() bool { return len(s.Who.Plans) == 0 && len(s.Who.Labels) == 0 }

// Device reports whether things of a device in a plan are visible. plan is empty for
// things without a plan, device for things without a device.
func (s Sight) Device(plan, device string) bool {
	if device == "" {
		return s.Plan(plan)
	}
	if len(s.Who.Labels) == 0 {
		return s.Who.MaySeePlan(plan)
	}
	if plan != "" {
		return s.Who.MaySee(plan, s.Fleet[plan][device])
	}
	if !s.Who.MaySeePlan("") {
		return false
	}
	for _, devices := range s.Fleet {
		if labels, has := devices[device]; has && s.Who.MaySee("", labels) {
			return true
		}
	}
	return false
}

// Plan reports whether a plan is visible. One visible device is enough.
func (s Sight) Plan(name string) bool {
	if len(s.Who.Labels) == 0 {
		return s.Who.MaySeePlan(name)
	}
	for device := range s.Fleet[name] {
		if s.Device(name, device) {
			return true
		}
	}
	return false
}

// Whole reports whether all of a plan is visible, so that an action on the plan touches
// no hidden device.
func (s Sight) Whole(name string) bool {
	if len(s.Who.Labels) == 0 {
		return s.Who.MaySeePlan(name)
	}
	for device := range s.Fleet[name] {
		if !s.Device(name, device) {
			return false
		}
	}
	return len(s.Fleet[name]) > 0
}

// Concerns reports whether the principal sees everything that a request is about.
// plans are the plans concerned; none: every gateway.
func (s Sight) Concerns(plans []string) bool {
	return s.All() || len(plans) > 0 && !slices.ContainsFunc(plans, func(plan string) bool { return !s.Whole(plan) })
}

// Decides reports whether the principal may decide about somebody else's request,
// which requires the right to do the same.
func (s Sight) Decides(action string, plans []string) bool {
	least := Operator
	if action == "release" { // of a hold
		least = Admin
	}
	return s.Who.May(least) && s.Concerns(plans)
}
