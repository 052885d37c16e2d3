package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestADeadRunIsRecovered(t *testing.T) {
	t.Parallel()
	dprun := build(t)
	const task = "x/gw/app01"

	t.Run("killed while quiesced", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		p.stuck().killAll()
		if p.quiesceState("gw", "app01") != "quiesced" {
			t.Fatal("not quiesced: this proves nothing")
		}
		p.exits(16, "owed", "domain-unquiesce app01")
		p.exits(0, "recover")
		p.recovered(task, "FAILED_NO_FILES_DOWNLOADED")
		if left := files(t, p.dir+"/backups"); len(left) > 0 {
			t.Errorf("at the destination: %v", left)
		}
		p.exits(0, "owed")
		p.exits(0, "recover")
	})

	t.Run("killed while quiesced, then any other apply", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		p.stuck().kill()
		p.clearFaults()
		p.write("other.hcl", realDevices+strings.ReplaceAll(strings.Replace(quiescing, `"p"`, `"q"`, 1), `quiesce = "domain"`, ""))
		p.exits(0, "apply --yes other.hcl")
		p.recovered(task, "FAILED_NO_FILES_DOWNLOADED")
	})

	t.Run("killed while quiesced, then the plan is broken", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		p.stuck().kill()
		p.clearFaults()
		p.write("plan.hcl", `plan "p" { no_such_argument = 1 }`)
		p.exits(10, "apply --yes plan.hcl")
		p.recovered(task, "FAILED_NO_FILES_DOWNLOADED")
	})

	t.Run("killed while the quiesce is under way", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		p.fault(dpsim.Fault{Kind: "no_reply_but_done", Operation: "do-action/DomainQuiesce"})
		r := p.start("apply", "--yes", "plan.hcl")
		p.await("quiesced", func() bool { return p.quiesceState("gw", "app01") == "quiesced" })
		r.kill()
		p.exits(0, "recover")
		p.recovered(task, "FAILED_NO_FILES_DOWNLOADED")
		if n := p.sent()["do-action/DomainQuiesce"]; n != 1 {
			t.Errorf("the quiesce was sent %d times", n)
		}
	})

	t.Run("killed when all was staged", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		p.fault(dpsim.Fault{Kind: "unquiesce_ignored", Count: 1})
		r := p.start("apply", "--yes", "plan.hcl")
		p.await("staged", func() bool { return strings.Contains(r.out.String(), "EXECUTION_UNQUIESCE_WAITING_FOR_UNQUIESCE") })
		r.kill()
		if left := files(t, p.dir+"/backups"); len(left) > 0 {
			t.Fatalf("at the destination already, this proves nothing: %v", left)
		}
		p.exits(0, "recover")
		p.recovered(task, "SUCCESS")
		p.stored(1)
		p.exits(0, "backups list --json", `"origin":"own","trusted":true,"copies":[{"destination":"file.local","root":"`+p.dir+`/backups","path":"gw/domain/app01/`)
	})

	t.Run("killed while storing", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		p.fault(dpsim.Fault{Kind: "latency", Operation: "do-export", Duration: "7s", Count: 1})
		r := p.start("apply", "--yes", "plan.hcl")
		p.await("the export", func() bool { return p.sent()["do-export"] > 0 })
		stopped := slices.DeleteFunc(childrenOf(r.cmd.Process.Pid), func(pid int) bool {
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			return !bytes.Contains(b, []byte("\x00file\x00"))
		})
		stop(stopped)
		p.await("the store", func() bool { return strings.Contains(r.out.String(), "EXECUTION_STORE_STARTED") })
		if left := files(t, p.dir+"/backups"); len(left) > 0 {
			t.Errorf("at the destination already, this proves nothing: %v", left)
		}
		r.crash(stopped)
		p.exits(0, "recover")
		p.recovered(task, "SUCCESS")
		p.stored(1)
		p.exits(0, "backups list --json", `"origin":"own","trusted":true,"copies":[{"destination":"file.local","root":"`+p.dir+`/backups","path":"gw/domain/app01/`)
	})

	t.Run("killed, and recovery killed", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		p.stuck().kill()
		p.fault(dpsim.Fault{Kind: "unquiesce_ignored", Count: 1})
		r := p.start("recover")
		p.await("the unquiesce of the recovery", func() bool { return p.sent()["do-action/DomainUnquiesce"] > 0 })
		r.kill()
		if p.quiesceState("gw", "app01") != "quiesced" {
			t.Fatal("not quiesced: this proves nothing")
		}
		p.exits(0, "recover")
		p.recovered(task, "FAILED_NO_FILES_DOWNLOADED")
	})

	t.Run("killed with scripts", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, scripted, dpsim.Device{Name: "gw", AppDomains: 1})
		p.stuck().kill()
		p.exits(0, "recover")
		p.recovered(task, "FAILED_NO_FILES_DOWNLOADED")
		b, err := os.ReadFile(filepath.Join(p.dir, "told"))
		want := "plan_pre -\npre app01 -\npost app01 FAILED_NO_FILES_DOWNLOADED\nplan_post PLAN_INTERRUPTED\nnotify PLAN_INTERRUPTED p\n"
		if err != nil || string(b) != want {
			t.Errorf("scripts told %q, %v; want %q", b, err, want)
		}
	})

	t.Run("killed with a post-script and no pre-script", func(t *testing.T) {
		t.Parallel()
		plan := strings.NewReplacer("pre_script   = script.exec.tell", "", "pre_script = script.exec.tell", "").Replace(scripted)
		p := newProgram(t, dprun, plan, dpsim.Device{Name: "gw", AppDomains: 1})
		p.stuck().kill()
		p.exits(0, "recover")
		p.recovered(task, "FAILED_NO_FILES_DOWNLOADED")
		_, histories, _ := p.journal()
		for task, h := range histories {
			for _, c := range h {
				if strings.Contains(c, "SCRIPT_ERROR") {
					t.Errorf("history of %q: %v: a script that could not be run is no failure of the backup", task, h)
				}
			}
		}
	})

	t.Run("killed, and the secret is gone", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, "", dpsim.Device{Name: "gw", AppDomains: 1}, dpsim.Device{Name: "other", AppDomains: 1})
		p.writeTogether("plan.hcl", strings.Replace(quiescing, `"app01"`, `"*"`, 1))
		p.fault(dpsim.Fault{Kind: "hang", Operation: "do-export", Domain: "app01"})
		r := p.start("apply", "--yes", "plan.hcl")
		p.untilExporting("gw", "app01")
		p.untilExporting("other", "app01")
		r.kill()
		password := need.Value(os.ReadFile(filepath.Join(p.dir, "gw.pw")))(t)
		need.Done(t, os.Remove(filepath.Join(p.dir, "gw.pw")))
		for _, args := range [][]string{{"recover"}, {"apply", "--yes", "plan.hcl"}} {
			code, out := p.run(args...)
			if code != 16 || !strings.Contains(out, "domain-unquiesce app01") || !strings.Contains(out, "gw.pw") {
				t.Errorf("%v: exit %d, want 16, the file that is missing and the command\n%s", args, code, out)
			}
			if p.quiesceState("gw", "app01") != "quiesced" {
				t.Fatal("not quiesced: this proves nothing")
			}
		}
		if s := p.quiesceState("other", "app01"); s != "" {
			t.Errorf("a device whose secret can be read is left %s", s)
		}
		p.write("gw.pw", string(password))
		p.exits(0, "recover")
		p.recovered(task, "FAILED_NO_FILES_DOWNLOADED")
	})

	t.Run("killed, and the recovery of an apply is asked to stop", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		p.stuck().kill()
		p.clearFaults()
		p.fault(dpsim.Fault{Kind: "latency", Operation: "do-action/DomainUnquiesce", Duration: "3s"})
		r := p.start("apply", "--yes", "plan.hcl")
		p.await("the unquiesce of the recovery", func() bool { return p.sent()["do-action/DomainUnquiesce"] > 0 })
		r.signal(syscall.SIGTERM)
		r.exits(143)
		p.recovered(task, "FAILED_NO_FILES_DOWNLOADED")
		if runs, _, _ := p.journal(); len(runs) != 1 {
			t.Errorf("%d runs: the plan was begun although it was asked to stop", len(runs))
		}
	})

	t.Run("killed, and something it started hangs", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		r := p.stuck()
		runs, _, _ := p.journal()
		locks, err := filepath.Glob(filepath.Join(p.state(), "locks", "*"+runs[0].ID+"*.lock"))
		if err != nil || len(locks) != 1 {
			t.Fatalf("the run's lock: %v, %v", locks, err)
		}
		r.killAll()
		hanging := exec.Command("flock", locks[0], "sleep", "600")
		hanging.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		need.Done(t, hanging.Start())
		end := sync.OnceFunc(func() {
			_ = syscall.Kill(-hanging.Process.Pid, syscall.SIGKILL)
			_ = hanging.Wait()
		})
		defer end()
		p.await("the lock is held", func() bool { return len(childrenOf(hanging.Process.Pid)) > 0 })
		p.exits(16, "owed")
		if code, out := p.run("recover"); code != 0 || p.quiesceState("gw", "app01") != "" {
			t.Errorf("recover: exit %d, %s\n%s", code, p.quiesceState("gw", "app01"), out)
		}
		end()
		p.exits(0, "recover")
		p.recovered(task, "FAILED_NO_FILES_DOWNLOADED")
		if n := p.sent()["do-action/DomainUnquiesce"]; n != 1 {
			t.Errorf("the unquiesce was sent %d times", n)
		}
	})

	t.Run("terminated while quiesced", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		r := p.stuck()
		for range 20 { // a storm is one request to stop and one to hurry
			r.signal(syscall.SIGTERM)
		}
		r.exits(143)
		p.recovered(task, "EXECUTION_CANCELED_BY_USER")
	})

	t.Run("a second process", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		r := p.stuck()
		code, out := p.run("apply", "--yes", "plan.hcl")
		if code != 12 || !strings.Contains(out, "already running") || !strings.Contains(out, strconv.Itoa(r.cmd.Process.Pid)) {
			t.Errorf("exit %d, want 12 and who runs it\n%s", code, out)
		}
		if code, out := p.run("recover"); code != 0 || p.quiesceState("gw", "app01") != "quiesced" {
			t.Errorf("recover beside a live run: exit %d\n%s", code, out)
		}
		r.signal(syscall.SIGINT)
		r.exits(130)
		p.recovered(task, "EXECUTION_CANCELED_BY_USER")
	})

	t.Run("the plugin of the gateway is killed", func(t *testing.T) {
		t.Parallel()
		p := newProgram(t, dprun, quiescing, dpsim.Device{Name: "gw", AppDomains: 1})
		r := p.stuck()
		p.clearFaults()
		for _, child := range childrenOf(r.cmd.Process.Pid) {
			if args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child)); bytes.Contains(args, []byte("datapower")) {
				need.Done(t, syscall.Kill(child, syscall.SIGKILL))
			}
		}
		r.exits(0)
		p.recovered(task, "SUCCESS")
		p.stored(1)
		p.exits(0, "backups list --json", `"origin":"own","trusted":true,"copies":[{"destination":"file.local","root":"`+p.dir+`/backups","path":"gw/domain/app01/`)
	})
}

// scripted tells a file of every script that runs.
const scripted = `
script "exec" "inform" {
  config { command = ["/bin/sh", "-c", "echo $DPRUN_HOOK ${status} $DPRUN_PLAN >> told"] }
}
script "exec" "tell" {
  config { command = ["/bin/sh", "-c", "echo $DPRUN_HOOK $DPRUN_DOMAIN $${DPRUN_STATUS:--} >> told"] }
}
plan "p" {
  destinations = [destination.file.local]
  pre_script   = script.exec.tell
  post_script { run = script.exec.tell }
  notify {
    on  = ["failed"]
    run = script.exec.inform
  }
  activity "export_domain" "x" {
    devices    = ["*"]
    domains    = ["app01"]
    quiesce    = "domain"
    pre_script = script.exec.tell
    post_script { run = script.exec.tell }
  }
}
`

// stored checks that n whole sets stand at the destination, and nothing else.
func (p *program) stored(sets int) {
	p.t.Helper()
	all := files(p.t, filepath.Join(p.dir, "backups"))
	manifests := 0
	for _, f := range all {
		if !strings.HasSuffix(f, ".dprun.json") {
			continue
		}
		manifests++
		m := manifestOf(p.t, filepath.Join(p.dir, "backups", f))
		for _, a := range m.Artifacts {
			at := filepath.Join(p.dir, "backups", filepath.Dir(f), a.File)
			if hashOf(p.t, at) != a.SHA256 {
				p.t.Errorf("%s is not what its manifest says", at)
			}
		}
	}
	if manifests != sets || len(all) != 2*sets {
		p.t.Errorf("at the destination: %v; want %d whole sets", all, sets)
	}
}
