package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// notRun lists the lines of the documentation's commands that the test does
// not run, with the reason.
var notRun = map[string]string{
	"make build":     "the gate runs it; it writes into the repository",
	"make demo":      "the gate runs it; it writes into the repository",
	"make help":      "a test of its own looks at what CONTRIBUTING.md names",
	"make test-fast": "the gate runs all that it does",
	"make check":     "the gate runs it",
	"go test ./cmd/dprun -run Mistake -update":                                                                "it writes into the repository",
	"go test ./cmd/dprun/view ./plan -update":                                                                 "it writes into the repository",
	"go run ./docs/gen":                                                                                       "a test of its own compares what it writes",
	"go run ./testfixtures/scenario/rename OLD_CODE NEW_CODE":                                                 "its own test does it elsewhere; it writes into the repository",
	"go test ./testfixtures/scenarios -run Scenario/SUCCESS.mine -update":                                     "it writes into the repository",
	"make bench                                        # everything; an hour or two on two idle processors":   "a benchmark takes too long for a test",
	"make bench-quick OLD=/tmp/old/bin/dprun":                                                                 "a benchmark takes too long for a test",
	"testfixtures/bench/run.sh -only a,b -rounds 5     # some parts, more rounds (needs `make build` before)": "a benchmark takes too long for a test",
	"testfixtures/bench/run.sh -only g,j -old /tmp/old/bin/dprun    # with an older dprun beside":             "a benchmark takes too long for a test",
	"testfixtures/bench/run.sh -only d -server disk    # the server's files on disk only":                     "a benchmark takes too long for a test",
	"useradd --system --home-dir /var/lib/dprun --shell /usr/sbin/nologin dprun":                              "needs root and changes the host",
	"install -d -m 0750 -o root -g dprun /etc/dprun /etc/dprun/nightly":                                       "needs root and changes the host",
	"install -m 0600 -o dprun -g dprun gw1.password /etc/dprun/gw1.password":                                  "needs root and the user that was made above",
	"install -m 0644 docs/systemd/dprun-*.service docs/systemd/dprun-*.timer /etc/systemd/system/":            "needs root and changes the host",
	"apt install ./dprun_0.1.0-1_amd64.deb     # or: dnf install ./dprun-0.1.0-1.x86_64.rpm":                  "make test-packages does it, in a root of its own",
	"install -m 0640 -g dprun examples/serve/serve.hcl /etc/dprun/serve.hcl":                                  "needs root and the user that was made above",
	"install -m 0640 -g dprun plan.hcl /etc/dprun/plans/nightly.hcl":                                          "needs root and the package's user",
	"runuser -u dprun -- env DPRUN_STATE_DIR=/var/lib/dprun dprun check /etc/dprun/plans/nightly.hcl":         "needs root and the package's user",
	"make release TAG=v0.1.0":                                                          "make test-release runs it, and says of the files what the page says",
	"sha256sum -c SHA256SUMS":                                                          "make test-release runs it",
	"buildah build -t dprun -f dprun/Containerfile dprun":                              "make test-packages runs it",
	"systemctl daemon-reload":                                                          "needs systemd",
	"install -d -m 0750 -o root -g dprun /etc/dprun/plans":                             "needs root and changes the host",
	"install -m 0644 docs/systemd/dprun-serve.service /etc/systemd/system/":            "needs root and changes the host",
	"systemctl enable --now dprun-serve.service":                                       "needs systemd",
	"dprun serve --plans /etc/dprun/plans --listen 127.0.0.1:8420":                     "runs until it is stopped",
	"dprun serve --plans /etc/dprun/plans --config /etc/dprun/serve.hcl":               "runs until it is stopped",
	"systemctl enable --now dprun-recover.timer dprun-prune.timer dprun-nightly.timer": "needs systemd",
	"systemctl enable dprun-recover.service      # at boot too":                        "needs systemd",
	"runuser -u dprun -- env DPRUN_STATE_DIR=/var/lib/dprun sh":                        "needs root and the user that was made above",
	"systemctl start dprun-nightly.service && journalctl -u dprun-nightly -f":          "needs systemd",
}

// prelude defines what belongs to the reader: how to tell somebody. A request
// that a server refuses fails, and a stream ends after a moment.
const prelude = `set -e
notify() { echo "notify: $*"; }
page() { echo "page: $*"; }
mail() { echo "mail: $*"; cat; }
curl() {
  case "$1" in
    -N) command curl -sS --fail-with-body --max-time 1 "$@" || [ $? = 28 ] ;;
    *) command curl -sS --fail-with-body "$@" ;;
  esac
}
`

// workspace is a directory with the plan of docs/getting-started.md, whose
// gateway is a simulated one.
type workspace struct {
	dir    string
	env    []string
	server string // its URL; empty: none runs
}

func newWorkspace(t *testing.T) workspace {
	t.Helper()
	bin := need.Value(dprun())(t)
	fleet, err := dpsim.Start(context.Background(), dpsim.Scenario{Dir: t.TempDir(), Devices: []dpsim.Device{{
		Name: "gw1", Username: "backup", ExportSize: "64KB", Domains: []dpsim.Domain{{Name: "orders"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fleet.Close)
	w := workspace{dir: t.TempDir()}
	root := need.Value(filepath.Abs("../.."))(t)
	gw := fleet.Ready().Devices[0]
	plan := ""
	for _, f := range fences(t, "hcl") {
		if f.page == "getting-started.md" && !f.fragment {
			plan = f.text
		}
	}
	const device = "device \"datapower\" \"gw1\" {\n"
	if !strings.Contains(plan, device) {
		t.Fatal("the plan of docs/getting-started.md has no device gw1")
	}
	plan = strings.Replace(plan, device, device+"  restore { username = \"backup\" }\n", 1) // as docs/restore.md has it
	for from, to := range map[string]string{
		`host     = "gw1.example.net"`:    fmt.Sprintf("host     = %q\n    port     = %d", gw.Host, gw.Port),
		"/etc/dprun/gw1.password":         "gw1.password",
		"certs/appliances.pem":            gw.CAFile,
		"/backups":                        filepath.Join(w.dir, "backups"),
		"destination \"file\" \"disk\" {": "destination \"file\" \"disk\" {\n  min_free = 0", // the disk of whoever runs the tests may be full
	} {
		if !strings.Contains(plan, from) {
			t.Fatalf("the plan of docs/getting-started.md does not hold %s", from)
		}
		plan = strings.ReplaceAll(plan, from, to)
	}
	for _, dir := range []string{"backups", "bin", "installed", "nightly", "served", "state"} {
		need.Done(t, os.Mkdir(filepath.Join(w.dir, dir), 0o700))
	}
	for name, text := range map[string]string{
		"plan.hcl": plan, "nightly/plan.hcl": plan, "gw1.password": gw.Password, "nightly/gw1.password": gw.Password,
		"served/plan.hcl": plan, "served/gw1.password": gw.Password,
		"go.work": "go 1.26.0\n\nuse " + root + "\n",
	} {
		need.Done(t, os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600))
	}
	need.Done(t, os.Symlink(bin, filepath.Join(w.dir, "bin", "dprun")))
	w.env = append(os.Environ(), "PATH="+filepath.Dir(bin)+":"+os.Getenv("PATH"), "DPRUN_STATE_DIR="+filepath.Join(w.dir, "state"),
		"GOWORK="+filepath.Join(w.dir, "go.work"))
	return w
}

// served are the addresses of servers in the documentation.
var served = regexp.MustCompile(`https://(backup\.example:8420|dprun\.bank\.example:8443)`)

var listening = regexp.MustCompile(`address=(127\.0\.0\.1:\d+)`)

// serve starts a server of the plan, for an admin's token.
func (w *workspace) serve(t *testing.T) {
	t.Helper()
	const token = "a-token-of-somebody"
	for name, text := range map[string]string{
		"token": token, "serve.hcl": fmt.Sprintf("listen = \"127.0.0.1:0\"\ntoken \"t\" {\n  sha256 = \"%x\"\n  role   = \"admin\"\n}\n", sha256.Sum256([]byte(token))),
	} {
		need.Done(t, os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600))
	}
	cmd := exec.Command(filepath.Join(w.dir, "bin", "dprun"), "serve", "--plans", "served", "--config", "serve.hcl", "--log-level", "info")
	cmd.Dir, cmd.Env = w.dir, w.env
	log := need.Value(cmd.StderrPipe())(t)
	need.Done(t, cmd.Start())
	var said strings.Builder
	found, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			fmt.Fprintln(&said, lines.Text())
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				found <- "http://" + m[1]
			}
		}
	}()
	t.Cleanup(func() {
		need.Done(t, cmd.Process.Signal(syscall.SIGTERM))
		<-ended
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the server says:\n%s", said.String())
		}
	})
	select {
	case w.server = <-found:
	case <-ended:
		t.Fatalf("the server ended:\n%s", said.String())
	}
	w.env = append(w.env, "TOKEN="+token)
}

func (w workspace) run(script string) (string, error) {
	if w.server != "" {
		script = served.ReplaceAllLiteralString(script, w.server)
		script = strings.ReplaceAll(script, "~/.config/dprun/token", filepath.Join(w.dir, "token"))
	}
	for from, to := range map[string]string{
		"/etc/dprun/nightly": filepath.Join(w.dir, "nightly"), "/usr/local/bin/": filepath.Join(w.dir, "installed") + "/", " /backups/": " " + filepath.Join(w.dir, "backups") + "/",
		"./examples/plugins/": "github.com/dprun/dprun/examples/plugins/",
	} {
		script = strings.ReplaceAll(script, from, to)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", prelude+script)
	cmd.Dir, cmd.Env = w.dir, w.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestCommandsInTheDocumentationRun(t *testing.T) {
	t.Parallel()
	blocks := map[string][]fence{}
	unused := maps.Clone(notRun)
	for _, f := range fences(t, "sh") {
		if f.page == tutorial {
			continue // has a test of its own
		}
		var kept []string
		for _, line := range strings.Split(strings.TrimRight(f.text, "\n"), "\n") {
			if _, listed := notRun[line]; listed {
				delete(unused, line)
				continue
			}
			kept = append(kept, line)
		}
		f.text = strings.Join(kept, "\n")
		if f.text != "" {
			blocks[f.page] = append(blocks[f.page], f)
		}
	}
	for line := range unused {
		t.Errorf("no page has the line %q any more", line)
	}
	if len(blocks) < 3 {
		t.Fatalf("commands on %d pages only", len(blocks))
	}
	for page, list := range blocks {
		slices.SortFunc(list, func(a, b fence) int { return a.line - b.line })
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t)
			if page != "getting-started.md" { // others assume that there was a run
				if out, err := w.run("dprun apply plan.hcl"); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			}
			if slices.ContainsFunc(list, func(f fence) bool { return served.MatchString(f.text) }) {
				w.serve(t)
			}
			for _, f := range list {
				if out, err := w.run(f.text); err != nil {
					t.Errorf("%s: %v\n%s\n%s", f, err, f.text, out)
				}
			}
		})
	}
}

// TestADocumentedPluginServesPlans: the program of docs/writing-plugins.md,
// installed as that page says, is what a plan can use.
func TestADocumentedPluginServesPlans(t *testing.T) {
	t.Parallel()
	file := need.Value(poster())(t)
	w := newWorkspace(t)
	const add = `

script "poster" "tell" {
  config { url = "ftp://hooks.example.net" }
}
`
	b := need.Value(os.ReadFile(filepath.Join(w.dir, "plan.hcl")))(t)
	text := strings.Replace(string(b), "[destination.file.disk]", "[destination.file.disk]\n  pre_script = script.poster.tell", 1)
	need.Done(t, os.WriteFile(filepath.Join(w.dir, "plan.hcl"), []byte(text+add), 0o600))
	out, err := w.run("install -D -m 0755 " + file + " state/plugins/dprun-plugin-poster\ndprun plugin list\ndprun validate plan.hcl")
	if err == nil || !strings.Contains(out, "Unusable URL") || !strings.Contains(out, "poster") {
		t.Errorf("a plan that the plugin refuses: %v\n%s", err, out)
	}
	need.Done(t, os.WriteFile(filepath.Join(w.dir, "plan.hcl"), []byte(strings.Replace(text+add, "ftp:", "http:", 1)), 0o600))
	if out, err := w.run("dprun validate plan.hcl"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// notBuilt lists what the documentation speaks of as not built yet.
var notBuilt []string

// TestDocumentedCommandsExist: each command that a page names is there, or is
// listed as not built yet and is not.
func TestDocumentedCommandsExist(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	listed := regexp.MustCompile(`(?m)^  ([a-z]+) +\S`)
	commands := func(of string) []string {
		out, err := w.run("dprun " + of + " --help")
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		_, part, _ := strings.Cut(out, "Available Commands:\n")
		part, _, _ = strings.Cut(part, "\nFlags:")
		var names []string
		for _, m := range listed.FindAllStringSubmatch(part, -1) {
			names = append(names, strings.TrimSpace(of+" "+m[1]))
		}
		return names
	}
	have := commands("")
	for _, group := range []string{"runs", "plugin", "verify"} {
		have = append(have, commands(group)...)
	}
	page := need.Value(os.ReadFile("../not-built-yet.md"))(t)
	missing := string(page)
	for _, c := range notBuilt {
		if slices.Contains(have, c) {
			t.Errorf("dprun %s is built: take it out of the list here, and say so in the documentation", c)
		}
		if !strings.Contains(missing, "`dprun "+c+"`") {
			t.Errorf("docs/not-built-yet.md does not say that `dprun %s` is not built yet", c)
		}
	}
	if out, err := w.run("dprun apply --help"); err != nil || strings.Contains(out, "--resume") || !strings.Contains(missing, "`dprun apply --resume RUN`") {
		t.Errorf("dprun apply --resume is built, or docs/not-built-yet.md does not say that it is not: %v\n%s", err, out)
	}
	named := regexp.MustCompile("`dprun ((?:runs|plugin|verify) [a-z]+|[a-z]+)")
	for name, text := range written(t) {
		for _, m := range named.FindAllStringSubmatch(text, -1) {
			c := m[1]
			if !slices.Contains(have, c) && !slices.Contains(notBuilt, c) {
				t.Errorf("%s names `dprun %s`, and there is no such command", name, c)
			}
		}
	}
}

// TestTheNightlyExampleRuns: examples/nightly.hcl with an inventory of
// simulated gateways. A preview does what a run does up to the tasks, whatever
// the window says.
func TestTheNightlyExampleRuns(t *testing.T) {
	t.Parallel()
	bin := need.Value(dprun())(t)
	dir := t.TempDir()
	need.Done(t, os.CopyFS(dir, os.DirFS(examples)))
	fleet, err := dpsim.Start(context.Background(), dpsim.Scenario{Dir: t.TempDir(), Devices: []dpsim.Device{{
		Name: "gw", Count: 2, Username: "backup", Password: "the-same", ExportSize: "64KB", Domains: []dpsim.Domain{{Name: "orders"}, {Name: "test_1"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer fleet.Close()
	table := "name,host,port,site,pair,ca\n"
	for _, d := range fleet.Ready().Devices {
		table += fmt.Sprintf("%s,%s,%d,fra,fra-a,%s\n", d.Name, d.Host, d.Port, d.CAFile)
	}
	text := need.Value(os.ReadFile(filepath.Join(dir, "nightly.hcl")))(t)
	roomy := strings.Replace(string(text), `min_free = "20%"`, "min_free = 0", 1) // the disk of whoever runs the tests may be full
	for name, text := range map[string]string{"nightly.hcl": roomy, "fleet.csv": table, "password": "the-same\n"} {
		need.Done(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	cmd := exec.Command(bin, "plan", "nightly.hcl", "--var", "inventory=fleet.csv", "--var", "password_file=password", "--var", "backups="+t.TempDir())
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "DPRUN_STATE_DIR="+filepath.Join(dir, "state"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"gw-1/domain/orders/", "gw-2/domain/orders/", "2 tasks would run, 0 would not"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the preview lacks %q:\n%s", want, out)
		}
	}
}

// TestExampleScriptsDoWhatTheirPlansAsk runs a plan that calls the scripts of
// the examples by their relative paths, one with what another put out.
func TestExampleScriptsDoWhatTheirPlansAsk(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	need.Done(t, os.CopyFS(filepath.Join(w.dir, "scripts"), os.DirFS(filepath.Join(examples, "scripts"))))
	text := need.Value(os.ReadFile(filepath.Join(w.dir, "plan.hcl")))(t)
	const scripts = `
script "exec" "open" {
  config { command = ["./scripts/ticket", "open", plan.name] }
}
script "exec" "close" {
  config { command = ["./scripts/ticket", "close"] }
}
script "exec" "drain" {
  config {
    command = ["./scripts/pool", "drain", device.name]
    secrets = { POOL_TOKEN = secret_file("gw1.password") }
  }
}
script "exec" "number" {
  config { command = ["echo", "{\"outputs\": {\"ticket\": \"T-4711\"}}"] }
}
script "exec" "report" {
  config {
    command = ["./scripts/report"]
    env     = { TICKET = run.outputs.ticket }
  }
}
`
	changed := strings.Replace(string(text), "[destination.file.disk]", "[destination.file.disk]\n  pre_script = script.exec.number\n  post_script = script.exec.close", 1)
	changed = strings.Replace(changed, `devices = ["*"]`, "devices = [\"*\"]\n    pre_script = script.exec.drain\n    post_script = script.exec.report", 1)
	need.Done(t, os.WriteFile(filepath.Join(w.dir, "plan.hcl"), []byte(changed+scripts), 0o600))
	out, err := w.run("chmod -R u+x scripts\ndprun apply plan.hcl --only domain=orders\ndprun runs logs latest")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"gw1 leaves the pool (token of ", "of plan nightly ended in SUCCESS", "ticket closed for run ", ": SUCCESS"} {
		if !strings.Contains(out, want) {
			t.Errorf("the log lacks %q:\n%s", want, out)
		}
	}
}
