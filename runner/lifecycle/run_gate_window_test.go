package lifecycle

import (
	"testing"
	"time"

	"github.com/dprun/dprun/plan/window"
	"github.com/dprun/dprun/runner/event"
)

// A window is written in the time of its zone; so is what is said about it.
func TestAClosedWindowIsToldInItsOwnZone(t *testing.T) {
	t.Parallel()
	w := &window.Window{Name: "night", Timezone: "Europe/Berlin", Allow: []window.Allow{{From: "21:30", To: "23:00"}}}
	for now, want := range map[time.Time]string{
		time.Date(2026, 11, 28, 11, 0, 0, 0, time.UTC): "window night is closed now, Sat 2026-11-28 12:00 CET, and opens next on Sat 2026-11-28 21:30 CET",
		time.Date(2026, 7, 1, 22, 30, 0, 0, time.UTC):  "window night is closed now, Thu 2026-07-02 00:30 CEST, and opens next on Thu 2026-07-02 21:30 CEST",
	} {
		r := NewRun(RunSpec{ID: "r", Plan: "p", Window: w, Devices: map[string]Device{}, Destinations: []Destination{{Name: "file.a"}}})
		r.Apply(event.Event{Kind: event.RunStarted, Time: now})
		if v := r.Verdict(); v == nil || v.Message != want {
			t.Errorf("%+v, want %s", v, want)
		}
	}
}
