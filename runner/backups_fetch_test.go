package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/testfixtures/need"
)

// Otherwise anybody who can write at a destination could have his own set fetched
// in place of an encrypted one.
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

// The way back is stored first, and read back from its destination.
func TestARestoreNeedsAWayBackThatCanBeRead(t *testing.T) {
	t.Parallel()
	key := need.Value(age.GenerateX25519Identity())(t)
	file := filepath.Join(t.TempDir(), "identity")
	need.Done(t, os.WriteFile(file, []byte(key.String()), 0o600))
	own, others := []string{key.Recipient().String()}, []string{need.Value(age.GenerateX25519Identity())(t).Recipient().String()}
	for what, c := range map[string]struct {
		at   []*plan.Destination
		keys Keys
		ok   bool
	}{
		"plain":                         {[]*plan.Destination{{Recipients: own}, {}}, Keys{}, true},
		"encrypted, no key":             {[]*plan.Destination{{Recipients: own}}, Keys{}, false},
		"encrypted, the key":            {[]*plan.Destination{{Recipients: others}, {Recipients: own}}, Keys{Files: []string{file}}, true},
		"encrypted, the key of another": {[]*plan.Destination{{Recipients: others}}, Keys{Files: []string{file}}, false},
	} {
		if err := c.keys.readBack(c.at); (err == nil) != c.ok || err != nil && !strings.Contains(err.Error(), "with --identity") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
