package soak

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim"
)

// outage is a time for which a device was not wholly in service by a quiesce.
type outage struct {
	device, pair string
	from, to     time.Time // to: zero while it goes on
}

func (o outage) String() string {
	if o.to.IsZero() {
		return fmt.Sprintf("%s out of service since %s", o.device, o.from.Format(clockFormat))
	}
	return fmt.Sprintf("%s out of service %s to %s", o.device, o.from.Format(clockFormat), o.to.Format(clockFormat))
}

const clockFormat = "15:04:05.000"

// outages are the times for which each device had a domain out of service, of
// all devices, by their beginning.
func outages(devices []dpsim.DeviceState, pairOf func(device string) string) []outage {
	var out []outage
	for _, d := range devices {
		var all []dpsim.Outage
		for _, domain := range d.Domains {
			all = append(all, domain.Outages...)
		}
		slices.SortFunc(all, func(a, b dpsim.Outage) int { return a.From.Compare(b.From) })
		first := len(out)
		for _, o := range all {
			last := len(out) - 1
			switch {
			case last < first || !out[last].to.IsZero() && o.From.After(out[last].to):
				out = append(out, outage{d.Name, pairOf(d.Name), o.From, o.To})
			case out[last].to.IsZero():
			case o.To.IsZero() || o.To.After(out[last].to):
				out[last].to = o.To
			}
		}
	}
	slices.SortStableFunc(out, func(a, b outage) int { return a.from.Compare(b.from) })
	return out
}

// verdict is what the outages of a round come to.
type verdict struct {
	Outages   int
	MostDown  int           // devices out of service at once
	BothDown  int           // times that both members of a pair were
	Longest   time.Duration // outage
	LongestOf string
	// ShortestPause is the least time between the return of one member of a pair and
	// the quiesce of the other; negative where there was none.
	ShortestPause time.Duration
	Violations    []string
}

// bounds are what a plan allows.
type bounds struct {
	maxDevices int
	settle     time.Duration
}

// judge looks at all outages, which stand by their beginning, at a time.
func judge(now time.Time, all []outage, b bounds) verdict {
	v := verdict{Outages: len(all), ShortestPause: -1}
	var down []outage
	lastOf := map[string]outage{} // the last outage of a pair that is over
	for _, o := range all {
		down = slices.DeleteFunc(down, func(d outage) bool {
			over := !d.to.IsZero() && !d.to.After(o.from)
			if last := lastOf[d.pair]; over && d.to.After(last.to) {
				lastOf[d.pair] = d
			}
			return over
		})
		for _, d := range down {
			if d.pair == o.pair {
				v.BothDown++
				v.Violations = append(v.Violations, fmt.Sprintf("both members of %s are down: %s, %s", o.pair, d, o))
			}
		}
		if last, any := lastOf[o.pair]; any && last.device != o.device {
			pause := o.from.Sub(last.to)
			if v.ShortestPause < 0 || pause < v.ShortestPause {
				v.ShortestPause = pause
			}
			if pause < b.settle {
				v.Violations = append(v.Violations, fmt.Sprintf("%s is quiesced %s after its pair's other member is back, which is less than %s: %s, %s", o.device, pause, b.settle, last, o))
			}
		}
		down = append(down, o)
		if n := len(down); n > v.MostDown {
			v.MostDown = n
			if n > b.maxDevices {
				v.Violations = append(v.Violations, fmt.Sprintf("%d devices are down, and %d may be: %v", n, b.maxDevices, down))
			}
		}
		end := o.to
		if end.IsZero() {
			end = now
		}
		if lasted := end.Sub(o.from); lasted > v.Longest {
			v.Longest, v.LongestOf = lasted, o.device
		}
	}
	return v
}

// target is a domain of a device.
type target struct{ device, domain string }

// downSince are the domains that are out of service, and since when.
func downSince(devices []dpsim.DeviceState) map[target]time.Time {
	out := map[target]time.Time{}
	for _, d := range devices {
		for _, domain := range d.Domains {
			if n := len(domain.Outages); n > 0 && domain.Outages[n-1].To.IsZero() {
				out[target{d.Name, domain.Name}] = domain.Outages[n-1].From
			}
		}
	}
	return out
}

// unnamed are the domains that were out of service both before and after dprun
// has listed what is owed, without a return in between, and are not in the list.
// A listed domain that is empty stands for all of its device.
func unnamed(before, after map[target]time.Time, listed []target) []target {
	var out []target
	for t, since := range before {
		if again, still := after[t]; still && again.Equal(since) && !slices.Contains(listed, t) && !slices.Contains(listed, target{t.device, ""}) {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b target) int {
		return cmp.Or(cmp.Compare(a.device, b.device), cmp.Compare(a.domain, b.domain))
	})
	return out
}
