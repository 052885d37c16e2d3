package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/ganesha"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/sshd"
)

// TestAFleetStandsVerifiedOnNFSAndSFTP is the main job: three gateways of ten
// domains each, to a real NFS server and a real SFTP server.
func TestAFleetStandsVerifiedOnNFSAndSFTP(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", Count: 3, AppDomains: 9, ExportSize: "200KB"}}})
	ssh := sshd.Start(t, sshd.Options{})
	nfs := ganesha.Start(t)
	res := s.apply(fmt.Sprintf(`
destination "sftp" "offsite" {
  parallel = 4
  min_free = 0
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
  min_free = 0
  config {
    server     = %q
    export     = %q
    nfs_port   = %d
    mount_port = %d
  }
}
plan "nightly" {
  destinations = [destination.nfs.vault, destination.sftp.offsite]
  limits {
    parallel   = 8
    per_device = 4
  }
  activity "export_domain" "domains" {
    devices = ["*"]
    domains = ["*"]
    quiesce = "domain"
  }
}
`, ssh.Host, ssh.Port, ssh.User, ssh.PrivateKey, ssh.KnownHosts, ssh.Dir, nfs.Host, nfs.Export, nfs.NFSPort, nfs.MountPort))
	if res.ExitCode != 0 || res.Summary == nil || res.Summary.Succeeded != 30 {
		t.Fatalf("exit %d, summary %+v", res.ExitCode, res.Summary)
	}
	if down := s.down(); len(down) > 0 {
		t.Errorf("left quiesced: %v", down)
	}
	served := map[string]string{} // device/domain: SHA-256
	for _, d := range s.fleet.State().Devices {
		for _, e := range d.Exports {
			served[d.Name+"/"+e.Domain] = e.SHA256
		}
	}
	for name, dir := range map[string]string{"sftp": ssh.Dir, "nfs": nfs.ExportDir} {
		zips, manifests := 0, 0
		for _, f := range files(t, dir) {
			parts := strings.Split(f, "/")
			if len(parts) != 4 || parts[1] != "domain" {
				t.Errorf("%s: %s is not where it should be", name, f)
				continue
			}
			switch {
			case strings.HasSuffix(f, "-persisted.zip"):
				zips++
				if got, want := hashOf(t, filepath.Join(dir, f)), served[parts[0]+"/"+parts[2]]; got != want {
					t.Errorf("%s: %s has SHA-256 %s; the appliance served %s", name, f, got, want)
				}
			case strings.HasSuffix(f, ".dprun.json"):
				manifests++
				m := manifestOf(t, filepath.Join(dir, f))
				if m.Verified != "read_back" || len(m.Artifacts) != 1 {
					t.Errorf("%s: manifest %s: %+v", name, f, m)
					continue
				}
				copied := filepath.Join(dir, filepath.Dir(f), m.Artifacts[0].File)
				if got := hashOf(t, copied); got != m.Artifacts[0].SHA256 {
					t.Errorf("%s: %s says %s, and the file has %s", name, f, m.Artifacts[0].SHA256, got)
				}
			default:
				t.Errorf("%s: %s is neither an export nor a manifest", name, f)
			}
		}
		if zips != 30 || manifests != 30 {
			t.Errorf("%s: %d exports and %d manifests, want 30 of each", name, zips, manifests)
		}
	}
	for _, d := range s.fleet.State().Devices {
		if d.Total > 40*10 {
			t.Errorf("%s got %d requests for 10 tasks", d.Name, d.Total)
		}
	}
}

func hashOf(t *testing.T, path string) string {
	t.Helper()
	b := need.Value(os.ReadFile(path))(t)
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
