package e2e

import (
	"os"
	"strings"
	"testing"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// TestWhatAScriptPutsOutIsInScopeLater: the plan's pre-script opens a ticket,
// and the task's script and the destination's path use its number.
func TestWhatAScriptPutsOutIsInScopeLater(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1}}})
	s.write("open.sh", "#!/bin/sh\necho '{\"outputs\": {\"ticket\": \"CHG-17\"}}'\n")
	s.write("note.sh", "#!/bin/sh\necho \"$1 $DPRUN_DOMAIN\" > note\n")
	for _, f := range []string{"open.sh", "note.sh"} {
		need.Done(t, os.Chmod(s.dir+"/"+f, 0o700))
	}
	res := s.apply(`
script "exec" "open" {
  config { command = ["./open.sh"] }
}
script "exec" "note" {
  config { command = ["./note.sh", run.outputs.ticket] }
}
destination "file" "byticket" {
  path     = "${run.outputs.ticket}/${device.name}/${domain}"
  min_free = "1%"
  config { directory = "backups" }
}
plan "p" {
  destinations = [destination.file.byticket]
  pre_script   = script.exec.open
  activity "export_domain" "x" {
    devices    = ["*"]
    domains    = ["app01"]
    pre_script = script.exec.note
  }
}
`)
	if res.ExitCode != 0 {
		t.Fatalf("exit %d: %v", res.ExitCode, res.Summary)
	}
	if b, err := os.ReadFile(s.dir + "/note"); err != nil || strings.TrimSpace(string(b)) != "CHG-17 app01" {
		t.Errorf("the script was told %q, %v", b, err)
	}
	for _, f := range files(t, s.dir+"/backups") {
		if !strings.HasPrefix(f, "CHG-17/gw/app01/") {
			t.Errorf("%s is not below the ticket's directory", f)
		}
	}
}
