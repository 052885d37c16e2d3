package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// encryption makes a key, and a block of a destination that encrypts for it.
func encryption(t *testing.T, identity string) string {
	t.Helper()
	key := need.Value(age.GenerateX25519Identity())(t)
	need.Done(t, os.WriteFile(identity, []byte(key.String()+"\n"), 0o600))
	return fmt.Sprintf("encryption { recipients = [%q] }", key.Recipient())
}

// identity is the file with the secret key of an encrypted destination.
func (s *site) identity() string { return filepath.Join(s.dir, "identity") }

// encrypting adds an encryption block to the destination of a plan, and makes the key.
func encrypting(t *testing.T, plan, identity string) string {
	t.Helper()
	const config = `config { directory = "backups" }`
	if strings.Count(plan, config) != 1 {
		t.Fatal("the plan has not one such destination")
	}
	return strings.Replace(plan, config, config+"\n  "+encryption(t, identity), 1)
}

// TestAnEncryptedSecureBackupIsWholeWhenItIsOpened: every file of it is encrypted, and none lies open anywhere.
func TestAnEncryptedSecureBackupIsWholeWhenItIsOpened(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1,
		Certificates: []dpsim.Certificate{{Name: "backup"}}, Timings: &dpsim.Timings{SecureBackup: "0s"}}}})
	s.encryption = encryption(t, s.identity())
	res := s.apply(secureBackup)
	if res.ExitCode != 0 || res.Summary == nil || len(res.Summary.Tasks) != 1 {
		t.Fatalf("exit %d, %+v", res.ExitCode, res.Summary)
	}
	root := filepath.Join(s.dir, "backups")
	var stored []string
	for _, f := range files(t, root) {
		if strings.HasSuffix(f, ".age") {
			stored = append(stored, filepath.Join(root, f))
		} else if !strings.HasSuffix(f, backups.Suffix) {
			t.Errorf("%s is not encrypted", f)
		}
	}
	if told := slices.Sorted(slices.Values(res.Summary.Tasks[0].Files)); len(stored) < 3 || !slices.Equal(told, stored) {
		t.Errorf("the result names %v, stored are %v", told, stored)
	}
	for _, keys := range []runner.Keys{{}, {Files: []string{s.identity()}}} {
		var got []report.Archive
		exit, err := runner.Verify(t.Context(), runner.VerifyRequest{Paths: []string{root}, Keys: keys, Found: func(a report.Archive) { got = append(got, a) }})
		if err != nil || len(got) != 1 || got[0].File != filepath.Dir(stored[0]) || got[0].Whole != (keys.Files != nil) || (exit == 0) != got[0].Whole {
			t.Errorf("with %v: exit %d, %+v, %v", keys.Files, exit, got, err)
		} else if keys.Files != nil && len(got[0].Report.AsListedIn) != 1 {
			t.Errorf("compared with %v", got[0].Report.AsListedIn)
		}
	}
}

// stagedEncrypted is the SHA-256 of the only file that is staged encrypted; none may be staged plain.
func stagedEncrypted(t *testing.T, state string) string {
	t.Helper()
	var index []struct {
		Sealed struct {
			SHA256 string `json:"sha256"`
		} `json:"sealed"`
	}
	found := need.Value(filepath.Glob(filepath.Join(state, "staging", "*", "*", "*", "index.json")))(t)
	if len(found) != 1 {
		t.Fatalf("staged are the indexes %v", found)
	}
	need.Done(t, json.Unmarshal(need.Value(os.ReadFile(found[0]))(t), &index))
	plain := need.Value(filepath.Glob(filepath.Join(state, "staging", "*", "*", "*", "*.zip")))(t)
	if len(index) != 1 || len(plain) != 0 {
		t.Fatalf("the index is %v, staged plain are %v", index, plain)
	}
	return index[0].Sealed.SHA256
}
