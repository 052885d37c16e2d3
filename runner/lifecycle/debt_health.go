package lifecycle

import (
	"cmp"
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
	why = cmp.Or(why, "down")
	return fmt.Sprintf("%s (domain %s: %s)", name, domain, why)
}

// mostNamed is how many objects a message names.
const mostNamed = 10

// listed returns what a message names, and how many more there are.
func listed(names []string) string {
	if more := len(names) - mostNamed; more > 0 {
		names = append(slices.Clone(names[:mostNamed]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// healing is the last part of a way back: the target is in service, and the
// objects that must be up again are read.
type healing struct {
	since time.Time // timeouts.healthy counts from here
	polls polls
	// only are the domains to read next, if some domains of a device lack
	// nothing; empty: all. So a gateway with many domains is not asked about
	// each of them again and again.
	only  []string
	lacks []string          // what the latest reading lacks
	read  *sdk.HealthReport // the latest reading
}

// beginHealing looks at the objects at once.
func (d *Debt) beginHealing(now time.Time) {
	d.healing.since = now
	d.lookAtAll(now)
	d.on(debtReadIn)
}

// lookAtAll reads every domain at once.
func (d *Debt) lookAtAll(now time.Time) {
	h := &d.healing
	h.only = nil
	h.polls.n++
	h.polls.at = now
}

// onHealth judges a reading of the objects. A reading that failed, or that
// leaves a domain out, shows no object as up. Only a reading of every domain
// ends the way back.
func (d *Debt) onHealth(now time.Time, r *sdk.HealthReport, f *failure.Error) {
	h := &d.healing
	lacks, where := d.spec.unwell(r, f, h.only)
	if len(lacks) == 0 && len(h.only) == 0 {
		h.read, h.lacks = r, nil
		d.on(debtReadUp)
		return
	}
	if len(lacks) == 0 {
		d.lookAtAll(now)
		d.on(debtReadPart)
		return
	}
	if f == nil && r != nil && len(where) < len(d.spec.Up) {
		h.only = where
	}
	h.lacks = lacks
	h.polls.next(now, d.spec.Seed, d.id("health"))
	d.on(debtReadIll)
}

// unwell lists the objects that were up and that a reading of some domains (nil:
// of all) does not show as up, and their domains. It does not wait for an object
// that somebody has disabled since: no quiesce does that.
func (s DebtSpec) unwell(r *sdk.HealthReport, f *failure.Error, only []string) (lacks, where []string) {
	if f != nil {
		return []string{"the objects cannot be read (" + f.Error() + ")"}, only
	}
	if r == nil {
		return []string{"the objects were not told"}, only
	}
	unread := map[string]string{}
	for _, u := range r.Unread {
		unread[u.Domain] = u.Failure.Error()
	}
	seen := map[objectID]sdk.ObjectHealth{}
	for _, o := range r.Objects {
		id := objectID{o.Domain, nameOf(o)}
		if before, twice := seen[id]; !twice || before.Up {
			seen[id] = o
		}
	}
	if len(only) == 0 {
		only = slices.Sorted(maps.Keys(s.Up))
	}
	for _, domain := range only {
		before := len(lacks)
		if why, ok := unread[domain]; ok {
			lacks = append(lacks, fmt.Sprintf("the objects of domain %s cannot be read (%s)", domain, why))
		} else {
			for _, name := range s.Up[domain] {
				switch o, there := seen[objectID{domain, name}]; {
				case !there:
					lacks = append(lacks, described(domain, name, "the gateway does not list it"))
				case !o.Up && !o.Disabled:
					lacks = append(lacks, described(domain, name, o.Detail))
				}
			}
		}
		if len(lacks) > before {
			where = append(where, domain)
		}
	}
	return lacks, where
}

// Unwell reports whether the attempt ended with the target in service and its
// objects not up.
func (d *Debt) Unwell() bool { return d != nil && d.state == debtUnwell }
