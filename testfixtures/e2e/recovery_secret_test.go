package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// TestARecoveryReadsSecretsWhereThePlanSaidTheyAre, wherever it is run.
func TestARecoveryReadsSecretsWhereThePlanSaidTheyAre(t *testing.T) {
	t.Parallel()
	dprun := build(t)
	const relative = `secret_file("${each.key}.pw")`
	for name, password := range map[string]string{
		"a file":                             relative,
		"a command":                          `secret_command(["./scripts/get", "x"])`,
		"a command with a relative argument": `secret_command(["/bin/cat", "${each.key}.pw"])`,
		"a command of PATH":                  `secret_command(["sh", "-c", "cat ./scripts/../${each.key}.pw"])`,
		"a variable of the environment":      `secret_env("PW")`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
			need.Done(t, os.Mkdir(filepath.Join(p.dir, "scripts"), 0o700))
			p.write("scripts/get", "#!/bin/sh\ncat gw.pw\n")
			need.Done(t, os.Chmod(filepath.Join(p.dir, "scripts", "get"), 0o700))
			p.env = []string{"PW=" + p.fleet.Ready().Devices[0].Password}
			p.write("plan.hcl", strings.Replace(realDevices, relative, password, 1)+quiescing)
			p.stuck().kill()
			if p.quiesceState("gw", "app01") != "quiesced" {
				t.Fatal("not quiesced: this proves nothing")
			}
			p.cwd = "/"
			p.exits(0, "recover")
			p.recovered("x/gw/app01", "FAILED_NO_FILES_DOWNLOADED")
		})
	}
}
