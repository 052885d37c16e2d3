package lifecycle

import (
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/plan/window"
)

// TestAWindowThatWillBeMissedIsForeseen from what tasks took so far.
func TestAWindowThatWillBeMissedIsForeseen(t *testing.T) {
	t.Parallel()
	night := &window.Window{Name: "night", Timezone: "UTC", Allow: []window.Allow{{From: "22:00", To: "24:00"}}}
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	times := Timeouts{Quiesce: time.Minute, Unquiesce: time.Minute, Grace: 3 * time.Minute}
	domain := func(id string, usual time.Duration) TaskSpec {
		return TaskSpec{ID: id, Domain: "a", Activity: Activity{Quiesce: QuiesceDomain}, Timeouts: times, Window: night, Usual: usual}
	}
	plain := TaskSpec{ID: "plain", Domain: "a", Timeouts: times, Window: night, Usual: 100 * time.Minute}
	for name, c := range map[string]struct {
		spec  RunSpec
		tasks []TaskSpec
		want  string
	}{
		"no window":              {RunSpec{}, []TaskSpec{domain("x", 9*time.Hour)}, ""},
		"nothing is known":       {RunSpec{Window: night}, []TaskSpec{domain("x", 0), domain("y", 0)}, ""},
		"one by one it fits":     {RunSpec{Window: night, Guard: Guard{MaxDevices: 1}}, []TaskSpec{domain("x", time.Hour), domain("y", time.Hour)}, ""},
		"one by one it does not": {RunSpec{Window: night, Guard: Guard{MaxDevices: 1}}, []TaskSpec{domain("x", time.Hour), domain("y", 61*time.Minute)}, "took 2h1m0s so far, 1 device(s) at once"},
		"two at once it fits":    {RunSpec{Window: night, Guard: Guard{MaxDevices: 2}}, []TaskSpec{domain("x", time.Hour), domain("y", 61*time.Minute)}, ""},
		"one takes too long":     {RunSpec{Window: night}, []TaskSpec{domain("x", time.Hour), domain("y", 121*time.Minute)}, "too short for y"},
		"no quiesce, no queue":   {RunSpec{Window: night, Guard: Guard{MaxDevices: 1}}, []TaskSpec{plain, plain}, ""},
	} {
		got := c.spec.Overrun(noon, c.tasks)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	for left, want := range map[time.Duration]string{time.Hour: "", 59 * time.Minute: "usually takes 1h0m0s", 7 * time.Minute: "may take 8m0s"} {
		if got := domain("x", time.Hour).tooShort(left, 0, "x"); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s left: %q, want %q", left, got, want)
		}
	}
	if got := domain("x", time.Hour).tooShort(20*time.Minute, 45*time.Minute, "x"); got != "" {
		t.Errorf("what was spent already counts again: %q", got)
	}
}
