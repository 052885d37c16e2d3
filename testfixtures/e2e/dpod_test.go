package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// TestScriptsWrittenForDPODGetItsArguments, by position.
func TestScriptsWrittenForDPODGetItsArguments(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1}}})
	s.write("dpod.sh", "#!/bin/sh\n(IFS='|'; echo \"$*\") >> said\n")
	need.Done(t, os.Chmod(s.dir+"/dpod.sh", 0o700))
	res := s.apply(`
script "exec" "old" {
  arguments = "dpod"
  config { command = ["./dpod.sh"] }
}
plan "nightly" {
  destinations = [destination.file.local]
  pre_script   = script.exec.old
  post_script { run = script.exec.old }
  activity "export_domain" "x" {
    devices    = ["*"]
    domains    = ["app01"]
    pre_script = script.exec.old
    post_script { run = script.exec.old }
  }
}
`)
	if res.ExitCode != 0 {
		t.Fatalf("exit %d: %+v", res.ExitCode, res.Summary)
	}
	b := need.Value(os.ReadFile(s.dir + "/said"))(t)
	gw, run := s.fleet.Device("gw"), res.Summary.Run
	want := []string{
		"BACKUP-PLAN|PRE|" + run + "|nightly",
		fmt.Sprintf("BACKUP-TASK|PRE|x/gw/app01|nightly|exportDomain|gw|%s|%d|app01", gw.Host, gw.Port),
		"BACKUP-TASK|POST|x/gw/app01|nightly|SUCCESS|NONE|FFU|FFU",
		"BACKUP-PLAN|POST|" + run + "|nightly|SUCCESS|NONE|FFU|FFU|x/gw/app01,exportDomain,gw,app01,SUCCESS",
	}
	if got := strings.Split(strings.TrimSpace(string(b)), "\n"); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
