package window_test

import (
	"testing"

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
