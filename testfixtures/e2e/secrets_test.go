package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim"
)

// TestNoSecretIsAnywhere: a run in which much fails, and where gateways and
// scripts repeat the secrets that they were given, leaves none of them in the
// journal, the logs, the output, or what other users see of its processes.
func TestNoSecretIsAnywhere(t *testing.T) {
	t.Parallel()
	const token = "tok<en&1\"7-ünsafe"
	p := newProgram(t, build(t), `
variable "given" { sensitive = true }
script "exec" "talk" {
  config {
    command = ["/bin/sh", "-c", "cat $DPRUN_SECRETS_DIR/T; base64 $DPRUN_SECRETS_DIR/T >&2; printf 'Authorization: Basic '; printf 'backup:%s' \"$(cat $DPRUN_SECRETS_DIR/T)\" | base64; exit 1"]
    secrets = { T = secret_file("token"), V = var.given }
  }
}
plan "p" {
  destinations = [destination.file.local]
  activity "export_domain" "x" {
    devices = ["*"]
    domains = ["*"]
    quiesce = "domain"
    post_script { run = script.exec.talk }
  }
}
`, dpsim.Device{Name: "one", AppDomains: 2, Password: `p<a>s&s"w'ord-1 é`}, dpsim.Device{Name: "two", AppDomains: 1, Password: "second-password-22"}, dpsim.Device{Name: "three", Password: "third-password-333"})
	p.write("token", token)
	p.write("given.auto.dprunvars.hcl", "given = \"of-a-variable-4711\"\n")
	p.write("three.pw", "a-wrong-password")
	secrets := map[string]string{"token": token, "wrong": "a-wrong-password", "variable": "of-a-variable-4711"}
	for _, d := range p.fleet.Ready().Devices[:2] {
		secrets[d.Name] = d.Password
		basic := base64.StdEncoding.EncodeToString([]byte(d.Username + ":" + d.Password))
		for _, f := range []dpsim.Fault{
			{Kind: "error_result", Device: d.Name, Domain: "app01", Text: "no, " + d.Password},
			{Kind: "garbage", Device: d.Name, Domain: "default", Operation: "do-export", Text: "<html>Authorization: Basic " + basic + " " + d.Password + "</html>"},
		} {
			p.fault(f)
		}
	}
	r := p.start("apply", "--yes", "--json", "plan.hcl")
	seen := map[string]bool{}
	processes := func(pid int) {
		for _, child := range append(childrenOf(pid), pid) {
			for _, what := range []string{"cmdline", "environ"} {
				if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", child, what)); err == nil {
					seen[string(b)] = true
				}
			}
		}
	}
	p.await("the run ends", func() bool {
		processes(r.cmd.Process.Pid)
		for _, child := range childrenOf(r.cmd.Process.Pid) {
			processes(child)
		}
		time.Sleep(20 * time.Millisecond)
		return strings.Contains(r.out.String(), `"type":"summary"`)
	})
	// The journal's log is still there while somebody has it open.
	sources := map[string][]byte{}
	for text := range seen {
		sources["a process: "+strings.ReplaceAll(text[:min(len(text), 60)], "\x00", " ")] = []byte(text)
	}
	p.collect(sources)
	code, out := r.wait()
	if code != 1 || !strings.Contains(out, "(sensitive)") || !strings.Contains(out, "EXECUTION_POST_SCRIPT_ERROR") {
		t.Errorf("exit %d: this proves nothing\n%s", code, out)
	}
	sources["output"] = []byte(out)
	for _, args := range [][]string{{"runs", "list"}, {"runs", "show", "--json", p.only()}, {"runs", "logs", p.only()}} {
		_, out := p.run(args...)
		sources[strings.Join(args, " ")] = []byte(out)
	}
	p.collect(sources)
	if len(sources) < 8 {
		t.Errorf("only %d places were looked at", len(sources))
	}
	for where, text := range sources {
		for name, s := range secrets {
			for form, written := range writtenForms(s) {
				if bytes.Contains(text, []byte(written)) {
					i := bytes.Index(text, []byte(written))
					t.Errorf("%s of %s is in %s: …%q…", form, name, where, text[max(0, i-80):min(len(text), i+len(written)+20)])
				}
			}
		}
	}
}

// writtenForms are the ways in which a secret may be written down; of base64
// the part that is the same whatever stands before and after.
func writtenForms(s string) map[string]string {
	out := map[string]string{"the plain form": s, "the hex form": hex.EncodeToString([]byte(s)), "the URL form": url.QueryEscape(s)}
	for shift := range 3 {
		b := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + s))
		from := (shift*4 + 2) / 3
		to := (shift + len(s)) / 3 * 4
		out[fmt.Sprintf("the base64 form behind %d bytes", shift)] = b[from:to]
	}
	return out
}

// only is the ID of the one run there is.
func (p *program) only() string {
	runs, _, _ := p.journal()
	if len(runs) != 1 {
		p.t.Fatalf("%d runs", len(runs))
	}
	return runs[0].ID
}

// collect reads every file of the state directory.
func (p *program) collect(into map[string][]byte) {
	p.t.Helper()
	for _, f := range files(p.t, p.state()) {
		if b, err := os.ReadFile(filepath.Join(p.state(), f)); err == nil {
			into[fmt.Sprintf("%s (%d)", f, len(into))] = b
		}
	}
}
