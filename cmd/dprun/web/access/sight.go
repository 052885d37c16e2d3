package access

import "maps"

// Fleet is which devices the served plans have, and their labels: what limits are
// measured by. The keys are plan, device and label.
type Fleet map[string]map[string]map[string]string

// Add enters the devices of a plan. Of two plans of one name, a device that they
// label differently has no labels: whose it is cannot be told.
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

// Sight is what somebody sees, and may touch. What it cannot know it denies.
type Sight struct {
	Who   Principal
	Fleet Fleet // may be nil where he is not limited to labels
}

// All reports whether nothing is kept from him.
func (s Sight) All() bool { return len(s.Who.Plans) == 0 && len(s.Who.Labels) == 0 }

// Device reports whether he sees what belongs to a device in a plan. Of what
// belongs to no plan, the plan is empty; of what belongs to no device, the device.
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

// Plan reports whether he sees a plan: one of its devices is enough.
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

// Whole reports whether he sees all of a plan: what he does to it touches no device
// that he does not see.
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
