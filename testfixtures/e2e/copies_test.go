package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plugins/nfs"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/store"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/ganesha"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/sshd"
)

// shelf is a destination's directory, as the server's disk has it.
type shelf struct {
	dir string
	// nfs is asked for changes where the server would not notice others.
	nfs sdk.Destination
}

func (s shelf) write(t *testing.T, name string, body []byte) {
	t.Helper()
	if s.nfs == nil {
		file := filepath.Join(s.dir, name)
		need.Done(t, os.MkdirAll(filepath.Dir(file), 0o755)) // the server may run as another user
		need.Done(t, os.WriteFile(file, body, 0o644))
		return
	}
	s.remove(t, name)
	file := filepath.Join(t.TempDir(), "body")
	need.Done(t, os.WriteFile(file, body, 0o600))
	sum := sha256.Sum256(body)
	need.Value(s.nfs.Store(t.Context(), sdk.StoreRequest{Source: file, Path: name, Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:]), Verify: sdk.VerifyReadBack}, nil))(t)
}

func (s shelf) remove(t *testing.T, name string) {
	t.Helper()
	if s.nfs == nil {
		need.Done(t, os.RemoveAll(filepath.Join(s.dir, name)))
		return
	}
	need.Done(t, s.nfs.(sdk.Deleter).Delete(t.Context(), name))
}

func (s shelf) read(t *testing.T, name string) []byte {
	t.Helper()
	return need.Value(os.ReadFile(filepath.Join(s.dir, name)))(t)
}

// storedSet makes a set as a run of another state directory would have stored it, and gives
// the path of its manifest.
func storedSet(t *testing.T, s shelf, device, domain string, n int) string {
	t.Helper()
	body := make([]byte, 4096+n%7)
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte(device + domain))).Read(body)
	sum := sha256.Sum256(body)
	m := backups.Manifest{Version: 1, Dprun: "1.0", State: "ANOTHER", Run: "01JRUN", Plan: "nightly", Task: "export/" + device + "/" + domain, Activity: "export", Type: "export_domain",
		Device: device, Domain: domain, Stamp: fmt.Sprintf("2026-11-23-12-00-00-%03d", n), Verified: "read_back", Durable: true, ModeKept: true,
		Artifacts: []backups.File{{File: domain + ".zip", Variant: "persisted", Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:])}}}
	m.Path = path.Join(device, domain, "set"+backups.Suffix)
	m.Set = need.Value(backups.ID(m.Run, m.Task, m.Stamp))(t)
	m.Captured = need.Value(backups.ParseStamp(m.Stamp))(t)
	for name, body := range map[string][]byte{domain + ".zip": body, "set" + backups.Suffix: need.Value(json.Marshal(m))(t)} {
		need.Done(t, os.MkdirAll(filepath.Join(s.dir, device, domain), 0o755))
		need.Done(t, os.WriteFile(filepath.Join(s.dir, device, domain, name), body, 0o644))
	}
	return m.Path
}

// TestWhatIsWrongAtADestinationIsFoundAndNamed: 500 sets on a directory, an SFTP server and an
// NFS server, and at each of them one of everything that can go wrong.
func TestWhatIsWrongAtADestinationIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1}}})
	ssh, vault := sshd.Start(t, sshd.Options{}), ganesha.Start(t)
	p, stop, err := conformance.Serve(nfs.Plugin())
	need.Done(t, err)
	t.Cleanup(stop)
	config := need.Value(need.Value(p.Describe(t.Context()))(t).Destinations[0].Config.ApplyDefaults(cty.ObjectVal(map[string]cty.Value{"server": cty.StringVal(vault.Host), "export": cty.StringVal(vault.Export), "nfs_port": cty.NumberIntVal(int64(vault.NFSPort)), "mount_port": cty.NumberIntVal(int64(vault.MountPort))})))(t)
	shelves := map[string]shelf{"file.local": {dir: filepath.Join(s.dir, "backups")}, "sftp.offsite": {dir: ssh.Dir},
		"nfs.vault": {dir: vault.ExportDir, nfs: need.Value(p.ConfigureDestination(t.Context(), "nfs", config))(t)}}
	for _, at := range shelves {
		for n := range 500 {
			storedSet(t, at, fmt.Sprintf("gw-%d", n/10), fmt.Sprintf("d%d", n%10), n)
		}
	}
	s.write("plan.hcl", devices+fmt.Sprintf(`
destination "sftp" "offsite" {
  config {
    host        = %q
    port        = %d
    username    = %q
    private_key = secret_file(%q)
    known_hosts = %q
    directory   = %q
  }
}
destination "nfs" "vault" {
  config {
    server     = %q
    export     = %q
    nfs_port   = %d
    mount_port = %d
  }
}
plan "nightly" {
  destinations = [destination.file.local, destination.nfs.vault, destination.sftp.offsite]
  activity "export_domain" "domains" {
    devices = ["*"]
    domains = ["*"]
  }
}
`, ssh.Host, ssh.Port, ssh.User, ssh.PrivateKey, ssh.KnownHosts, ssh.Dir, vault.Host, vault.Export, vault.NFSPort, vault.MountPort))
	r := s.open(nil)
	t.Cleanup(func() { need.Done(t, r.Close()) })
	imported, _, err := r.ImportBackups(t.Context(), runner.ImportRequest{Source: s.source()})
	if err != nil || len(imported) != 3 || slices.ContainsFunc(imported, func(i report.Imported) bool { return i.Entered != 500 }) {
		t.Fatalf("imported %+v, %v", imported, err)
	}
	check := func(share float64) (faults map[string][]string, checked map[string]report.CheckedDestination, exit int) {
		faults, checked = map[string][]string{}, map[string]report.CheckedDestination{}
		res, err := r.CheckBackups(context.Background(), runner.CheckBackupsRequest{Source: s.source(), Data: share,
			Found: func(f report.BackupFault) {
				if f.Why == "" || f.Remedy == "" {
					t.Errorf("%+v does not say what is wrong and what to do", f)
				}
				if f.Kind == "partial" {
					f.Path = path.Dir(f.Path) // its name is made up
				}
				faults[f.Destination] = append(faults[f.Destination], f.Kind+" "+f.Path)
			},
			Checked: func(d report.CheckedDestination) { checked[d.Destination] = d }})
		need.Done(t, err)
		return faults, checked, res.ExitCode
	}
	if faults, checked, exit := check(0); exit != 0 || len(faults) > 0 || len(checked) != 3 {
		t.Fatalf("before anything is wrong: exit %d, %v, %+v", exit, faults, checked)
	}
	for _, at := range shelves {
		spoil(t, at)
	}
	want := []string{
		"altered gw-0/d0/d0.zip", "foreign_set gw-7/d0/new.dprun.json", "missing gw-1/d0/d0.zip", "moved gw-4/d0/set.dprun.json", "partial gw-3/d0", "planted gw-5/d0/planted.dprun.json",
		"stray gw-3/d0/stray.zip", "truncated gw-2/d0/set.dprun.json",
	}
	faults, checked, exit := check(1)
	for name := range shelves {
		slices.Sort(faults[name])
		if d := cmp.Diff(want, faults[name]); d != "" {
			t.Errorf("%s (-want +named):\n%s", name, d)
		}
		if c := checked[name]; c.Copies != 500 || c.Whole != 496 || c.Missing != 2 || c.Altered != 2 || c.Read != 496 {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if exit != runner.ExitPartly {
		t.Errorf("exit %d", exit)
	}

	for name := range shelves {
		for of, good := range map[string]bool{"gw-0/d0": false, "gw-1/d0": false, "gw-49/d9": true} {
			device, domain, _ := strings.Cut(of, "/")
			// The set's copy here is not whole, and so it is not the latest good one of this place alone: its ID is given.
			set := need.Value(backups.ID("01JRUN", "export/"+of, fmt.Sprintf("2026-11-23-12-00-00-%03d", map[string]int{"gw-0/d0": 0, "gw-1/d0": 10, "gw-49/d9": 499}[of])))(t)
			dir := filepath.Join(t.TempDir(), "fetched")
			failed := 0
			got, _, err := r.FetchBackup(t.Context(), runner.FetchBackupRequest{Source: s.source(), Set: set, From: name, Dir: dir, Failed: func(report.BackupFault) { failed++ }})
			left := files(t, dir)
			if good && (err != nil || failed > 0 || got.Device != device || got.Domain != domain || !slices.Equal(left, []string{"d9.zip", "set.dprun.json"})) {
				t.Errorf("%s: fetched %+v to %v, %v", name, got, left, err)
			}
			if !good && (err == nil || failed == 0 || len(left) > 0) {
				t.Errorf("%s: %s was fetched to %v", name, of, left)
			}
		}
	}

	// A set that somebody deletes is left alone, and a server that is away proves nothing.
	locks := need.Value(lock.Open(filepath.Join(s.dir, "state", "locks")))(t)
	set := need.Value(backups.ID("01JRUN", "export/gw-49/d9", "2026-11-23-12-00-00-499"))(t)
	deleting := need.Value(locks.TryAcquire(lock.SetKey(set), lock.Exclusive, lock.Info{}))(t)
	need.Done(t, ssh.Kill())
	faults, checked, exit = check(0)
	if c := checked["sftp.offsite"]; exit != runner.ExitPartly || c.Copies != 500 || c.NotChecked != 500 || c.Root != "" || !slices.Equal(faults["sftp.offsite"], []string{"not_checked "}) {
		t.Errorf("without its server: exit %d, %+v, %v", exit, c, faults["sftp.offsite"])
	}
	if c := checked["file.local"]; c.NotChecked != 1 || c.Whole != 495 || !slices.Contains(faults["file.local"], "not_checked gw-49/d9/set.dprun.json") {
		t.Errorf("while a set is deleted: %+v, %v", c, faults["file.local"])
	}
	if _, _, err := r.FetchBackup(t.Context(), runner.FetchBackupRequest{Source: s.source(), Set: set, Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "being deleted") {
		t.Errorf("a set that is being deleted is fetched: %v", err)
	}
	need.Done(t, deleting.Release())
	states := map[string]int{}
	for b, err := range r.Backups(t.Context(), runner.BackupsRequest{}) {
		need.Done(t, err)
		for _, c := range b.Copies {
			states[c.Destination+" "+c.State]++
		}
	}
	for name := range shelves {
		if states[name+" whole"] != 496 || states[name+" missing"] != 2 || states[name+" altered"] != 2 {
			t.Errorf("the journal knows %v", states)
		}
	}
	if left, err := os.ReadDir(filepath.Join(s.dir, "state", "staging")); err != nil || len(left) > 0 {
		t.Errorf("staging holds %v, %v", left, err)
	}
}

// A manifest alone is no backup: a set whose files are not there, or are of another size, is not
// entered as whole, until a check has read all of it.
func TestASetIsFoundAgainOnlyWithItsFiles(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1}}})
	at := shelf{dir: filepath.Join(s.dir, "backups")}
	for n, domain := range []string{"cut", "gone", "whole"} {
		storedSet(t, at, "gw", domain, n)
	}
	gone, cut := at.read(t, "gw/gone/gone.zip"), at.read(t, "gw/cut/cut.zip")
	at.remove(t, "gw/gone/gone.zip")
	at.write(t, "gw/cut/cut.zip", cut[:100])
	s.write("plan.hcl", devices+`
plan "nightly" {
  destinations = [destination.file.local]
  activity "export_domain" "domains" {
    devices = ["*"]
    domains = ["*"]
  }
}
`)
	r := s.open(nil)
	t.Cleanup(func() { need.Done(t, r.Close()) })
	states := func() map[string]string {
		out := map[string]string{}
		for _, b := range sets(t, r, runner.BackupsRequest{}) {
			out[b.Domain] = b.Copies[0].State
		}
		return out
	}
	imported, res, err := r.ImportBackups(t.Context(), runner.ImportRequest{Source: s.source()})
	if err != nil || res.ExitCode != runner.ExitPartly || len(imported) != 1 || imported[0].Entered != 3 || len(imported[0].Refused) != 2 {
		t.Errorf("imported %+v, %+v, %v", imported, res, err)
	}
	if d := cmp.Diff(map[string]string{"cut": "altered", "gone": "missing", "whole": "whole"}, states()); d != "" {
		t.Errorf("entered (-want +got):\n%s", d)
	}
	if latest := sets(t, r, runner.BackupsRequest{Latest: true}); len(latest) != 1 || latest[0].Domain != "whole" {
		t.Errorf("good are %+v", latest)
	}
	at.write(t, "gw/gone/gone.zip", gone)
	at.write(t, "gw/cut/cut.zip", cut)
	res, err = r.CheckBackups(t.Context(), runner.CheckBackupsRequest{Source: s.source(), Found: func(f report.BackupFault) { t.Errorf("%+v", f) }, Checked: func(report.CheckedDestination) {}})
	if err != nil || res.ExitCode != 0 {
		t.Errorf("the check: %+v, %v", res, err)
	}
	if d := cmp.Diff(map[string]string{"cut": "whole", "gone": "whole", "whole": "whole"}, states()); d != "" {
		t.Errorf("checked (-want +got):\n%s", d)
	}
}

// A copy that lost its manifest gives its other files, and the manifest comes from another one.
func TestASetIsFetchedWholeWhereACopyLostItsManifest(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1}}})
	for _, dir := range []string{"backups", "others"} {
		storedSet(t, shelf{dir: filepath.Join(s.dir, dir)}, "gw", "d", 0)
	}
	s.write("plan.hcl", devices+fmt.Sprintf(`
destination "file" "other" {
  config {
    directory = %q
  }
}
plan "nightly" {
  destinations = [destination.file.local, destination.file.other]
  activity "export_domain" "domains" {
    devices = ["*"]
    domains = ["*"]
  }
}
`, filepath.Join(s.dir, "others")))
	r := s.open(nil)
	t.Cleanup(func() { need.Done(t, r.Close()) })
	if imported, _, err := r.ImportBackups(t.Context(), runner.ImportRequest{Source: s.source()}); err != nil || len(imported) != 2 {
		t.Fatalf("imported %+v, %v", imported, err)
	}
	set := need.Value(backups.ID("01JRUN", "export/gw/d", "2026-11-23-12-00-00-000"))(t)
	for _, dir := range []string{"backups", "others"} {
		manifest := filepath.Join(s.dir, dir, "gw", "d", "set.dprun.json")
		body := need.Value(os.ReadFile(manifest))(t)
		need.Done(t, os.Remove(manifest))
		to := filepath.Join(t.TempDir(), "fetched")
		failed := 0
		got, _, err := r.FetchBackup(t.Context(), runner.FetchBackupRequest{Source: s.source(), Set: set, Dir: to, Failed: func(report.BackupFault) { failed++ }})
		if err != nil || failed > 1 || !slices.Equal(got.Files, []string{"d.zip", "set.dprun.json"}) {
			t.Errorf("without %s: %+v, %d failures, %v", manifest, got, failed, err)
		}
		if left := files(t, to); !slices.Equal(left, []string{"d.zip", "set.dprun.json"}) {
			t.Errorf("without %s: fetched to %v", manifest, left)
		}
		need.Done(t, os.WriteFile(manifest, body, 0o644))
	}
}

// spoil does one of everything to a destination.
func spoil(t *testing.T, at shelf) {
	t.Helper()
	flipped := at.read(t, "gw-0/d0/d0.zip")
	flipped[2000] ^= 1
	at.write(t, "gw-0/d0/d0.zip", flipped)
	at.remove(t, "gw-1/d0/d0.zip")
	manifest := at.read(t, "gw-2/d0/set.dprun.json")
	at.write(t, "gw-2/d0/set.dprun.json", manifest[:len(manifest)/2])
	at.write(t, "gw-3/d0/stray.zip", []byte("stray"))
	need.Done(t, os.WriteFile(filepath.Join(at.dir, "gw-3", "d0", store.TempName("other")), []byte("part"), 0o644))
	for from, to := range map[string]string{"d0.zip": "d0.zip", "set.dprun.json": "moved.dprun.json"} {
		at.write(t, "gw-4/d1/"+to, at.read(t, "gw-4/d0/"+from))
		at.remove(t, "gw-4/d0/"+from)
	}
	at.write(t, "gw-5/d0/planted.dprun.json", at.read(t, "gw-6/d0/set.dprun.json"))
	newer := bytes.ReplaceAll(at.read(t, "gw-7/d0/set.dprun.json"), []byte("2026-11-23-12-00-00-070"), []byte("2026-11-24-12-00-00-070"))
	var m backups.Manifest
	need.Done(t, json.Unmarshal(newer, &m))
	m.Set, m.Captured, m.Path = need.Value(backups.ID(m.Run, m.Task, m.Stamp))(t), need.Value(backups.ParseStamp(m.Stamp))(t), "gw-7/d0/new.dprun.json"
	at.write(t, m.Path, need.Value(json.Marshal(m))(t))
}

// TestASecureBackupIsFetchedWithAllItsFiles: as one archive, also where some of
// them are there already.
func TestASecureBackupIsFetchedWithAllItsFiles(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1,
		Certificates: []dpsim.Certificate{{Name: "backup"}}, Timings: &dpsim.Timings{SecureBackup: "0s"}}}})
	if res := s.apply(secureBackup); res.ExitCode != 0 {
		t.Fatalf("exit %d", res.ExitCode)
	}
	r := s.open(nil)
	t.Cleanup(func() { need.Done(t, r.Close()) })
	dir := filepath.Join(t.TempDir(), "fetched")
	fetch := func() *report.FetchedBackup {
		t.Helper()
		got, _, err := r.FetchBackup(t.Context(), runner.FetchBackupRequest{Source: s.source(), Device: "gw", Dir: dir, Failed: func(f report.BackupFault) { t.Errorf("%+v", f) }})
		need.Done(t, err)
		return got
	}
	got := fetch()
	_, _, err := r.Rehearse(t.Context(), runner.RehearseRequest{Source: s.source(), Archive: got.Set, Device: "gw", Domain: "app01", Failed: func(f report.BackupFault) { t.Errorf("%+v", f) }})
	if err == nil || !strings.Contains(err.Error(), "is whole. dprun does not restore it") || !strings.Contains(err.Error(), "with firmware IDG.") || !strings.Contains(err.Error(), "secure-restore CREDENTIAL") {
		t.Errorf("a restore of a secure backup: %v", err)
	}
	want := files(t, dir)
	if slices.Sort(got.Files); len(want) < 4 || !slices.Equal(got.Files, want) || got.Existed {
		t.Errorf("fetched %+v, and there are %v", got, want)
	}
	for _, f := range want {
		if body := need.Value(os.ReadFile(filepath.Join(dir, f)))(t); !slices.ContainsFunc(files(t, filepath.Join(s.dir, "backups")), func(stored string) bool {
			return path.Base(stored) == path.Base(f) && bytes.Equal(body, need.Value(os.ReadFile(filepath.Join(s.dir, "backups", stored)))(t))
		}) {
			t.Errorf("%s is not as it was stored", f)
		}
	}
	need.Done(t, os.Remove(filepath.Join(dir, want[0])))
	if got := fetch(); got.Existed || !slices.Equal(files(t, dir), want) {
		t.Errorf("after one was lost, fetched %+v", got)
	}
	if got := fetch(); !got.Existed {
		t.Errorf("nothing was lost, and fetched %+v", got)
	}
}
