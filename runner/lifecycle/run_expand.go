package lifecycle

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dprun/dprun/plan/pattern"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// expand turns activities into tasks, in definition order, and validates each.
func (r *Run) expand() {
	for _, a := range r.spec.Activities {
		r.expandUnmatched(a)
		for _, name := range a.Devices {
			d := r.byName[name]
			switch {
			case d.spec.Blocked != "":
				r.dismissed(a, name, a.Unexpanded(name), status.SkippedDeviceStillOwes, d.spec.Blocked)
			case d.call.failure != nil:
				r.dismissed(a, name, a.Unexpanded(name), inspectCode(d.call.failure), d.call.failure.Error())
			case r.spec.BlockedBoxes[d.inspection.Facts.Identity] != "":
				r.dismissed(a, name, a.Unexpanded(name), status.SkippedDeviceStillOwes, r.spec.BlockedBoxes[d.inspection.Facts.Identity])
			case a.Scope == schema.ScopeDevice:
				t := r.newTask(a, name, "")
				r.waiting.add(t)
				r.unvalidated = append(r.unvalidated, t)
			default:
				r.expandDomains(a, d)
			}
		}
	}
}

func (r *Run) expandUnmatched(a Activity) {
	for _, p := range a.Unmatched {
		r.dismissed(a, p, a.Unexpanded(p), status.SkippedNoDevicesMatchingPattern, "no device of the plan matches "+p+"; check the pattern, or remove it")
	}
}

// expandDomains makes a task for every domain that matches.
func (r *Run) expandDomains(a Activity, d *device) {
	set := a.domainsOf(d.name)
	matches := func(domain string) bool {
		return set.Matches(domain) && (a.Only == nil || a.Only.Matches(domain))
	}
	found := false
	var names []string
	for _, dom := range d.inspection.Domains {
		names = append(names, dom.Name)
		if !matches(dom.Name) {
			continue
		}
		found = true
		if dom.APIConnect {
			r.dismissed(a, d.name, dom.Name, status.SkippedAPICDomain, "the domain belongs to API Connect, which backs it up itself")
			continue
		}
		if code, why := d.undecided(a, dom.Name); code != "" {
			r.dismissed(a, d.name, dom.Name, code, why)
			continue
		}
		r.waiting.add(r.newTask(a, d.name, dom.Name))
	}
	for _, gone := range r.spec.LastDomains[a.Name+"/"+d.name] {
		if matches(gone) && !slices.Contains(names, gone) {
			found = true
			r.dismissed(a, d.name, gone, status.DomainVanished, "the last good run backed this domain up, and the device no longer has it")
		}
	}
	if !found {
		r.dismissed(a, d.name, a.Unexpanded(d.name), status.SkippedNoDomainsMatchingPattern, a.unmatched(d.name, names))
	}
}

// unmatched returns why the activity is for none of the device's domains.
func (a Activity) unmatched(device string, has []string) string {
	list := strings.Join(has, ", ")
	if a.Only == nil {
		return "no domain of " + device + " matches; it has: " + list
	}
	for _, name := range has {
		if a.Only.Matches(name) {
			return a.leftOut(device, name)
		}
	}
	return "no domain of " + device + " is named by --only; it has: " + list
}

// leftOut returns the rule of the plan by which a domain does not belong to an
// activity.
func (a Activity) leftOut(device, domain string) string {
	set := a.domainsOf(device)
	for _, p := range set {
		for _, except := range p.Except {
			if pattern.Glob(except, domain) && (pattern.Pattern{Match: p.Match}).Matches(domain) {
				return fmt.Sprintf("--only names domain %s, and activity %s leaves it out on %s: its pattern %s has except %q", domain, a.Name, device, quoted(p.Match), except)
			}
		}
	}
	return fmt.Sprintf("--only names domain %s, and activity %s does not mean it on %s: its domains are %s", domain, a.Name, device, quoted(strings.Split(a.Unexpanded(device), ",")))
}

func quoted(names []string) string {
	var out []string
	for _, n := range names {
		out = append(out, fmt.Sprintf("%q", n))
	}
	return strings.Join(out, ", ")
}

// excluded returns a domain that --only names and that the activity is not for;
// empty if that is not certain without the device's own list.
func (a Activity) excluded(device string) string {
	if a.Only == nil || a.Scope == schema.ScopeDevice {
		return ""
	}
	excluded := ""
	for _, p := range *a.Only {
		for _, glob := range p.Match {
			if !pattern.IsLiteral(glob) || a.domainsOf(device).Matches(glob) {
				return ""
			}
			excluded = glob
		}
	}
	return excluded
}

// undecided returns why a domain must not be quiesced if nobody could read
// whether API Connect manages it. The code is empty if nothing forbids it.
func (d *device) undecided(a Activity, domain string) (status.Code, string) {
	if spec := (TaskSpec{Activity: a, Domain: domain, OnlyDefault: d.onlyDefault()}); !spec.Quiesces() {
		return "", ""
	}
	for _, u := range d.inspection.Unread {
		if u.Fact == sdk.FactAPIConnect && u.Domain == domain {
			return unreadCode(u.Failure), "not quiesced, as it may belong to API Connect: " + u.Failure.Error()
		}
	}
	return "", ""
}

// advanceValidate asks the devices about the tasks for whole devices.
func (r *Run) advanceValidate() {
	if r.stopped() {
		r.dismissForStop()
		r.to(stageStops)
		return
	}
	r.validating = slices.DeleteFunc(r.validating, func(t *Task) bool { return !t.validating() })
	for len(r.validating) < inspectAtOnce && len(r.unvalidated) > 0 {
		t := r.unvalidated[0]
		r.unvalidated = r.unvalidated[1:]
		if t.Final() == nil {
			r.validating = append(r.validating, t)
			r.take(t, t.Validate(r.now))
		}
	}
	if len(r.validating) > 0 {
		return
	}
	if r.waiting.len() == 0 {
		r.to(stageStops)
		return
	}
	r.to(stageNext)
}

// expandUncontacted makes the tasks that are known without contacting a
// device, and ends each.
func (r *Run) expandUncontacted(c status.Code, message string) {
	for _, a := range r.spec.Activities {
		r.expandUnmatched(a)
		for _, name := range a.Devices {
			if domain := a.excluded(name); domain != "" {
				r.dismissed(a, name, a.Unexpanded(name), status.SkippedNoDomainsMatchingPattern, a.leftOut(name, domain))
				continue
			}
			r.dismissed(a, name, a.Unexpanded(name), c, message)
		}
	}
}

// Foreseen is a task before anything was contacted. Code and Message say how it
// would end in any case; they are empty for one that would run.
type Foreseen struct {
	Spec    TaskSpec
	Code    status.Code
	Message string
}

// Uncontacted returns the tasks that are known without contacting a device.
// Tasks for domains are not expanded.
func Uncontacted(spec RunSpec) []Foreseen {
	r := NewRun(spec)
	r.expandUncontacted(status.PlanFailedPreValidation, "")
	var out []Foreseen
	for _, t := range r.tasks {
		f := Foreseen{Spec: t.Spec()}
		if t.final != nil && status.Code(t.final.Code) != status.PlanFailedPreValidation {
			f.Code, f.Message = status.Code(t.final.Code), t.final.Message
		}
		out = append(out, f)
	}
	return out
}

// Unusable is a destination that did not pass the run's own check: every task
// that stores there would end in Code.
type Unusable struct {
	Name    string
	Code    status.Code
	Message string
}

// Unusable lists the destinations that cannot be used, in the plan's order. It
// is complete once the check of the destinations is over.
func (r *Run) Unusable() []Unusable {
	var out []Unusable
	for _, d := range r.dests {
		switch {
		case d.call.failure != nil:
			out = append(out, Unusable{d.spec.Name, destinationCode(d.spec.Family, d.call.failure), d.call.failure.Error()})
		case d.short != "":
			full := failure.New(failure.NoSpace, failure.OutOfSpace, "%s", d.short)
			out = append(out, Unusable{d.spec.Name, destinationCode(d.spec.Family, full), d.short})
		}
	}
	return out
}

func (a Activity) domainsOf(device string) pattern.Set {
	if s, ok := a.DomainsByDevice[device]; ok {
		return s
	}
	return a.Domains
}

// Unexpanded stands for the domains of an activity on a device while they are
// not known: it is the activity's patterns. It is empty for an activity on whole
// devices.
func (a Activity) Unexpanded(device string) string {
	if a.Scope == schema.ScopeDevice {
		return ""
	}
	var parts []string
	for _, p := range a.domainsOf(device) {
		parts = append(parts, p.Match...)
	}
	return strings.Join(parts, ",")
}

// TaskID names a task: activity/device, and /domain where it is for one.
func TaskID(activity, device, domain string) string {
	id := activity + "/" + device
	if domain != "" {
		id += "/" + domain
	}
	return id
}

// newTask queues a task.
func (r *Run) newTask(a Activity, device, domain string) *Task {
	id := TaskID(a.Name, device, domain)
	for r.byID[id] != nil { // two patterns of the same text
		id += "#"
	}
	at := place{a.Name, device}
	if r.shared[at] == nil {
		r.shared[at] = &sharedSpec{
			Run: r.spec.ID, Plan: r.spec.Plan, Activity: a, Device: device, Seed: r.spec.Seed, Window: r.spec.Window, Timeouts: r.spec.Timeouts,
			Destinations: r.spec.Destinations, OnlyDefault: r.byName[device].onlyDefault(), Guard: r.spec.Guard,
			Group: r.spec.Devices[device].Group, Peers: r.spec.Devices[device].Peers, Environment: r.spec.environment(device),
		}
	}
	t := &Task{spec: r.shared[at], id: id, domain: domain, lastSize: r.spec.LastSize[id], usual: r.spec.Usual[id], work: idle}
	r.tasks = append(r.tasks, t)
	r.byID[id] = t
	r.living++
	r.open[dependency(a.Name, device)]++
	r.take(t, t.Queue(r.now))
	return t
}

// dismissed makes a task that ends at once.
func (r *Run) dismissed(a Activity, device, domain string, c status.Code, message string) {
	t := r.newTask(a, device, domain)
	r.take(t, t.Dismiss(r.now, c, message))
}
