//go:build packages

package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// host is a root of Debian's packages alone, and what runs in it.
type host struct {
	t    *testing.T
	root string
	port string
}

// systemctl stands for the service manager, which a root without a boot of its
// own does not have: it does of the unit dprun-serve what the test says.
const systemctl = `#!/bin/sh
echo "$*" >>/run/systemctl.log
pid=$(cat /run/serve.pid 2>/dev/null || echo 0)
case "$*" in
"show --property=MainPID --value dprun-serve.service") echo "$pid" ;;
"--quiet stop "*dprun-serve.service*)
	[ "$pid" = 0 ] || kill -TERM "$pid" || exit 0
	while [ "$pid" != 0 ] && [ -d "/proc/$pid" ]; do sleep 0.2; done ;;
"--quiet is-active dprun-serve.service") [ -d "/proc/$pid" ] && [ "$pid" != 0 ] ;;
"--quiet is-active "*) exit 3 ;;
esac
`

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, root: newRoot(t)}
	need.Done(t, os.MkdirAll(h.path("/run/systemd/system"), 0o755))
	need.Done(t, os.WriteFile(h.path("/usr/local/bin/systemctl"), []byte(systemctl), 0o755))
	h.port = freePort(t)
	return h
}

func freePort(t *testing.T) string {
	t.Helper()
	l := need.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	need.Done(t, err)
	return port
}

func (h *host) path(p string) string { return filepath.Join(h.root, p) }

func (h *host) command(user string, args ...string) *exec.Cmd {
	c := exec.Command("chroot", append([]string{"--userspec=" + user, h.root}, args...)...)
	c.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "DPRUN_STATE_DIR=/var/lib/dprun", "HOME=/", "DEBIAN_FRONTEND=noninteractive"}
	return c
}

// does runs a command that has to end in order.
func (h *host) does(user string, args ...string) string {
	h.t.Helper()
	out, err := h.command(user, args...).CombinedOutput()
	if err != nil {
		h.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// serve starts what the unit says, as its user.
func (h *host) serve() *exec.Cmd {
	h.t.Helper()
	unit := string(need.Value(os.ReadFile(h.path("/usr/lib/systemd/system/dprun-serve.service")))(h.t))
	start := regexp.MustCompile(`(?m)^ExecStart=(.+)$`).FindStringSubmatch(unit)[1]
	user := regexp.MustCompile(`(?m)^User=(.+)$`).FindStringSubmatch(unit)[1]
	if !strings.Contains(unit, "\nEnvironment=DPRUN_STATE_DIR=/var/lib/dprun\n") {
		h.t.Fatalf("the unit has another state directory:\n%s", unit)
	}
	c := h.command(user+":"+user, strings.Fields(start)...)
	c.Stdout, c.Stderr = h.t.Output(), h.t.Output()
	need.Done(h.t, c.Start())
	h.t.Cleanup(func() { _ = c.Process.Kill() })
	need.Done(h.t, os.WriteFile(h.path("/run/serve.pid"), fmt.Appendf(nil, "%d", c.Process.Pid), 0o644))
	h.await("the server is ready", func() bool { return h.get("/readyz") == http.StatusOK })
	if code := h.get("/healthz"); code != http.StatusOK {
		h.t.Fatalf("/healthz answers %d", code)
	}
	h.sees("Is anything down because of us?")
	return c
}

// sees reads the page as somebody who has a token.
func (h *host) sees(text string) {
	h.t.Helper()
	r := need.Value(http.NewRequest(http.MethodGet, "http://127.0.0.1:"+h.port+"/", nil))(h.t)
	r.Header.Set("Authorization", "Bearer "+pageToken)
	a := need.Value(http.DefaultClient.Do(r))(h.t)
	defer a.Body.Close()
	if page := need.Value(io.ReadAll(a.Body))(h.t); a.StatusCode != http.StatusOK || !strings.Contains(string(page), text) {
		h.t.Fatalf("the page answers %d without %q:\n%s", a.StatusCode, text, page)
	}
}

const pageToken = "a-token-of-this-test"

func (h *host) get(path string) int {
	r, err := http.Get("http://127.0.0.1:" + h.port + path)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, r.Body)
	_ = r.Body.Close()
	return r.StatusCode
}

func (h *host) await(what string, holds func() bool) {
	h.t.Helper()
	for end := time.Now().Add(4 * time.Minute); !holds(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("waited in vain: %s", what)
		}
	}
}

// verdicts are the due times of the plan, the newest first.
func (h *host) verdicts() (due []struct {
	Verdict  string
	Run      string
	Ended    *time.Time
	ExitCode int `json:"exit_code"`
}) {
	h.t.Helper()
	for line := range strings.Lines(h.does("dprun:dprun", "/usr/bin/dprun", "schedule", "past", "--json")) {
		var o struct {
			Type string
			Due  json.RawMessage
		}
		need.Done(h.t, json.Unmarshal([]byte(line), &o))
		if o.Type == "firings" {
			need.Done(h.t, json.Unmarshal(o.Due, &due))
		}
	}
	return due
}

const servedPlan = `
device "datapower" "gw" {
  config {
    host     = "127.0.0.1"
    port     = PORT
    username = "backup"
    password = secret_file("/etc/dprun/gw.password")
    tls { ca_file = "/etc/dprun/ca.pem" }
  }
}
destination "file" "vault" {
  config {
    directory        = "/var/lib/dprun/out"
    create_directory = true
  }
}
script "exec" "gate" {
  timeout = "10m"
  config { command = ["/bin/sh", "-c", "until [ -e /run/gate ]; do sleep 0.2; done"] }
}
plan "nightly" {
  destinations = [destination.file.vault]
  SCHEDULE
  activity "export_domain" "domains" {
    devices    = ["*"]
    domains    = ["orders"]
    quiesce    = "domain"
    pre_script = script.exec.gate
  }
}
`

// TestThePackageOnACleanHost: installed, served, upgraded during a run, removed.
func TestThePackageOnACleanHost(t *testing.T) {
	t.Chdir(".") // back afterwards
	packages := t.TempDir()
	for _, version := range []string{"v0.1.0", "v0.2.0"} {
		need.Done(t, release([]string{"-packages", "deb,rpm", "-version", version, "-out", filepath.Join(packages, version)}))
	}
	first := need.Value(filepath.Glob(filepath.Join(packages, "v0.1.0", "*.deb")))(t)[0]
	if out, err := exec.Command("lintian", "--allow-root", "--fail-on", "error,warning", first).CombinedOutput(); err != nil {
		t.Errorf("Debian's own check of packages: %v\n%s", err, out)
	}
	h := newHost(t)
	for _, version := range []string{"v0.1.0", "v0.2.0"} {
		deb := need.Value(filepath.Glob(filepath.Join(packages, version, "*.deb")))(t)[0]
		need.Done(t, os.WriteFile(h.path("/"+version+".deb"), need.Value(os.ReadFile(deb))(t), 0o644))
	}
	fleet := need.Value(dpsim.Start(t.Context(), dpsim.Scenario{Dir: t.TempDir(), Devices: []dpsim.Device{{Name: "gw", Username: "backup", Domains: []dpsim.Domain{{Name: "orders"}}}}}))(t)
	t.Cleanup(fleet.Close)
	gw := fleet.Device("gw")
	quiesced := func() bool {
		for _, d := range fleet.State().Device("gw").Domains {
			if d.Name == "orders" && d.QuiesceState != "" {
				return true
			}
		}
		return false
	}

	h.does("0:0", "dpkg", "-i", "/v0.1.0.deb")
	if log, err := os.ReadFile(h.path("/run/systemctl.log")); err != nil || strings.Contains(string(log), "start") || strings.Contains(string(log), "enable") {
		t.Errorf("an installation starts something: %v\n%s", err, log)
	}
	if got := h.does("0:0", "stat", "-c", "%U:%G %a", "/etc/dprun", "/etc/dprun/plans", "/var/lib/dprun"); got != "root:dprun 750\nroot:dprun 750\ndprun:dprun 700\n" {
		t.Errorf("directories:\n%s", got)
	}
	if got := h.does("0:0", "getent", "passwd", "dprun"); !strings.HasSuffix(got, ":/var/lib/dprun:/usr/sbin/nologin\n") {
		t.Error(got)
	}
	if got := h.does("0:0", "dpkg", "--verify", "dprun"); got != "" {
		t.Error(got)
	}
	// The administrator's change outlives the upgrade.
	h.does("0:0", "sed", "-i", "s/127.0.0.1:8420/127.0.0.1:"+h.port+"/", "/etc/dprun/serve.hcl")
	h.does("0:0", "sh", "-c", fmt.Sprintf("printf 'token \"page\" {\\n  sha256 = \"%x\"\\n  role = \"viewer\"\\n}\\n' >>/etc/dprun/serve.hcl", sha256.Sum256([]byte(pageToken))))
	for name, text := range map[string]string{
		"/etc/dprun/gw.password": gw.Password, "/etc/dprun/ca.pem": string(need.Value(os.ReadFile(gw.CAFile))(t)),
		"/etc/dprun/plans/nightly.hcl": strings.NewReplacer("PORT", fmt.Sprint(gw.Port), "SCHEDULE", `schedule { cron = "* * * * *" }`).Replace(servedPlan),
	} {
		need.Done(t, os.WriteFile(h.path(name), []byte(text), 0o600))
		h.does("0:0", "chown", "dprun:dprun", name)
	}

	// An upgrade while a run is under way.
	server := h.serve()
	h.await("a run is under way", func() bool { d := h.verdicts(); return len(d) > 0 && d[len(d)-1].Run != "" })
	if out := h.does("0:0", "dpkg", "-i", "/v0.2.0.deb"); !strings.Contains(out, "goes on with the old program until no run is in progress") {
		t.Errorf("the upgrade says\n%s", out)
	}
	if got := h.does("dprun:dprun", "/usr/bin/dprun", "version"); !strings.Contains(got, "v0.2.0") {
		t.Errorf("after the upgrade: %s", got)
	}
	if got := need.Value(os.Readlink(fmt.Sprintf("/proc/%d/exe", server.Process.Pid)))(t); !strings.Contains(got, "(deleted)") {
		t.Errorf("the server runs %s: this proves nothing", got)
	}
	if first := h.verdicts(); first[len(first)-1].Ended != nil {
		t.Error("the upgrade has ended the run")
	}
	need.Done(t, os.WriteFile(h.path("/run/gate"), nil, 0o644))
	if err := server.Wait(); err != nil {
		t.Errorf("the old server ends with %v", err)
	}
	d := h.verdicts()
	if first := d[len(d)-1]; first.Verdict != "run" || first.Ended == nil || first.ExitCode != 0 {
		t.Errorf("the run during which dprun was upgraded: %+v", first)
	}
	if quiesced() || fleet.State().Device("gw").Operations["do-action/DomainQuiesce"] == 0 {
		t.Errorf("the domain is quiesced, or never was: %+v", fleet.State().Device("gw").Operations)
	}

	// The new server, and a removal while something is owed.
	server = h.serve()
	go func() { _ = server.Wait() }() // or its process stays, ended
	need.Done(t, fleet.AddFault(dpsim.Fault{Kind: "hang", Operation: "do-export"}))
	need.Done(t, os.WriteFile(h.path("/etc/dprun/other.hcl"), []byte(strings.NewReplacer("PORT", fmt.Sprint(gw.Port), "SCHEDULE", "", "nightly", "by_hand").Replace(servedPlan)), 0o644))
	need.Done(t, os.Remove(h.path("/etc/dprun/plans/nightly.hcl")))
	apply := h.command("dprun:dprun", "/usr/bin/dprun", "apply", "--yes", "--no-guard", "/etc/dprun/other.hcl")
	apply.Stdout, apply.Stderr = t.Output(), t.Output()
	need.Done(t, apply.Start())
	h.await("the domain is quiesced", quiesced)
	if out, err := h.command("0:0", "dpkg", "-r", "dprun").CombinedOutput(); err == nil || !strings.Contains(string(out), "dprun is not removed") {
		t.Errorf("a removal while a run keeps a domain quiesced: %v\n%s", err, out)
	}
	need.Done(t, fleet.AddFault(dpsim.Fault{Kind: "hang", Operation: "do-action/DomainUnquiesce"}))
	need.Done(t, apply.Process.Kill())
	_ = apply.Wait() // killed
	out, err := h.command("0:0", "dpkg", "-r", "dprun").CombinedOutput()
	if _, there := os.Stat(h.path("/usr/bin/dprun")); err == nil || there != nil || !strings.Contains(string(out), "dprun is not removed") || !strings.Contains(string(out), "dprun recover") {
		t.Errorf("a removal while a domain is quiesced: %v, %v\n%s", err, there, out)
	}
	if log := need.Value(os.ReadFile(h.path("/run/systemctl.log")))(t); !strings.Contains(string(log), "\nstart --no-block dprun-serve.service\n") {
		t.Errorf("nobody brings the domain back now:\n%s", log)
	}
	need.Done(t, fleet.ClearFaults(dpsim.Fault{}))
	h.does("dprun:dprun", "/usr/bin/dprun", "recover")
	if quiesced() {
		t.Error("the domain is still quiesced")
	}
	h.does("0:0", "dpkg", "-r", "dprun")
	if _, err := os.Stat(h.path("/usr/bin/dprun")); err == nil {
		t.Error("the program is still there")
	}
	if out := h.does("0:0", "dpkg", "-P", "dprun"); !strings.Contains(out, "/var/lib/dprun stays") {
		t.Errorf("a purge says\n%s", out)
	}
	for _, stays := range []string{"/var/lib/dprun/journal.db", "/var/lib/dprun/out", "/etc/dprun/other.hcl"} {
		if _, err := os.Stat(h.path(stays)); err != nil {
			t.Errorf("what should stay: %v", err)
		}
	}

	// What rpm says of its package.
	rpm := need.Value(filepath.Glob(filepath.Join(packages, "v0.1.0", "*.rpm")))(t)[0]
	held := string(need.Value(exec.Command("rpm", "-qp", "--qf", `%{NAME} %{VERSION} %{LICENSE}\n[%{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILENAMES}\n]`, rpm).Output())(t))
	for _, want := range []string{"dprun 0.1.0 Apache-2.0", "drwxr-x--- root dprun /etc/dprun/plans", "drwx------ dprun dprun /var/lib/dprun", "-rwxr-xr-x root root /usr/bin/dprun",
		"-rw-r--r-- root root /usr/lib/systemd/system/dprun-serve.service", "-rw-r--r-- root root /usr/share/zsh/site-functions/_dprun"} {
		if !strings.Contains(held, want+"\n") {
			t.Errorf("the package for RPM does not hold %s:\n%s", want, held)
		}
	}
	if scripts := string(need.Value(exec.Command("rpm", "-qp", "--scripts", rpm).Output())(t)); !strings.Contains(scripts, "preuninstall scriptlet") || !strings.Contains(scripts, "postuninstall scriptlet") {
		t.Errorf("its scripts:\n%s", scripts)
	}
}

// TestAnImageOfTheArchiveServes: built by Containerfile, run as its user, without root's rights.
func TestAnImageOfTheArchiveServes(t *testing.T) {
	t.Chdir(".") // back afterwards
	out, store := t.TempDir(), t.TempDir()
	b := need.Value(newBuild("v0.1.0", out, []platform{here}))(t)
	defer b.close()
	need.Done(t, b.archive(here))
	buildah := func(args ...string) *exec.Cmd {
		c := exec.Command("buildah", append([]string{"--root", filepath.Join(store, "root"), "--runroot", filepath.Join(store, "run"), "--storage-driver", "vfs"}, args...)...)
		c.Env = append(os.Environ(), "BUILDAH_ISOLATION=chroot")
		return c
	}
	does := func(c *exec.Cmd) string {
		t.Helper()
		text, err := c.Output()
		if err != nil {
			t.Fatalf("%v: %v", c, err)
		}
		return strings.TrimSpace(string(text))
	}
	does(exec.Command("tar", "-C", out, "-xf", filepath.Join(out, "dprun_0.1.0_"+here.String()+".tar.gz")))
	dir := filepath.Join(out, "dprun_0.1.0_"+here.String())
	does(buildah("build", "-t", "dprun", "-f", filepath.Join(dir, "Containerfile"), dir))
	container := does(buildah("from", "localhost/dprun"))
	t.Cleanup(func() { _ = buildah("rm", container).Run() })
	plans := t.TempDir()
	need.Done(t, os.Chmod(plans, 0o755))
	h := &host{t: t, port: freePort(t)}
	server := buildah("run", "-v", plans+":/etc/dprun/plans:ro", container, "--", "/usr/bin/dprun", "serve", "--plans", "/etc/dprun/plans", "--listen", "127.0.0.1:"+h.port)
	server.Stdout, server.Stderr = t.Output(), t.Output()
	need.Done(t, server.Start())
	pid := 0
	h.await("the container is ready", func() bool { return h.get("/readyz") == http.StatusOK })
	for _, exe := range need.Value(filepath.Glob("/proc/[0-9]*/cmdline"))(t) {
		if line, err := os.ReadFile(exe); err == nil && strings.HasPrefix(string(line), "/usr/bin/dprun\x00serve\x00") && strings.Contains(string(line), ":"+h.port+"\x00") {
			pid = need.Value(strconv.Atoi(filepath.Base(filepath.Dir(exe))))(t)
		}
	}
	if status := string(need.Value(os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)))(t)); !strings.Contains(status, "Uid:\t65532\t65532\t65532\t65532\n") {
		t.Errorf("it runs as somebody else:\n%s", status)
	}
	need.Done(t, syscall.Kill(pid, syscall.SIGTERM))
	if err := server.Wait(); err != nil {
		t.Errorf("it ends with %v", err)
	}
}
