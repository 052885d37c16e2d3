package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/testfixtures/dpsim"
)

// TestASecureBackupIsNamedWithAllItsFiles: the set's directory and how much is
// in it, and in the result every file.
func TestASecureBackupIsNamedWithAllItsFiles(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1,
		Certificates: []dpsim.Certificate{{Name: "backup"}}, Timings: &dpsim.Timings{SecureBackup: "0s"}}}})
	res := s.apply(secureBackup)
	if res.ExitCode != 0 || res.Summary == nil || len(res.Summary.Tasks) != 1 {
		t.Fatalf("exit %d, %+v", res.ExitCode, res.Summary)
	}
	root := filepath.Join(s.dir, "backups")
	var want []string
	for _, f := range files(t, root) {
		if !strings.HasSuffix(f, ".dprun.json") {
			want = append(want, filepath.Join(root, f))
			continue
		}
		var m backups.Manifest
		b, err := os.ReadFile(filepath.Join(root, f))
		if err == nil {
			err = json.Unmarshal(b, &m)
		}
		if err != nil || !m.Durable || !m.ModeKept {
			t.Errorf("the manifest says durable %v, mode kept %v, %v; want both", m.Durable, m.ModeKept, err)
		}
	}
	got := slices.Sorted(slices.Values(res.Summary.Tasks[0].Files))
	if len(want) < 2 || !slices.Equal(got, want) {
		t.Errorf("the result names %v, stored are %v", got, want)
	}
	said := ""
	for _, st := range s.sink.statuses {
		if st.Code == "EXECUTION_STORE_DONE" {
			said = st.Message
		}
	}
	if set := filepath.Dir(want[0]) + "/ ("; !strings.Contains(said, "destination file.local: "+set) || !strings.Contains(said, " files, ") {
		t.Errorf("%q does not say %q and how many files there are", said, set)
	}
}
