package lifecycle

import (
	"testing"
)

// TestAnActionIsReadAsItWasWritten: every ID that a machine ever gives, and
// names with slashes in them.
func TestAnActionIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	for kind, f := range forms {
		for _, target := range []string{"gw-1", "sftp.offsite", "a/b", "a/2", "7"} {
			id := ActionID{Kind: kind}
			if f.target {
				id.Target = target
			}
			if f.variant {
				id.Variant = "persisted"
			}
			if f.attempt {
				id.Attempt = 12
			}
			if got, err := ParseActionID(id.String()); err != nil || got != id {
				t.Errorf("%q is read as %+v, %v; want %+v", id, got, err, id)
			}
		}
	}
	seen := map[ActionKind]bool{}
	inWorlds(t, 200, func(w *world) {
		for !w.step() {
			for _, a := range w.run.Pending() {
				seen[a.Kind] = true
				if got, err := ParseActionID(a.String()); err != nil || got != a.ActionID {
					w.fatalf("%q is read as %+v, %v; want %+v", a, got, err, a.ActionID)
				}
			}
		}
	})
	for kind := range forms {
		if !seen[kind] {
			t.Errorf("no machine ever asks for %s", kind)
		}
	}
}

func TestWhatIsNotAnActionIsRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "/", "check", "check/", "check/x", "check/01", "check/1/2", "timer", "timer/", "timer/x", "quiesce/1/", "reboot/gw/1", "capture/1", "prepare/ 1"} {
		if id, err := ParseActionID(s); err == nil {
			t.Errorf("%q is read as %+v", s, id)
		}
	}
}
