package sftp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/need"
)

// TestStoreWorksWithWhatTheProtocolLeavesOpen: each of these servers exists.
func TestStoreWorksWithWhatTheProtocolLeavesOpen(t *testing.T) {
	t.Parallel()
	for quirks, warn := range map[string]string{
		"":                                 "",
		"exclonlywithtrunc":                "",
		"exclunknown":                      "",
		"exclignored":                      "",
		"missingisfailure":                 "",
		"missingisfailure nolist":          "",
		"nolstat":                          "",
		"norename":                         "rename replaces files",
		"renamerefused":                    "rename replaces files",
		"renamereplaces":                   "rename replaces files",
		"renamereplaces secondrenamefails": "rename replaces files",
		"renamereplaces exclignored nolist missingisfailure": "rename replaces files",
		"setstatrefused open":                                "copies have mode 0644, not 0600",
		"setstatunknown open":                                "copies have mode 0644, not 0600",
		"open":                                               "copies have mode 0644, not 0600",
		"nomkdir":                                            "cannot make directories",
	} {
		t.Run(quirks, func(t *testing.T) {
			t.Parallel()
			f := startFake(t, &fakeServer{password: fakePassword, files: &diskFiles{quirks: quirks}})
			need.Done(t, os.Mkdir(filepath.Join(f.dir, "dir"), 0o755))
			d := open(t, f.config())
			checked := need.Value(d.Check(within(t, testLimit)))(t)
			if said := strings.Join(checked.Warnings, "\n"); !strings.Contains(said, warn) || strings.Count(said, "\n") != min(len(warn), 1) {
				t.Errorf("the check warns %q, want %q beside that on durability", checked.Warnings, warn)
			}
			if got := files(t, f.dir); len(got) != 0 {
				t.Errorf("the check left %v", got)
			}
			r := request(t, "dir/file", 100_000)
			for _, existed := range []bool{false, true} {
				got, err := d.Store(within(t, testLimit), r, nil)
				if err != nil || got.Existed != existed {
					t.Fatalf("got %+v, %v; want a copy, existed %v", got, err, existed)
				}
				if open := strings.Contains(quirks, "open"); got.ModeKept == open || (len(got.Warnings) > 0) != open {
					t.Errorf("mode kept %v, warnings %q", got.ModeKept, got.Warnings)
				}
			}
			other := request(t, "another content", 100_000)
			other.Path = r.Path
			_, err := d.Store(within(t, testLimit), other, nil)
			wantFailure(t, err, failure.Exists, failure.Occupied)
			if diff := cmp.Diff(map[string]string{r.Path: r.SHA256}, files(t, f.dir)); diff != "" {
				t.Errorf("on the server (-want +got):\n%s", diff)
			}
			_ = d.Close()
		})
	}
}

func TestCheckFindsWhatEveryStoreWouldFailWith(t *testing.T) {
	t.Parallel()
	for quirks, want := range map[string]struct {
		kind   failure.Kind
		reason failure.Reason
		say    string
	}{
		"norename noposixrename":      {failure.Precondition, failure.Unsupported, "let user dprun rename files"},
		"renamerefused noposixrename": {failure.Denied, failure.NoAccess, "let user dprun rename files"},
		"nodot":                       {failure.Denied, failure.NoAccess, "begins with a dot"},
		"readonly":                    {failure.Denied, failure.NoAccess, "sftp-server -R"},
		"vanish":                      {failure.Precondition, failure.Unsupported, "takes files away"},
		"readonce":                    {failure.Precondition, failure.Unsupported, "takes files away"},
		"sizezero":                    {failure.Precondition, failure.Unsupported, "has 0"},
		"noremove":                    {failure.Denied, failure.NoAccess, "let user dprun remove files"},
	} {
		t.Run(quirks, func(t *testing.T) {
			t.Parallel()
			f := startFake(t, &fakeServer{password: fakePassword, files: &diskFiles{quirks: quirks}})
			d := open(t, f.config())
			_, err := d.Check(within(t, testLimit))
			if failed := wantFailure(t, err, want.kind, want.reason); !strings.Contains(failed.Error(), want.say) {
				t.Errorf("%q does not say %q", failed.Error(), want.say)
			}
			if got := files(t, f.dir); len(got) != 0 && quirks != "noremove" {
				t.Errorf("left behind: %v", got)
			}
			_ = d.Close()
		})
	}
}

func TestAServerThatCannotBeReadIsTold(t *testing.T) {
	t.Parallel()
	f := startFake(t, &fakeServer{password: fakePassword, files: &diskFiles{quirks: "writeonly"}})
	d := open(t, f.config())
	r, err := d.Check(within(t, testLimit))
	if err != nil || !strings.Contains(r.WriteOnly, "permission denied") {
		t.Errorf("got %+v, %v; want why it is write-only", r, err)
	}
	if got := files(t, f.dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
	_ = d.Close()
}

func TestAModeThatIsRequiredIsAConditionOfCheckAndStore(t *testing.T) {
	t.Parallel()
	f := startFake(t, &fakeServer{password: fakePassword, files: &diskFiles{quirks: "open"}})
	c := f.config()
	c.RequireMode = true
	d := open(t, c)
	_, err := d.Check(within(t, testLimit))
	wantFailure(t, err, failure.Precondition, failure.ModeNotKept)
	f.files.quirks = ""
	need.Value(d.Check(within(t, testLimit)))(t)
	f.files.quirks = "open"
	_, err = d.Store(within(t, testLimit), request(t, "file", 10), nil)
	wantFailure(t, err, failure.Precondition, failure.ModeNotKept)
	if got := files(t, f.dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
	_ = d.Close()
}
