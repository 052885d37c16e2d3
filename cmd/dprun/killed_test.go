package main

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestAKilledRunIsRecoveredOrSaysWhatToType(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, password string
		code           int
		last           string
	}{
		{"the password can be read again", `secret_command(["cat", "gw-1.pw"])`, exitOK, "Nothing is owed in the state directory DIR.\n"},
		{"the password cannot be read again", `secret_env("GONE")`, runner.ExitOwed, "dprun recover\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := slowFleet(t, dpsim.Fault{Kind: "hang", Operation: "do-export"})
			plan := strings.Replace(slowPlan, `= secret_file("gw-1.pw")`, "= "+c.password, 1)
			plan = strings.Replace(plan, `domains = ["*"]`, "domains = [\"app01\"]\n    quiesce = \"domain\"", 1)
			need.Done(t, os.WriteFile(filepath.Join(dir, "plan.hcl"), []byte(plan), 0o600))
			apply := dprun(t, dir, "apply", "--yes", "--no-guard", "--log-level", "info", "plan.hcl")
			apply.Env = append(apply.Env, "GONE=dpsim-gw-1")
			stderr := need.Value(apply.StderrPipe())(t)
			need.Done(t, apply.Start())
			lines, captures := bufio.NewScanner(stderr), false
			for !captures && lines.Scan() {
				captures = strings.Contains(lines.Text(), "EXPORT_DOMAIN_PERSISTED_STARTED")
			}
			if !captures {
				t.Fatal("the run ended before it captured anything")
			}
			need.Done(t, apply.Process.Kill())
			_ = apply.Wait() // killed

			if got := code(t, dprun(t, dir, "owed").Run()); got != runner.ExitOwed {
				t.Errorf("owed: exit code %d, want %d", got, runner.ExitOwed)
			}
			recover := dprun(t, dir, "recover")
			var stdout bytes.Buffer
			recover.Stdout = &stdout
			if got := code(t, recover.Run()); got != c.code {
				t.Errorf("recover: exit code %d, want %d", got, c.code)
			}
			c.last = strings.Replace(c.last, "DIR", filepath.Join(dir, ".state"), 1)
			if !strings.HasSuffix(stdout.String(), c.last) {
				t.Errorf("recover does not end in %q:\n%s", c.last, stdout.String())
			}
			if c.code != exitOK {
				return
			}
			again, err := dprun(t, dir, "recover").CombinedOutput()
			if err != nil || len(again) > 0 {
				t.Errorf("recover with nothing to do: %v, and it prints %q", err, again)
			}
		})
	}
}
