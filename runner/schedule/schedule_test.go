package schedule_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dprun/dprun/plan/cron"
	"github.com/dprun/dprun/plan/window"
	"github.com/dprun/dprun/runner/schedule"
)

// TestJitterIsThatOfTheNight: within its bounds, before the next due time,
// within the window, and the same whenever it is asked for.
func TestJitterIsThatOfTheNight(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		expression := rapid.SampledFrom([]string{"30 2 * * *", "*/10 * * * *", "55 5 * * *", "0 22,23,0 * * *"}).Draw(t, "cron")
		most := time.Duration(rapid.Int64Range(0, int64(12*time.Hour)).Draw(t, "jitter"))
		times, err := cron.Parse(expression, "UTC")
		if err != nil {
			t.Fatal(err)
		}
		open, err := (window.Window{Timezone: "UTC", Allow: []window.Allow{{From: "22:00", To: "06:00"}}}).Compile()
		if err != nil {
			t.Fatal(err)
		}
		p := schedule.Plan{Name: rapid.String().Draw(t, "plan"), Rules: []schedule.Rule{{Times: times, Jitter: most}}, Window: open}
		from := time.Unix(rapid.Int64Range(1e9, 2e9).Draw(t, "from"), 0)
		slots := p.Next(from, 20)
		for i, s := range slots {
			if wait := s.Start.Sub(s.Due); wait < 0 || wait > most {
				t.Fatalf("put off by %s", wait)
			}
			if !s.Outside && !open.Open(s.Start) {
				t.Fatalf("due at %s, started at %s, when the window is closed", s.Due, s.Start)
			}
			if i > 0 && !s.Due.After(slots[i-1].Start) {
				t.Fatalf("the start %s comes after the next due time %s", slots[i-1].Start, s.Due)
			}
			if again := p.Next(s.Due.Add(-time.Second), 1)[0]; !again.Start.Equal(s.Start) {
				t.Fatalf("%s, asked again %s", s.Start, again.Start)
			}
		}
	})
}
