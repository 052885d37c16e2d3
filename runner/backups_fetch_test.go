package runner

import (
	"strings"
	"testing"

	"github.com/dprun/dprun/runner/backups"
)

// TestACopyThatHoldsSomethingElseIsNotTakenForWantOfAKey: whoever can write at a destination
// could else have his set fetched in place of an encrypted one.
func TestACopyThatHoldsSomethingElseIsNotTakenForWantOfAKey(t *testing.T) {
	t.Parallel()
	plain := func(at, sum string) backups.Copy {
		return backups.Copy{Set: "S", Destination: at, State: backups.Whole, Files: []backups.File{{File: "d.zip", Size: 12, SHA256: sum}}}
	}
	sealed := backups.Copy{Set: "S", Destination: "vault", State: backups.Whole, Files: []backups.File{{File: "d.zip.age", Size: 312, SHA256: "ee",
		Encrypted: &backups.Encrypted{Recipients: []string{"age1key"}}, Plain: &backups.Content{Size: 12, SHA256: "aa"}}}}
	for what, c := range map[string]struct {
		copies    []backups.Copy
		encrypted bool
		want, err string
	}{
		"the same, not encrypted":   {[]backups.Copy{sealed, plain("disk", "aa")}, false, "disk", ""},
		"another, not encrypted":    {[]backups.Copy{sealed, plain("disk", "bb")}, false, "", "every copy of it is encrypted, for age1key; give the file"},
		"as they are stored":        {[]backups.Copy{plain("disk", "aa"), sealed}, true, "vault", ""},
		"as they are stored, plain": {[]backups.Copy{plain("disk", "aa")}, true, "", "leave --encrypted out"},
	} {
		got, err := (&shelves{}).openable(c.copies, c.encrypted)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %+v, %v", what, got, err)
			}
		case err != nil || len(got) != 1 || got[0].Destination != c.want:
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
}
