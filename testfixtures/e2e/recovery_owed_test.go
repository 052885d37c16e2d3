package e2e

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // to change what dprun has written down

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// age makes the journal's runs those of another version of the machine: they
// cannot be replayed.
func (p *program) age() {
	p.t.Helper()
	db := need.Value(sql.Open("sqlite", filepath.Join(p.state(), "journal.db")))(p.t)
	need.Value(db.Exec("UPDATE runs SET machine_version = 999"))(p.t)
	need.Done(p.t, db.Close())
}

// told is what the scripts wrote down, a line each.
func (p *program) told() []string {
	b, _ := os.ReadFile(filepath.Join(p.dir, "told"))
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

func (p *program) wantTold(want ...string) {
	p.t.Helper()
	if got := p.told(); !slices.Equal(got, want) {
		p.t.Errorf("the scripts were told %q, want %q", got, want)
	}
}

// TestTasksOfOneScriptGetTheirOwnConfiguration, on one device and domain too.
func TestTasksOfOneScriptGetTheirOwnConfiguration(t *testing.T) {
	t.Parallel()
	p := newProgram(t, build(t), `
script "exec" "tell" {
  config { command = ["/bin/sh", "-c", "echo $DPRUN_HOOK $DPRUN_ACTIVITY ${activity.name} >> told"] }
}
destination "file" "apart" {
  path     = "${activity.name}/${stamp}"
  min_free = "1%"
  config { directory = "backups" }
}
plan "p" {
  destinations = [destination.file.apart]
  limits { per_device = 2 }
  activity "export_domain" "one" {
    devices = ["*"]
    domains = ["app01"]
    pre_script = script.exec.tell
    post_script { run = script.exec.tell }
  }
  activity "export_domain" "two" {
    devices = ["*"]
    domains = ["app01"]
    pre_script = script.exec.tell
    post_script { run = script.exec.tell }
  }
}
`, dpsim.Device{Name: "gw", AppDomains: 1})
	p.fault(dpsim.Fault{Kind: "hang", Operation: "do-export"})
	r := p.start("apply", "--yes", "plan.hcl")
	p.await("both are under way", func() bool { return len(p.told()) == 2 })
	r.kill()
	p.exits(0, "recover")
	got := p.told()
	slices.Sort(got)
	if want := []string{"post one one", "post two two", "pre one one", "pre two two"}; !slices.Equal(got, want) {
		t.Errorf("the scripts were told %q, want %q", got, want)
	}
}

// owing has scripts whose configuration is known late: from what another
// script has put out, and from the outcome.
const owing = `
script "exec" "open" {
  config { command = ["/bin/sh", "-c", "echo $DPRUN_HOOK $DPRUN_DOMAIN >> told; echo '{\"outputs\": {\"ticket\": \"T-1\"}}'"] }
}
script "exec" "close" {
  config {
    command = ["/bin/sh", "-c", "echo $DPRUN_HOOK $${DPRUN_DOMAIN:--} $DPRUN_STATUS ${run.outputs.ticket} ${status} $(cat $DPRUN_SECRETS_DIR/TOKEN) >> told"]
    secrets = { TOKEN = secret_command(["/bin/cat", "token"]) }
  }
}
script "exec" "rejoin" {
  config { command = ["/bin/sh", "-c", "echo $DPRUN_HOOK $DPRUN_DOMAIN >> told"] }
}
plan "p" {
  destinations = [destination.file.local]
  pre_script   = script.exec.open
  post_script { run = script.exec.close }
  activity "export_domain" "x" {
    devices         = ["*"]
    domains         = ["app01"]
    quiesce         = "domain"
    pre_script      = script.exec.open
    after_unquiesce = script.exec.rejoin
    post_script { run = script.exec.close }
  }
}
`

// TestOwedScriptsRunWithoutTheRun: from their own rows, once, after what they
// wait for, and wherever recovery is run.
func TestOwedScriptsRunWithoutTheRun(t *testing.T) {
	t.Parallel()
	dprun := build(t)
	killed := func(t *testing.T, plan string) *program {
		t.Helper()
		p := newProgram(t, dprun, plan, dpsim.Device{Name: "gw", AppDomains: 1})
		p.write("token", "open-sesame\n")
		p.stuck().kill()
		p.clearFaults()
		p.cwd = "/"
		return p
	}
	begun := []string{"plan_pre", "pre app01"}

	t.Run("replayed", func(t *testing.T) {
		t.Parallel()
		p := killed(t, owing)
		p.exits(0, "recover")
		p.wantTold(append(begun, "after_unquiesce app01",
			"post app01 FAILED_NO_FILES_DOWNLOADED T-1 FAILED_NO_FILES_DOWNLOADED open-sesame",
			"plan_post - PLAN_INTERRUPTED T-1 PLAN_INTERRUPTED open-sesame")...)
		p.recovered("x/gw/app01", "FAILED_NO_FILES_DOWNLOADED")
	})

	t.Run("not replayed", func(t *testing.T) {
		t.Parallel()
		p := killed(t, owing)
		p.age()
		p.exits(0, "recover")
		want := append(begun, "after_unquiesce app01",
			"post app01 RECOVERED_OBLIGATIONS_PAID T-1 RECOVERED_OBLIGATIONS_PAID open-sesame",
			"plan_post - PLAN_INTERRUPTED T-1 PLAN_INTERRUPTED open-sesame")
		p.wantTold(want...)
		p.recovered("x/gw/app01", "RECOVERED_OBLIGATIONS_PAID")
		p.exits(0, "recover")
		p.wantTold(want...)
	})

	t.Run("not replayed, and the device does not come back", func(t *testing.T) {
		t.Parallel()
		p := killed(t, strings.Replace(owing, `plan "p" {`, `plan "p" {
  timeouts {
    unquiesce = "5s"
    grace     = "1s"
  }`, 1))
		p.age()
		p.fault(dpsim.Fault{Kind: "error_result", Operation: "do-action/DomainUnquiesce"})
		p.exits(16, "recover")
		p.wantTold(begun...)
		p.clearFaults()
		p.exits(0, "recover")
		if got := p.told(); len(got) != 5 || got[2] != "after_unquiesce app01" {
			t.Errorf("the scripts were told %q", got)
		}
		p.recovered("x/gw/app01", "RECOVERED_OBLIGATIONS_PAID")
	})

	t.Run("not replayed, and a secret is gone", func(t *testing.T) {
		t.Parallel()
		p := killed(t, owing)
		p.age()
		need.Done(t, os.Remove(filepath.Join(p.dir, "token")))
		p.exits(0, "recover", "/bin/cat", "dprun recover --ack gw")
		p.wantTold(append(begun, "after_unquiesce app01")...)
		p.write("token", "again")
		p.exits(0, "recover", "Nothing is left to undo")
		if got := p.told(); len(got) != 5 {
			t.Errorf("the scripts were told %q", got)
		}
		p.recovered("x/gw/app01", "RECOVERED_OBLIGATIONS_PAID")
	})

	t.Run("not replayed, and the program is gone for a while", func(t *testing.T) {
		t.Parallel()
		program := filepath.Join(t.TempDir(), "rejoin.sh") // outside the plan: one that belongs to it is missed before the run
		plan := strings.Replace(owing, `command = ["/bin/sh", "-c", "echo $DPRUN_HOOK $DPRUN_DOMAIN >> told"] }`, fmt.Sprintf(`command = [%q] }`, program), 1)
		p := killed(t, plan)
		p.age()
		p.exits(17, "recover", "rejoin.sh")
		need.Done(t, os.WriteFile(program, []byte("#!/bin/sh\necho rejoined >> told\n"), 0o700))
		p.exits(0, "recover")
		if got := p.told(); !slices.Contains(got, "rejoined") || len(got) != 5 {
			t.Errorf("the scripts were told %q", got)
		}
		p.recovered("x/gw/app01", "RECOVERED_OBLIGATIONS_PAID")
	})

	t.Run("not replayed, and the script was under way when recovery was killed", func(t *testing.T) {
		t.Parallel()
		plan := strings.Replace(owing, `command = ["/bin/sh", "-c", "echo $DPRUN_HOOK $DPRUN_DOMAIN >> told"] }`,
			`command = ["/bin/sh", "-c", "echo $DPRUN_HOOK $DPRUN_DOMAIN >> told; test -e go || exec sleep 600"] }`, 1)
		p := killed(t, plan)
		p.age()
		r := p.start("recover")
		p.await("the script runs", func() bool { return slices.Contains(p.told(), "after_unquiesce app01") })
		r.killAll()
		p.write("go", "")
		p.exits(0, "recover")
		// What leads traffic back is run until it has worked; the others once.
		if got := p.told(); len(got) != 6 || got[2] != got[3] {
			t.Errorf("the scripts were told %q", got)
		}
		p.recovered("x/gw/app01", "RECOVERED_OBLIGATIONS_PAID")
	})
}

// TestAPlanWhoseRunIsBeingRecoveredIsNotBegun, and says who does that.
func TestAPlanWhoseRunIsBeingRecoveredIsNotBegun(t *testing.T) {
	t.Parallel()
	p := newProgram(t, build(t), quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
	p.stuck().kill()
	p.clearFaults()
	p.fault(dpsim.Fault{Kind: "latency", Operation: "do-action/DomainUnquiesce", Duration: "8s"})
	recovery := p.start("recover")
	p.await("the unquiesce of the recovery", func() bool { return p.sent()["do-action/DomainUnquiesce"] > 0 })
	who := fmt.Sprintf("is being recovered by process %d", recovery.cmd.Process.Pid)
	p.exits(12, "apply --yes plan.hcl", who)
	p.exits(0, "recover", "another process is recovering the run")
	recovery.exits(0)
	p.recovered("x/gw/app01", "FAILED_NO_FILES_DOWNLOADED")
	if n := p.sent()["do-action/DomainUnquiesce"]; n != 1 {
		t.Errorf("the unquiesce was sent %d times", n)
	}
	if runs, _, _ := p.journal(); len(runs) != 1 {
		t.Errorf("%d runs: the plan was begun", len(runs))
	}
}

// TestTrafficIsLetInWhenDprunDiesWhileItIsLedAway: after_unquiesce is owed
// before before_quiesce runs, and the gateway was not asked to quiesce.
func TestTrafficIsLetInWhenDprunDiesWhileItIsLedAway(t *testing.T) {
	t.Parallel()
	plan := strings.Replace(quiescing, `quiesce = "domain"`, `quiesce = "domain"
    before_quiesce  = script.exec.drain
    after_unquiesce = script.exec.rejoin`, 1) + `
script "exec" "drain" {
  config { command = ["/bin/sh", "-c", "echo $DPRUN_HOOK $DPRUN_DOMAIN >> told; exec sleep 600"] }
}
script "exec" "rejoin" {
  config { command = ["/bin/sh", "-c", "echo $DPRUN_HOOK $DPRUN_DOMAIN >> told"] }
}
`
	for name, age := range map[string]bool{"replayed": false, "not replayed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProgram(t, build(t), plan, dpsim.Device{Name: "gw", AppDomains: 1})
			r := p.start("apply", "--yes", "plan.hcl")
			p.await("traffic is led away", func() bool { return slices.Contains(p.told(), "before_quiesce app01") })
			r.kill()
			if age {
				p.age()
			}
			p.exits(0, "recover")
			p.wantTold("before_quiesce app01", "after_unquiesce app01")
			for _, q := range p.fleet.Requests() {
				if q.Operation == "do-action/DomainQuiesce" {
					t.Error("a quiesce was sent")
				}
			}
		})
	}
}
