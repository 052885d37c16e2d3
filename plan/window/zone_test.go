package window_test

import (
	"testing"
	"time"

	"github.com/dprun/dprun/plan/window"
)

func TestAMisspeltZoneIsFound(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"Europe/Berln": "Europe/Berlin", "Europe/Brelin": "Europe/Berlin", "Europe/Berlinn": "Europe/Berlin", "europe/berlin": "Europe/Berlin", "utc": "UTC",
		"America/New York": "America/New_York", "Europe/Berlim": "Europe/Berlin", "Nowhere/Atall": "", "": "", "Europe/Berlin": "",
	} {
		if got := window.NearZone(given); got != want {
			t.Errorf("NearZone(%q) = %q, want %q", given, got, want)
		}
	}
}

func TestAnInstantIsToldInTheZoneOfItsWindow(t *testing.T) {
	t.Parallel()
	for zone, want := range map[string]string{"Europe/Berlin": "Sun 2026-11-29 00:30 CET", "America/New_York": "Sat 2026-11-28 18:30 EST", "": "Sat 2026-11-28 23:30 UTC"} {
		w := window.Window{Timezone: zone}
		if got := w.Say(time.Date(2026, 11, 28, 23, 30, 0, 0, time.UTC)); got != want {
			t.Errorf("%s: %s, want %s", zone, got, want)
		}
	}
}
