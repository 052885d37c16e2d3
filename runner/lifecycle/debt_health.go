package lifecycle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Objects are the names of objects, "CLASS NAME", by their domain.
type Objects map[string][]string

func (o Objects) add(domain, name string) { o[domain] = append(o[domain], name) }

func nameOf(o sdk.ObjectHealth) string { return o.Class + " " + o.Name }

// described is an object as a message names it, with what the device says of it.
func described(domain, name, why string) string {
	if why == "" {
		why = "down"
	}
	return fmt.Sprintf("%s (domain %s: %s)", name, domain, why)
}

// mostNamed is how many objects a message names.
const mostNamed = 10

// listed writes what a message names, and how much more there is.
func listed(names []string) string {
	if more := len(names) - mostNamed; more > 0 {
		names = append(slices.Clone(names[:mostNamed]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// healing is the last part of a way back: the target is in service, and the
// objects are looked at that must be up again.
type healing struct {
	since time.Time // timeouts.healthy counts from here
	polls polls
	lacks []string          // what the latest reading lacks
	read  *sdk.HealthReport // the latest reading
}

// beginHealing looks at the objects at once.
func (d *Debt) beginHealing(now time.Time) {
	d.healing.since = now
	d.healing.polls.n++
	d.healing.polls.at = now
	d.on(debtReadIn)
}

// onHealth judges a reading of the objects. A reading that could not be had, or
// that leaves a domain out, shows nothing to be up.
func (d *Debt) onHealth(now time.Time, r *sdk.HealthReport, f *failure.Error) {
	h := &d.healing
	h.read, h.lacks = r, d.spec.unwell(r, f)
	if len(h.lacks) == 0 {
		d.on(debtReadUp)
		return
	}
	h.polls.next(now, d.spec.Seed, d.id("health"))
	d.on(debtReadIll)
}

// unwell lists what a reading lacks to show every object up that was. An object
// that somebody has disabled since is not waited for: no quiesce does that.
func (s DebtSpec) unwell(r *sdk.HealthReport, f *failure.Error) (lacks []string) {
	if f != nil {
		return []string{"the objects cannot be read (" + f.Error() + ")"}
	}
	if r == nil {
		return []string{"the objects were not told"}
	}
	unread := map[string]string{}
	for _, u := range r.Unread {
		unread[u.Domain] = u.Failure.Error()
	}
	seen := map[string]map[string]sdk.ObjectHealth{}
	for _, o := range r.Objects {
		if seen[o.Domain] == nil {
			seen[o.Domain] = map[string]sdk.ObjectHealth{}
		}
		if before, twice := seen[o.Domain][nameOf(o)]; !twice || before.Up {
			seen[o.Domain][nameOf(o)] = o
		}
	}
	for _, domain := range slices.Sorted(maps.Keys(s.Up)) {
		if why, ok := unread[domain]; ok {
			lacks = append(lacks, fmt.Sprintf("the objects of domain %s cannot be read (%s)", domain, why))
			continue
		}
		for _, name := range s.Up[domain] {
			switch o, there := seen[domain][name]; {
			case !there:
				lacks = append(lacks, described(domain, name, "the gateway does not list it"))
			case !o.Up && !o.Disabled:
				lacks = append(lacks, described(domain, name, o.Detail))
			}
		}
	}
	return lacks
}

// Unwell reports whether the attempt ended with the target in service and its
// objects not up.
func (d *Debt) Unwell() bool { return d != nil && d.state == debtUnwell }
