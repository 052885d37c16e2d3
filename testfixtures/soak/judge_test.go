package soak

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim"
)

var start = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)

func at(seconds int) time.Time {
	if seconds < 0 {
		return time.Time{}
	}
	return start.Add(time.Duration(seconds) * time.Second)
}

// device has one domain for each list of the moments at which it went away and
// came back; -1: it has not come back.
func device(name string, domains ...[]int) dpsim.DeviceState {
	d := dpsim.DeviceState{Name: name}
	for i, moments := range domains {
		s := dpsim.DomainState{Name: string(rune('a' + i))}
		for pair := range slices.Chunk(moments, 2) {
			s.Outages = append(s.Outages, dpsim.Outage{From: at(pair[0]), To: at(pair[1])})
		}
		d.Domains = append(d.Domains, s)
	}
	return d
}

func TestOutagesAreJudged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		devices []dpsim.DeviceState
		want    verdict
		says    string // of the only violation
	}{
		"one after the other": {
			devices: []dpsim.DeviceState{device("p1-a", []int{0, 4}), device("p1-b", []int{6, 9})},
			want:    verdict{Outages: 2, MostDown: 1, Longest: 4 * time.Second, LongestOf: "p1-a", ShortestPause: 2 * time.Second},
		},
		"domains of a device are one outage": {
			devices: []dpsim.DeviceState{device("p1-a", []int{0, 4, 9, 10}, []int{3, 7, 7, 8})},
			want:    verdict{Outages: 2, MostDown: 1, Longest: 8 * time.Second, LongestOf: "p1-a", ShortestPause: -1},
		},
		"an outage goes on": {
			devices: []dpsim.DeviceState{device("p1-a", []int{1, -1}, []int{2, 3})},
			want:    verdict{Outages: 1, MostDown: 1, Longest: 99 * time.Second, LongestOf: "p1-a", ShortestPause: -1},
		},
		"as many as may be": {
			devices: []dpsim.DeviceState{device("p1-a", []int{0, 4}), device("p2-a", []int{1, 5}), device("p3-b", []int{4, 5})},
			want:    verdict{Outages: 3, MostDown: 2, Longest: 4 * time.Second, LongestOf: "p1-a", ShortestPause: -1},
		},
		"too many": {
			devices: []dpsim.DeviceState{device("p1-a", []int{0, 4}), device("p2-a", []int{1, 5}), device("p3-b", []int{3, 5})},
			want:    verdict{Outages: 3, MostDown: 3, Longest: 4 * time.Second, LongestOf: "p1-a", ShortestPause: -1},
			says:    "3 devices are down, and 2 may be",
		},
		"both of a pair": {
			devices: []dpsim.DeviceState{device("p1-a", []int{0, -1}), device("p1-b", []int{6, 7})},
			want:    verdict{Outages: 2, MostDown: 2, BothDown: 1, Longest: 100 * time.Second, LongestOf: "p1-a", ShortestPause: -1},
			says:    "both members of p1 are down",
		},
		"too soon after the other": {
			devices: []dpsim.DeviceState{device("p1-a", []int{6, 7}), device("p1-b", []int{0, 6})},
			want:    verdict{Outages: 2, MostDown: 1, Longest: 6 * time.Second, LongestOf: "p1-b", ShortestPause: 0},
			says:    "p1-a is quiesced 0s after",
		},
		"no other member was away": {
			devices: []dpsim.DeviceState{device("p1-a", []int{0, 1, 1, 2, 3, 4})},
			want:    verdict{Outages: 2, MostDown: 1, Longest: 2 * time.Second, LongestOf: "p1-a", ShortestPause: -1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := judge(at(100), outages(c.devices, pairOf), bounds{maxDevices: 2, settle: time.Second})
			if c.says == "" && len(got.Violations) > 0 || c.says != "" && (len(got.Violations) != 1 || !strings.Contains(got.Violations[0], c.says)) {
				t.Errorf("violations: %q, want %q", got.Violations, c.says)
			}
			got.Violations = nil
			if !got.equal(c.want) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func (v verdict) equal(o verdict) bool {
	return v.Outages == o.Outages && v.MostDown == o.MostDown && v.BothDown == o.BothDown && v.Longest == o.Longest && v.LongestOf == o.LongestOf && v.ShortestPause == o.ShortestPause
}

func TestWhatIsNotNamedIsFound(t *testing.T) {
	t.Parallel()
	before := downSince([]dpsim.DeviceState{
		device("p1-a", []int{0, 4, 5, -1}, []int{0, -1}, []int{1, 2}), // a and b are down
		device("p2-a", []int{0, -1}),
		device("p3-a", []int{0, -1}),
		device("p4-a", []int{0, -1}),
	})
	after := downSince([]dpsim.DeviceState{
		device("p1-a", []int{0, 4, 5, -1}, []int{0, -1}),
		device("p2-a", []int{0, -1}),
		device("p3-a", []int{0, 7, 8, -1}), // it was back in between
		device("p4-a", []int{0, 7}),
	})
	got := unnamed(before, after, []target{{"p1-a", "b"}, {"p2-a", ""}})
	if want := []target{{"p1-a", "a"}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
