package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// TestStagingIsEmptiedWhileTheRunGoesOn: a fleet's exports need not all have
// room in staging at once. The plan's post-script looks while the run is still
// under way.
func TestStagingIsEmptiedWhileTheRunGoesOn(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 3}}})
	look := `for i in $(seq 100); do find state/staging -name '*.zip' > staged; [ -s staged ] || exit 0; sleep 0.1; done; exit 1`
	need.Done(t, os.WriteFile(filepath.Join(s.dir, "look.sh"), []byte("#!/bin/sh\n"+look+"\n"), 0o700))
	res := s.apply(`
script "exec" "look" {
  timeout = "10m"
  config { command = ["./look.sh"] }
}
plan "p" {
  destinations = [destination.file.local]
  post_script  = script.exec.look
  activity "export_domain" "x" {
    devices = ["gw"]
    domains = ["app*"]
  }
}
`)
	staged, err := os.ReadFile(filepath.Join(s.dir, "staged"))
	if err != nil || res.ExitCode != 0 {
		t.Fatalf("exit %d, %v; in staging after all tasks: %q", res.ExitCode, err, staged)
	}
	if got := files(t, filepath.Join(s.dir, "backups")); len(got) != 6 {
		t.Errorf("stored %v", got)
	}
}
