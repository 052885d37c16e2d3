package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/ganesha"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/sshd"
)

// sets lists what the state directory knows.
func sets(t *testing.T, r *runner.Runner, q runner.BackupsRequest) (out []report.Backup) {
	t.Helper()
	for s, err := range r.Backups(t.Context(), q) {
		out = append(out, need.Value(s, err)(t))
	}
	return out
}

// plant puts a manifest beside a set's that says that it is an hour newer, and
// gives its set.
func plant(t *testing.T, manifest string) string {
	t.Helper()
	var m backups.Manifest
	need.Done(t, json.Unmarshal(need.Value(os.ReadFile(manifest))(t), &m))
	at := m.Captured.Add(time.Hour)
	m.Stamp, m.Captured, m.State, m.Run = at.Format("2006-01-02-15-04-05-")+m.Stamp[len(m.Stamp)-3:], at, "ANOTHER", "01PLANTED"
	m.Set = need.Value(backups.ID(m.Run, m.Task, m.Stamp))(t)
	m.Path = strings.TrimSuffix(m.Path, backups.Suffix) + "-newer" + backups.Suffix
	need.Done(t, os.WriteFile(filepath.Join(filepath.Dir(manifest), filepath.Base(m.Path)), need.Value(json.Marshal(m))(t), 0o666))
	return m.Set
}

// TestWhatStandsAtDestinationsIsFoundAgain: on a directory, SFTP and NFS, without
// the journal, and without asking a gateway. A planted set is listed and takes
// nobody's place.
func TestWhatStandsAtDestinationsIsFoundAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", Count: 2, AppDomains: 2}}})
	ssh, nfs := sshd.Start(t, sshd.Options{}), ganesha.Start(t)
	plan := strings.NewReplacer("[destination.sftp.vault]", "[destination.file.local, destination.nfs.export, destination.sftp.vault]", `"app01"`, `"app*"`).Replace(vault(ssh, "1h")) +
		fmt.Sprintf(`
destination "nfs" "export" {
  min_free = 0
  config {
    server     = %q
    export     = %q
    nfs_port   = %d
    mount_port = %d
  }
}
`, nfs.Host, nfs.Export, nfs.NFSPort, nfs.MountPort)
	if res := s.apply(plan); res.ExitCode != 0 {
		t.Fatalf("exit %d, %+v", res.ExitCode, res.Summary)
	}
	asked := func() (n int) {
		for _, d := range s.fleet.State().Devices {
			n += d.Total
		}
		return n
	}
	requests := asked()
	importing := func(r *runner.Runner) []report.Imported {
		found, res, err := r.ImportBackups(t.Context(), runner.ImportRequest{Source: s.source()})
		if need.Done(t, err); res.ExitCode != 0 || len(found) != 3 {
			t.Fatalf("exit %d, found %+v, %v", res.ExitCode, found, res.Diagnostics)
		}
		return found
	}
	what := cmp.FilterPath(func(p cmp.Path) bool {
		return slices.Contains([]string{".Origin", ".Trusted", ".Untrusted", ".Imported", ".Stored"}, p.Last().String())
	}, cmp.Ignore())

	r := s.open(clock.System{})
	before := sets(t, r, runner.BackupsRequest{})
	if len(before) != 4 || len(before[0].Copies) != 3 {
		t.Fatalf("known are %+v", before)
	}
	for _, found := range importing(r) {
		if found.Manifests != 4 || found.Entered != 0 {
			t.Errorf("found is %+v", found)
		}
	}
	planted := map[string]bool{}
	for _, dir := range []string{filepath.Join(s.dir, "backups"), ssh.Dir} { // an NFS server may keep what it knows of a directory
		for _, f := range files(t, dir) {
			if strings.Contains(f, "gw-1/domain/app01/") && strings.HasSuffix(f, backups.Suffix) {
				planted[plant(t, filepath.Join(dir, f))] = true
			}
		}
	}
	for _, found := range importing(r) {
		if put := found.Destination != "nfs.export"; put && (found.Manifests != 5 || found.Entered != 1 || found.Foreign != 1) || !put && found.Entered != 0 {
			t.Errorf("found is %+v", found)
		}
	}
	if diff := cmp.Diff(before, sets(t, r, runner.BackupsRequest{Latest: true})); diff != "" {
		t.Errorf("the planted set changes which ones are the last good ones:\n%s", diff)
	}
	need.Done(t, r.Close())

	for _, f := range files(t, filepath.Join(s.dir, "state")) {
		if strings.HasPrefix(f, "journal.db") {
			need.Done(t, os.Remove(filepath.Join(s.dir, "state", f)))
		}
	}
	r = s.open(clock.System{})
	defer r.Close() //nolint:errcheck // it was only read
	importing(r)
	if n := asked(); n != requests || n == 0 {
		t.Errorf("gateways were asked %d times for the imports", n-requests)
	}
	all := sets(t, r, runner.BackupsRequest{})
	if !planted[all[0].Set] || all[0].Origin != string(backups.Foreign) || all[1].Origin != string(backups.Imported) {
		t.Errorf("the newest ones are %+v and %+v", all[0], all[1])
	}
	if diff := cmp.Diff(before, all[1:], what); diff != "" {
		t.Errorf("without the journal the list is another one:\n%s", diff)
	}
	if diff := cmp.Diff(before, sets(t, r, runner.BackupsRequest{Latest: true}), what); diff != "" {
		t.Errorf("the planted set changes which ones are the last good ones:\n%s", diff)
	}
}

// TestAChangedManifestIsFound: it is refused, and its copy does not count as good
// any more. Neither does one that stands in another's place.
func TestAChangedManifestIsFound(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 2}}})
	if res := s.apply(`
plan "p" {
  destinations = [destination.file.local]
  activity "export_domain" "x" {
    devices = ["*"]
    domains = ["app*"]
  }
}
`); res.ExitCode != 0 {
		t.Fatalf("exit %d", res.ExitCode)
	}
	dir := filepath.Join(s.dir, "backups")
	var manifests []string
	for _, f := range files(t, dir) {
		if strings.HasSuffix(f, backups.Suffix) {
			manifests = append(manifests, f)
		}
	}
	body := need.Value(os.ReadFile(filepath.Join(dir, manifests[0])))(t)
	var m backups.Manifest
	if need.Done(t, json.Unmarshal(body, &m)); len(m.Objects) != 1 || m.Objects[0].Domain != m.Domain || len(m.Objects[0].Up) == 0 || m.Objects[0].Unread != "" {
		t.Errorf("what was up is %+v", m.Objects)
	}
	need.Done(t, os.WriteFile(filepath.Join(dir, manifests[0]), []byte(strings.Replace(string(body), `"read_back"`, `"sent"`, 1)), 0o600))
	moved := filepath.Join(filepath.Dir(manifests[1]), "elsewhere"+backups.Suffix)
	need.Done(t, os.WriteFile(filepath.Join(dir, moved), body, 0o600))
	need.Done(t, os.WriteFile(filepath.Join(dir, "cut"+backups.Suffix), body[:len(body)/2], 0o600))
	need.Done(t, os.WriteFile(filepath.Join(dir, "huge"+backups.Suffix), make([]byte, backups.MaxManifest+1), 0o600))
	r := s.open(clock.System{})
	defer r.Close() //nolint:errcheck // nothing is lost
	found, res, err := r.ImportBackups(context.Background(), runner.ImportRequest{Source: s.source()})
	if need.Done(t, err); res.ExitCode != runner.ExitPartly || len(found) != 1 || found[0].Entered != 0 || len(found[0].Refused) != 4 {
		t.Fatalf("exit %d, found %+v", res.ExitCode, found)
	}
	for i, want := range []struct{ path, why string }{
		{"cut" + backups.Suffix, "it ends too early"}, {moved, "it says that its place is"}, {manifests[0], "it was changed"}, {"huge" + backups.Suffix, "has more than"},
	} {
		at := -1
		for k, refused := range found[0].Refused {
			if refused.Path == want.path && strings.Contains(refused.Why, want.why) {
				at = k
			}
		}
		if at < 0 {
			t.Errorf("%d: %s is not refused because %s: %+v", i, want.path, want.why, found[0].Refused)
		}
	}
	states := map[string]string{}
	for _, b := range sets(t, r, runner.BackupsRequest{}) {
		states[b.Copies[0].Path] = b.Copies[0].State
	}
	if diff := cmp.Diff(map[string]string{manifests[0]: "altered", manifests[1]: "whole"}, states); diff != "" {
		t.Error(diff)
	}
	if latest := sets(t, r, runner.BackupsRequest{Latest: true}); len(latest) != 1 {
		t.Errorf("good are %+v", latest)
	}
}
