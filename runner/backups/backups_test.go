package backups

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/testfixtures/need"
)

const at = "gw/d-export-2026-11-23-12-00-00-123.dprun.json"

// manifest returns a good manifest.
func manifest() Manifest {
	m := Manifest{Version: 1, Dprun: "1.0", State: "ABC", Path: at, Run: "01JRUN", Plan: "nightly", Task: "export/gw/d", Activity: "export", Type: "domain_export", Device: "gw", Domain: "d",
		Stamp: "2026-11-23-12-00-00-123", Facts: json.RawMessage(`{"identity":"0000"}`), Verified: "read_back", Durable: true, ModeKept: true, Withheld: []string{"cert:///k\x1b.pem"}, Warnings: []string{"two\nlines"},
		Artifacts: []File{{File: "d.zip", Variant: "persisted", Size: 12, SHA256: strings.Repeat("ab", 32)}, {File: "more/e.zip", Variant: "running", Size: 30, SHA256: strings.Repeat("cd", 32)}}}
	m.Set, _ = ID(m.Run, m.Task, m.Stamp)
	m.Captured, _ = ParseStamp(m.Stamp)
	return m
}

// The ID is part of the form of manifests.
func TestASetIsTheSameWhereverItIsComputed(t *testing.T) {
	t.Parallel()
	if got := need.Value(ID("01JRUN", "export/gw/d", "2026-11-23-12-00-00-123"))(t); got != "01M844DZKVNV9R2BQSNGZR3C76" {
		t.Errorf("the set is %s", got)
	}
	for run, task := range map[string]string{"01JRUN": "export/gw/e", "01JRUM": "export/gw/d"} {
		if other := need.Value(ID(run, task, "2026-11-23-12-00-00-123"))(t); other == manifest().Set || other[:10] != manifest().Set[:10] {
			t.Errorf("the set of task %s of run %s is %s", task, run, other)
		}
	}
	noon := time.Date(2026, 11, 23, 12, 0, 0, 123999999, time.UTC)
	if first, next := FirstID(noon), FirstID(noon.Add(time.Millisecond)); first > manifest().Set || next < manifest().Set {
		t.Errorf("%s is not between %s and %s", manifest().Set, first, next)
	}
	for _, stamp := range []string{"", "2026-11-23", "2026-11-23-12-00-00-1234", "2026-11-23-12-00-00-+12", "2026-13-23-12-00-00-123", "1969-11-23-12-00-00-123"} {
		if id, err := ID("r", "t", stamp); err == nil {
			t.Errorf("the stamp %q makes set %s", stamp, id)
		}
	}
}

// A manifest of an older version, without an ID, a time and a path of its own, is
// the same set.
func TestAManifestComesBackWhole(t *testing.T) {
	t.Parallel()
	want := manifest()
	old := want
	old.Set, old.Path, old.State, old.Captured = "", "", "", time.Time{}
	for _, m := range []Manifest{want, old} {
		body := need.Value(json.Marshal(m))(t)
		got := need.Value(ParseManifest(body, at))(t)
		want.State = m.State
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Error(diff)
		}
		c := got.Copy(body)
		if c.Bytes != 42 || c.Identity != "0000" || len(c.SHA256) != 64 || c.Set != want.Set || c.State != Whole {
			t.Errorf("the copy is %+v", c)
		}
	}
}

// sealed turns the first file of a manifest into an encrypted one.
func sealed(m *Manifest) {
	m.Artifacts[0] = File{File: "d.zip.age", Variant: "persisted", Size: 312, SHA256: strings.Repeat("ef", 32), Encrypted: &Encrypted{Recipients: []string{"age1"}},
		Plain: &Content{Size: 12, SHA256: strings.Repeat("ab", 32)}}
}

// An opened file has the name, size and hash of the captured one.
func TestAnEncryptedFileSaysWhatItWas(t *testing.T) {
	t.Parallel()
	m := manifest()
	captured := m.Artifacts[0]
	sealed(&m)
	body := need.Value(json.Marshal(m))(t)
	got := need.Value(ParseManifest(body, at))(t)
	if d := cmp.Diff(captured, got.Artifacts[0].Opened()); d != "" {
		t.Error(d)
	}
	if c := got.Copy(body); c.Bytes != 342 || !slices.Equal(c.EncryptedFor(), []string{"age1"}) || c.Files[1].Opened() != c.Files[1] {
		t.Errorf("the copy is %+v", c)
	}
}

// Anybody may have written what is found at a destination.
func TestAManifestThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*Manifest){
		"no version": func(m *Manifest) { m.Version = 0 }, "newer": func(m *Manifest) { m.Version = 2 },
		"another place": func(m *Manifest) { m.Path = "other/" + at }, "another set": func(m *Manifest) { m.Set = FirstID(time.Now()) },
		"another time": func(m *Manifest) { m.Captured = m.Captured.Add(time.Second) }, "another stamp": func(m *Manifest) { m.Stamp = "2027-11-23-12-00-00-123" },
		"no stamp": func(m *Manifest) { m.Stamp, m.Set, m.Captured = "", "", time.Time{} },
		"no run":   func(m *Manifest) { m.Run, m.Set = "", "" }, "no task": func(m *Manifest) { m.Task, m.Set = "", "" }, "no device": func(m *Manifest) { m.Device = "" },
		"an escape sequence": func(m *Manifest) { m.Domain = "\x1b[2J" }, "text that turns around": func(m *Manifest) { m.Device = "a\u202eb" },
		"a very long name": func(m *Manifest) { m.Domain = strings.Repeat("d", maxText+1) },
		"not verified":     func(m *Manifest) { m.Verified = "" },
		"no files":         func(m *Manifest) { m.Artifacts = nil },
		"a file twice":     func(m *Manifest) { m.Artifacts[1].File = m.Artifacts[0].File },
		"a file above":     func(m *Manifest) { m.Artifacts[0].File = "../d.zip" }, "a file above, in between": func(m *Manifest) { m.Artifacts[0].File = "a/../../d.zip" },
		"an absolute file": func(m *Manifest) { m.Artifacts[0].File = "/etc/passwd" }, "a file without a name": func(m *Manifest) { m.Artifacts[0].File = "" },
		"a directory": func(m *Manifest) { m.Artifacts[0].File = "d/" }, "a Windows path": func(m *Manifest) { m.Artifacts[0].File = `..\d` },
		"a manifest as a file": func(m *Manifest) { m.Artifacts[0].File = "other.dprun.json" },
		"a negative size":      func(m *Manifest) { m.Artifacts[0].Size = -1 }, "a huge size": func(m *Manifest) { m.Artifacts[0].Size = maxSize + 1 },
		"a huge sum": func(m *Manifest) { m.Artifacts[0].Size = maxSize }, "no hash": func(m *Manifest) { m.Artifacts[0].SHA256 = "" },
		"encrypted, and not named so":           func(m *Manifest) { sealed(m); m.Artifacts[0].File = "d.zip" },
		"encrypted, and nothing else in a name": func(m *Manifest) { sealed(m); m.Artifacts[0].File = ".age" },
		"encrypted for nobody":                  func(m *Manifest) { sealed(m); m.Artifacts[0].Encrypted.Recipients = nil },
		"encrypted, and not what":               func(m *Manifest) { sealed(m); m.Artifacts[0].Plain = nil },
		"what is encrypted, and not for whom":   func(m *Manifest) { sealed(m); m.Artifacts[0].Encrypted = nil },
		"encrypted without a hash of what":      func(m *Manifest) { sealed(m); m.Artifacts[0].Plain.SHA256 = "" },
		"encrypted to less than it was":         func(m *Manifest) { sealed(m); m.Artifacts[0].Plain.Size = 1e6 },
		"encrypted beside what it opens to":     func(m *Manifest) { sealed(m); m.Artifacts[1].File = "d.zip" },
		"an encrypted manifest":                 func(m *Manifest) { sealed(m); m.Artifacts[0].File = "other.dprun.json.age" },
		"a recipient that steers a terminal":    func(m *Manifest) { sealed(m); m.Artifacts[0].Encrypted.Recipients[0] = "\x1b[2J" },
		"a short hash":                          func(m *Manifest) { m.Artifacts[0].SHA256 = "abcd" }, "an upper-case hash": func(m *Manifest) { m.Artifacts[0].SHA256 = strings.Repeat("AB", 32) },
	} {
		m := manifest()
		change(&m)
		if _, err := ParseManifest(need.Value(json.Marshal(m))(t), at); err == nil {
			t.Errorf("%s: it is taken", what)
		}
	}
	good := string(need.Value(json.Marshal(manifest()))(t))
	for what, body := range map[string]string{"empty": "", "cut": good[:len(good)/2], "twice": good + good, "text": "no", "too long": good + strings.Repeat(" ", MaxManifest)} {
		if _, err := ParseManifest([]byte(body), at); err == nil {
			t.Errorf("%s: it is taken", what)
		}
	}
	above := manifest()
	above.Path = "../" + at
	if _, err := ParseManifest(need.Value(json.Marshal(above))(t), above.Path); err == nil {
		t.Error("a manifest above the destination is taken")
	}
}

// This matters because a prune deletes the files that a manifest lists.
func TestAManifestClaimsNoRecordOfEvidence(t *testing.T) {
	t.Parallel()
	for at, file := range map[string]string{
		"x" + Suffix:          "evidence/ABCDEFGHIJKLMNOPQRSTUVWXYZ/00000001.json",
		"evidence/x" + Suffix: "ABCDEFGHIJKLMNOPQRSTUVWXYZ/00000001.json.sig",
	} {
		m := manifest()
		m.Path = at
		m.Artifacts[0].File = file
		if _, err := ParseManifest(need.Value(json.Marshal(m))(t), at); err == nil || !strings.Contains(err.Error(), "record of evidence") {
			t.Errorf("%s with %s: %v", at, file, err)
		}
	}
}

// FuzzParseManifest checks that accepted files are below their directory, and
// that an accepted manifest is accepted again after it was written.
func FuzzParseManifest(f *testing.F) {
	f.Add(need.Value(json.Marshal(manifest()))(f), at)
	f.Fuzz(func(t *testing.T, body []byte, at string) {
		m, err := ParseManifest(body, at)
		if err != nil {
			return
		}
		for _, p := range append([]File{{File: m.Path}}, m.Artifacts...) {
			if strings.HasPrefix(p.File, "/") || strings.Contains("/"+p.File+"/", "/../") {
				t.Errorf("%q is taken", p.File)
			}
		}
		again, err := ParseManifest(need.Value(json.Marshal(m))(t), at)
		if err != nil || again.Set != m.Set {
			t.Errorf("written again it is refused: %v", err)
		}
	})
}
