package runner

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/plan/pattern"
	"github.com/dprun/dprun/runner/lifecycle"
)

// Only narrows a run. Values of one key are alternatives; all keys must fit.
type Only struct {
	expr       string // as it was written
	activities pattern.Set
	devices    pattern.Set
	doms       pattern.Set
	labels     map[string]pattern.Set
}

// ParseOnly reads the --only flag: "site=fra,device=fra-*,domain=orders".
func ParseOnly(expr string) (Only, error) {
	o := Only{labels: map[string]pattern.Set{}}
	if strings.TrimSpace(expr) == "" {
		return o, nil
	}
	o.expr = expr
	for term := range strings.SplitSeq(expr, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(term), "=")
		if !ok || key == "" || value == "" {
			return o, fmt.Errorf("read --only: %q is not KEY=GLOB; write for example site=fra,device=fra-*,domain=orders", term)
		}
		p := pattern.Literal(value)
		switch key {
		case "activity":
			o.activities = append(o.activities, p)
		case "device":
			o.devices = append(o.devices, p)
		case "domain":
			o.doms = append(o.doms, p)
		default:
			o.labels[key] = append(o.labels[key], p)
		}
	}
	return o, nil
}

// noDevices selects no device, so that only the secrets of destinations are read.
func noDevices() Only { return Only{devices: pattern.Set{}} }

func (o Only) activity(name string) bool { return o.activities == nil || o.activities.Matches(name) }

func (o Only) device(d *plan.Device) bool {
	if o.devices != nil && !o.devices.Matches(d.Name) {
		return false
	}
	for k, set := range o.labels {
		if v, ok := d.Labels[k]; !ok || !set.Matches(v) {
			return false
		}
	}
	return true
}

func (o Only) domains() *pattern.Set {
	if o.doms == nil {
		return nil
	}
	set := slices.Clone(o.doms)
	return &set
}

// check returns an error if a part of the selection fits nothing in the plan. A
// key that no device has as a label is a wrong command line; a value that fits
// nothing leaves nothing to do. spec is the narrowed plan.
func (o Only) check(p *plan.Plan, spec lifecycle.RunSpec) error {
	if o.expr == "" {
		return nil
	}
	var activities, devices []string
	labels := map[string][]string{}
	for _, a := range p.Activities {
		activities = append(activities, a.Name)
		for _, d := range a.Devices {
			if slices.Contains(devices, d.Name) {
				continue
			}
			devices = append(devices, d.Name)
			for k, v := range d.Labels {
				if !slices.Contains(labels[k], v) {
					labels[k] = append(labels[k], v)
				}
			}
		}
	}
	keys := append([]string{"activity", "device", "domain"}, slices.Sorted(maps.Keys(labels))...)
	for _, k := range slices.Sorted(maps.Keys(o.labels)) {
		if labels[k] == nil {
			return &Error{ExitUsage, suggesting(fmt.Sprintf("narrow plan %s with --only: %q is neither activity, device nor domain, and no device of the plan has it as a label", p.Name, k), k, keys)}
		}
	}
	nothing := func(set pattern.Set, what string, have []string) error {
		if set == nil || slices.ContainsFunc(have, set.Matches) {
			return nil
		}
		return &Error{ExitNothing, suggesting(fmt.Sprintf("narrow plan %s with --only: it has no %s", p.Name, what), set[0].Match[0], have)}
	}
	errs := []error{nothing(o.activities, "activity "+globs(o.activities), activities), nothing(o.devices, "device "+globs(o.devices), devices)}
	for _, k := range slices.Sorted(maps.Keys(o.labels)) {
		errs = append(errs, nothing(o.labels[k], "device with "+k+"="+globs(o.labels[k]), labels[k]))
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	if len(spec.Activities) == 0 {
		return &Error{ExitNothing, fmt.Errorf("narrow plan %s with --only %s: each term fits something, but nothing fits all of them; `dprun plan --offline` lists the activities and devices, `dprun validate` the labels", p.Name, o.expr)}
	}
	return nil
}

// globs writes the alternatives of one key.
func globs(s pattern.Set) string {
	var all []string
	for _, p := range s {
		all = append(all, p.Match...)
	}
	return strings.Join(all, " or ")
}

// suggesting adds to a message the most similar name, and the names that exist.
func suggesting(message, given string, have []string) error {
	const most = 10
	shown, rest := slices.Sorted(slices.Values(have)), ""
	if n := len(shown); n > most {
		shown, rest = shown[:most], fmt.Sprintf(" and %d more", n-most)
	}
	if s := diag.Suggest(given, have); s != "" {
		return fmt.Errorf("%s; did you mean %q? There is: %s%s", message, s, join(shown), rest)
	}
	return fmt.Errorf("%s; there is: %s%s", message, join(shown), rest)
}
