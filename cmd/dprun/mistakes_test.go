package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/golden"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/sshd"
)

// mistake is one that administrators make. What they read about it is in a
// golden file of that name: what was attempted, where, why it failed, what to do.
type mistake struct {
	name   string
	change []string                 // of the usual plan: what stands there, what stands there instead, …
	files  map[string]string        // beside the plan
	do     func(*testing.T, string) // in the directory, before
	env    []string
	fleet  bool     // gateways that answer
	sftp   bool     // the plan's destination is on an SSH server that is right for it
	args   []string // validate plan.hcl, unless stated
	code   int      // 10, unless stated; -1: 0
}

const usualPlan = `
locals {
  gateways = { for d in jsondecode(file("ready.json")).devices : d.name => d }
}
device "datapower" "edge" {
  for_each = local.gateways
  labels   = { site = "fra" }
  config {
    host     = each.value.host
    port     = each.value.port
    username = each.value.username
    password = secret_file("${each.key}.pw")
    tls { ca_file = each.value.ca_file }
  }
}
destination "file" "disk" {
  config {
    directory = "backups"
  }
}
plan "nightly" {
  destinations = [destination.file.disk]
  limits {
    parallel = 4
  }
  activity "export_domain" "domains" {
    devices = ["*"]
    domains = ["*"]
  }
}
`

const (
	onDisk   = "destination \"file\" \"disk\" {\n  config {\n    directory = \"backups\"\n  }\n}\n"
	onServer = "destination \"sftp\" \"disk\" {\n  config {\n    host        = %q\n    port        = %d\n    username    = %q\n    private_key = secret_file(%q)\n    known_hosts = \"known_hosts\"\n    directory   = %q\n  }\n}\n"
)

// Where the usual plan has its devices from, and another place.
const (
	devicesOfJSON = "{ for d in jsondecode(file(\"ready.json\")).devices : d.name => d }"
	devicesOfCSV  = "inventory(\"gateways.csv\", \"name\", object({ name = string, host = string, port = number, username = string, ca_file = string }))"
)

const noFleet = `{"devices": [{"name": "gw-1", "host": "127.0.0.1", "port": 1, "username": "backup", "ca_file": "ca.pem"}, {"name": "gw-2", "host": "127.0.0.1", "port": 2, "username": "backup", "ca_file": "ca.pem"}]}`

func mistakes() []mistake {
	const (
		noPlan   = "plan \"nightly\""
		devices  = "    devices = [\"*\"]\n"
		password = "    password = secret_file(\"${each.key}.pw\")\n"
	)
	apply := []string{"apply", "--yes", "plan.hcl"}
	remote := []string{"destination.file", "destination.sftp"}
	script := func(config string) []string {
		return []string{noPlan, "script \"exec\" \"drain\" {\n  config { command = [" + config + "] }\n}\n" + noPlan}
	}
	return []mistake{
		{name: "01-misspelt-argument", change: []string{"destinations =", "destinatons ="}},
		{name: "02-misspelt-block", change: []string{noPlan, "plann \"nightly\""}},
		{name: "03-text-for-a-number", change: []string{"parallel = 4", "parallel = \"many\""}},
		{name: "04-text-for-a-port", change: []string{"each.value.port", "\"abc\""}},
		{name: "05-no-password", change: []string{password, ""}},
		{name: "06-secret-file-missing", change: []string{"${each.key}.pw", "${each.key}.password"}, args: apply},
		{name: "07-secret-env-unset", change: []string{"secret_file(\"${each.key}.pw\")", "secret_env(\"GATEWAY_PASSWORD\")"}, args: apply},
		{name: "08-no-such-time", change: []string{noPlan, "window \"night\" {\n  timezone = \"Europe/Berlin\"\n  allow {\n    from = \"25:30\"\n    to   = \"05:00\"\n  }\n}\n" + noPlan}},
		{name: "09-no-such-time-zone", change: []string{noPlan, "window \"night\" {\n  timezone = \"Europe/Berln\"\n  allow {\n    from = \"22:00\"\n    to   = \"05:00\"\n  }\n}\n" + noPlan}},
		{name: "10-misspelt-reference", change: []string{"[destination.file.disk]", "[destination.file.dsik]"}},
		{name: "11-misspelt-activity-type", change: []string{"\"export_domain\"", "\"export_domains\""}},
		{name: "12-text-for-a-list", change: []string{noPlan, "pattern \"apps\" {\n  match = \"app*\"\n}\n" + noPlan}},
		{name: "13-password-in-the-plan", change: []string{"secret_file(\"${each.key}.pw\")", "\"hunter2\""}},
		{name: "14-password-by-file", change: []string{"secret_file(\"${each.key}.pw\")", "chomp(file(\"${each.key}.pw\"))"}},
		{name: "15-no-domain-matches", change: []string{"domains = [\"*\"]", "domains = [\"orders\"]"}, fleet: true, args: apply, code: 14},
		{name: "16-wrong-gateway-port", change: []string{"each.value.port", "1"}, fleet: true, args: apply, code: 14},
		{name: "18-wrong-password", fleet: true, files: map[string]string{"gw-1.pw": "wrong"}, args: apply, code: 14},
		{name: "17-unknown-host", change: []string{"each.value.host", "\"gw-1..example.net\""}, fleet: true, args: apply, code: 14},
		{name: "19-wrong-ca", change: []string{"each.value.ca_file", "\"other.pem\""}, fleet: true, do: otherCA, args: apply, code: 14},
		{name: "20-ca-file-missing", change: []string{"each.value.ca_file", "\"nowhere.pem\""}},
		{name: "20-ca-file-is-a-directory", change: []string{"each.value.ca_file", "\".\""}},
		{name: "20-ca-file-without-a-certificate", files: map[string]string{"ca.pem": "-----BEGIN CERTIFICATE-----\nMIIBiTCCAS\n-----END CERTIFICATE-----\n"}, args: apply},
		{name: "21-known-hosts-missing", change: append(remote, "\"known_hosts\"", "\"nowhere\""), sftp: true},
		{name: "22-another-host-key", change: remote, sftp: true, fleet: true, do: otherHostKey, args: apply, code: 15},
		{name: "23-host-not-in-known-hosts", change: remote, sftp: true, fleet: true, files: map[string]string{"known_hosts": ""}, args: apply, code: 15},
		{name: "24-another-user-key", change: remote, sftp: true, fleet: true, do: otherUserKey, args: apply, code: 15},
		{name: "25-wrong-sftp-port", change: append(remote, "port        = ", "port        = 1 # "), sftp: true, fleet: true, args: apply, code: 15},
		{name: "26-sftp-directory-missing", change: append(remote, "directory   = \"", "directory   = \"/nowhere"), sftp: true, fleet: true, args: apply, code: 15},
		{name: "27-directory-missing", change: []string{"\"backups\"", "\"nowhere\""}, fleet: true, args: apply, code: 15},
		{name: "28-window-closed", fleet: true, change: []string{noPlan, "window \"past\" {\n  timezone = \"Europe/Berlin\"\n  allow { dates = [\"2001-01-01\", \"2099-01-01\"] }\n}\n" + noPlan, "  limits {", "  window = window.past\n  limits {"}, args: apply, code: 13},
		{name: "29-script-missing", change: append(script(`"./drain.sh"`), devices, devices+"    pre_script = script.exec.drain\n")},
		{name: "30-script-not-executable", change: append(script(`"./drain.sh"`), devices, devices+"    pre_script = script.exec.drain\n"), files: map[string]string{"drain.sh": "#!/bin/sh\n"}, fleet: true, args: append(apply, "--only", "domain=app01"), code: 1},
		{name: "31-pre-script-fails", change: append(script(`"sh", "-c", "echo drain: no such pool >&2; exit 1"`), "  limits {", "  pre_script = script.exec.drain\n  limits {"), fleet: true, args: apply, code: 15},
		{name: "32-before-quiesce-fails", change: append(script(`"sh", "-c", "echo drain: no such pool >&2; exit 1"`), devices, devices+"    quiesce = \"domain\"\n    before_quiesce = script.exec.drain\n"), fleet: true, args: append(apply, "--only", "domain=app01"), code: 1},
		{name: "33-after-unquiesce-fails", change: append(script(`"sh", "-c", "echo attach: no such pool >&2; exit 1"`), devices, devices+"    quiesce = \"domain\"\n    after_unquiesce = script.exec.drain\n"), fleet: true, args: append(apply, "--only", "domain=app01"), code: 17},
		{name: "34-disk-too-full", fleet: true, do: nearlyFull, args: append(apply, "--only", "domain=app01"), code: 1},
		{name: "35-too-little-free-space", change: []string{"destination \"file\" \"disk\" {", "destination \"file\" \"disk\" {\n  min_free = \"1000TB\""}, fleet: true, args: apply, code: 15},
		{name: "36-two-plans", change: []string{noPlan, "plan \"weekly\" {\n  destinations = [destination.file.disk]\n  activity \"export_domain\" \"d\" {\n    devices = [\"*\"]\n    domains = [\"*\"]\n  }\n}\n" + noPlan}, args: apply, code: 64},
		{name: "37-misspelt-plan", args: append(apply, "--plan", "nigthly"), code: 64},
		{name: "38-only-unknown-key", args: append(apply, "--only", "sit=fra"), code: 64},
		{name: "39-only-unknown-device", args: append(apply, "--only", "device=gw-3"), code: 14},
		{name: "40-only-excluded-domain", change: []string{noPlan, "pattern \"apps\" {\n  match  = [\"app*\"]\n  except = [\"app01\"]\n}\n" + noPlan, "domains = [\"*\"]", "domains = [pattern.apps]"}, fleet: true, args: append(apply, "--only", "domain=app01"), code: 14},
		{name: "41-no-home", env: []string{"DPRUN_STATE_DIR=", "HOME=", "XDG_STATE_HOME="}, args: apply, code: 64},
		{name: "42-state-directory-is-a-file", files: map[string]string{"state": ""}, env: []string{"DPRUN_STATE_DIR=@/state"}, args: apply, code: 64},
		{name: "47-plan-runs-already", change: append(script(`"sh", "-c", "echo > started; exec sleep 60"`), "  limits {", "  pre_script = script.exec.drain\n  limits {"), fleet: true, do: startedBefore, args: apply, code: 12},
		{name: "42-state-directory-open-to-others", do: openState, args: apply, code: 64},
		{name: "42-state-directory-not-writable", do: readOnlyState, env: []string{"DPRUN_STATE_DIR=@/ro/state"}, args: apply, code: 64},
		{name: "42-state-directory-of-another-user", do: foreignState, args: apply, code: 64},
		{name: "43-two-devices-one-endpoint", code: -1, files: map[string]string{"ready.json": strings.Replace(noFleet, "\"port\": 2", "\"port\": 1", 1)}},
		{name: "44-two-devices-one-name", change: []string{noPlan, "device \"datapower\" \"gw-1\" {\n  config {\n    host     = \"gw1.example.net\"\n    username = \"backup\"\n    password = secret_file(\"gw-1.pw\")\n  }\n}\n" + noPlan}},
		{name: "45-csv-with-semicolons", change: []string{devicesOfJSON, devicesOfCSV}, files: map[string]string{"gateways.csv": "name;host;port;username;ca_file\ngw-1;10.0.0.1;5550;backup;ca.pem\n"}},
		{name: "46-csv-misspelt-column", change: []string{devicesOfJSON, devicesOfCSV}, files: map[string]string{"gateways.csv": "name,hots,port,username,ca_file\ngw-1,10.0.0.1,5550,backup,ca.pem\n"}},
		{name: "46-csv-bad-cell", change: []string{devicesOfJSON, devicesOfCSV}, files: map[string]string{"gateways.csv": "name,host,port,username,ca_file\ngw-1,10.0.0.1,555o,backup,ca.pem\n"}},
		{name: "48-misspelt-plugin-type", change: []string{"destination \"file\"", "destination \"flie\"", "destination.file", "destination.flie"}},
		{name: "48-plugin-not-installed", change: []string{"destination \"file\"", "destination \"s3\"", "destination.file", "destination.s3"}},
		{name: "49-plugin-not-executable", files: map[string]string{".state/plugins/dprun-plugin-s3": "#!/bin/sh\n"}, do: private, args: []string{"plugin", "list"}, code: 11},
		{name: "50-misspelt-command", args: []string{"aply", "plan.hcl"}, code: 64},
		{name: "50-misspelt-flag", args: append(apply, "--paralel", "3"), code: 64},
		{name: "51-quiesce-that-the-activity-has-not", change: []string{"\"export_domain\" \"domains\" {", "\"secure_backup\" \"domains\" {\n    quiesce = \"domain\"\n    config { certificate = \"backup\" }", "    domains = [\"*\"]\n", ""}},
		{name: "52-number-for-a-duration", change: []string{"  limits {", "  timeouts {\n    quiesce = 30\n  }\n  limits {"}},
		{name: "52-unknown-word", change: []string{"  limits {", "  error_policy = \"continue\"\n  limits {"}},
		{name: "54-empty-inventory", code: -1, files: map[string]string{"ready.json": "{\"devices\": []}"}},
		{name: "54-empty-csv-inventory", change: []string{devicesOfJSON, devicesOfCSV}, files: map[string]string{"gateways.csv": "name,host,port,username,ca_file\n"}},
		{name: "53-quiesce-without-an-answer", change: []string{devices, devices + "    quiesce = \"domain\"\n"}, args: []string{"apply", "plan.hcl"}, code: 64},
	}
}

// private gives a state directory's plugins the modes that they need.
func private(t *testing.T, dir string) {
	t.Helper()
	for _, d := range []string{".state", ".state/plugins"} {
		need.Done(t, os.Chmod(filepath.Join(dir, d), 0o700))
	}
}

// openState makes a state directory that everybody can write to.
func openState(t *testing.T, dir string) {
	t.Helper()
	state := filepath.Join(dir, ".state")
	need.Done(t, os.Mkdir(state, 0o700))
	if err := os.Chmod(state, 0o777); err != nil { // whatever the umask is
		t.Fatal(err)
	}
}

// mounted makes a directory a small file system of its own, which needs root.
func mounted(t *testing.T, dir, options string) {
	t.Helper()
	need.Done(t, os.MkdirAll(dir, 0o700))
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount a small file system (this needs root): %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
}

// nearlyFull has room for one backup: what the next one needs is known from it.
func nearlyFull(t *testing.T, dir string) {
	t.Helper()
	mounted(t, filepath.Join(dir, "backups"), "size=100k,mode=700")
	if out, err := dprun(t, dir, "apply", "--yes", "plan.hcl", "--only", "domain=app01").CombinedOutput(); err != nil {
		t.Fatalf("the first backup: %v\n%s", err, out)
	}
}

// readOnlyState is a state directory on a file system that cannot be written.
func readOnlyState(t *testing.T, dir string) {
	t.Helper()
	mounted(t, filepath.Join(dir, "ro"), "ro,size=64k,mode=700")
}

// foreignState makes a state directory that belongs to somebody else, which needs root.
func foreignState(t *testing.T, dir string) {
	t.Helper()
	state := filepath.Join(dir, ".state")
	need.Done(t, os.Mkdir(state, 0o700))
	need.Done(t, os.Chown(state, 65534, 65534))
}

// otherCA writes the authority of another fleet.
func otherCA(t *testing.T, dir string) {
	t.Helper()
	other := filepath.Join(dir, "other")
	need.Done(t, os.Mkdir(other, 0o700))
	f := need.Value(startFleet(1, 1, other))(t)
	t.Cleanup(f.Close)
	need.Done(t, os.Rename(f.Ready().Devices[0].CAFile, filepath.Join(dir, "other.pem")))
}

// otherHostKey lists the server with a key that it does not have.
func otherHostKey(t *testing.T, dir string) {
	t.Helper()
	known := filepath.Join(dir, "known_hosts")
	line := need.Value(os.ReadFile(known))(t)
	need.Done(t, sshd.WriteHostKey(sshd.ED25519, filepath.Join(dir, "other")))
	key := need.Value(os.ReadFile(filepath.Join(dir, "other.pub")))(t)
	host, _, _ := strings.Cut(string(line), " ")
	need.Done(t, os.WriteFile(known, []byte(host+" "+string(key)), 0o600))
}

// otherUserKey logs in with a key that the server does not know.
func otherUserKey(t *testing.T, dir string) {
	t.Helper()
	need.Done(t, sshd.WriteUserKey(filepath.Join(dir, "id"), filepath.Join(dir, "authorized")))
}

// startedBefore starts the plan, whose pre-script does not end while the test runs.
func startedBefore(t *testing.T, dir string) {
	t.Helper()
	c := dprun(t, dir, "apply", "--yes", "plan.hcl")
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) } // when the test ends
	need.Done(t, c.Start())
	t.Cleanup(func() {
		if got := code(t, c.Wait()); got != 143 {
			t.Errorf("the run before: exit code %d, want 143", got)
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, "started")); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the run before did not come to its pre-script")
		}
	}
}

// told replaces what differs from run to run.
func told(dir, text string) string {
	for _, r := range []struct{ is, shown string }{
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`, "TIME"},
		{`(Mon|Tue|Wed|Thu|Fri|Sat|Sun) 20[0-8]\d-\d\d-\d\d \d\d:\d\d [A-Z]+`, "TIME"},
		{`\b[0-9A-HJKMNP-TV-Z]{26}\b`, "RUN"},
		{`(127\.0\.0\.1|127\.0\.0\.1\]|localhost|example\.net):\d{2,5}`, "$1:PORT"},
		{`-p \d{2,5}\b`, "-p PORT"},
		{`\d+(\.\d)? [kMGT]?B\b`, "SIZE"},
		{` +\d+(\.\d+)?(ms|s)( |$)`, " TAKES$3"},
		{`in (\d+m)?\d+(\.\d+)?(ms|s) \(run`, "in TAKES (run"},
		{`\.fleet-\d+`, ".fleet"},
		{`\S*/sshd-\d+`, "SSHD"},
		{`SHA256:[A-Za-z0-9+/]{43}`, "SHA256:FINGERPRINT"},
		{`\b[0-9a-f]{64}\b`, "FINGERPRINT"},
		{`(log in to \S+ as|writable by user) [^\s,]+`, "$1 USER"},
		{`\(\d+(\.\d+)?(ms|s)\)`, "(TAKES)"},
		{`process \d+`, "process PID"},
		{`until \d\d:\d\d:\d\d`, "until TIME"},
	} {
		text = regexp.MustCompile(`(?m)`+r.is).ReplaceAllString(text, r.shown)
	}
	return strings.ReplaceAll(text, dir, "DIR")
}

func TestEveryMistakeIsToldWithWhatToDo(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, m := range mistakes() {
		if names[m.name] {
			t.Errorf("%s is there twice", m.name)
		}
		names[m.name] = true
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			if m.args == nil {
				m.args = []string{"validate", "plan.hcl"}
			}
			switch m.code {
			case 0:
				m.code = runner.ExitInvalid
			case -1:
				m.code = exitOK
			}
			dir := need.Value(filepath.EvalSymlinks(t.TempDir()))(t)
			prepare(t, dir, m)
			args := m.args
			if args[0] == "apply" { // what is printed on the way is tested elsewhere
				args = append(slices.Clone(args), "--quiet")
			}
			c := dprun(t, dir, args...)
			c.Env = append(c.Env, "TZ=UTC", "COLUMNS=120")
			for _, kv := range m.env {
				c.Env = append(c.Env, strings.Replace(kv, "@", dir, 1))
			}
			var stdout, stderr bytes.Buffer
			c.Stdout, c.Stderr = &stdout, &stderr
			if got := code(t, c.Run()); got != m.code {
				t.Errorf("exit code %d, want %d", got, m.code)
			}
			text := fmt.Sprintf("$ dprun %s\n%s%s", strings.Join(args, " "), told(dir, ordered(stderr.String())), told(dir, stdout.String()))
			golden.Same(t, filepath.Join("testdata", "mistakes", m.name+".txt"), text)
		})
	}
	files := need.Value(filepath.Glob("testdata/mistakes/*.txt"))(t)
	for _, f := range files {
		if !names[strings.TrimSuffix(filepath.Base(f), ".txt")] {
			t.Errorf("%s belongs to no mistake", f)
		}
	}
}

// golden compares a text with that of a file.
// ordered puts the lines of tasks side by side into one order.
func ordered(text string) string {
	var lines, tasks []string
	for l := range strings.Lines(text) {
		if regexp.MustCompile(`^\d{4}-\d\d-\d\dT\S+ (\S+/\S+|run) `).MatchString(l) {
			tasks = append(tasks, l)
		} else {
			lines = append(lines, l)
		}
	}
	slices.SortFunc(tasks, func(a, b string) int {
		_, a, _ = strings.Cut(a, " ")
		_, b, _ = strings.Cut(b, " ")
		return strings.Compare(a, b)
	})
	return strings.Join(append(lines, tasks...), "")
}

func prepare(t *testing.T, dir string, m mistake) {
	t.Helper()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(dir, name)
		need.Done(t, os.MkdirAll(filepath.Dir(name), 0o700))
		need.Done(t, os.WriteFile(name, []byte(text), 0o600))
	}
	write("ready.json", noFleet)
	write("ca.pem", dpsim.OtherAuthority)
	write("gw-1.pw", "secret-1")
	write("gw-2.pw", "secret-2")
	if m.fleet {
		f := need.Value(startFleet(1, 1, dir))(t)
		t.Cleanup(f.Close)
		need.Done(t, f.WriteReady(filepath.Join(dir, "ready.json")))
		need.Done(t, os.Mkdir(filepath.Join(dir, "backups"), 0o700))
	}
	plan := usualPlan
	if m.sftp {
		s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
		for from, to := range map[string]string{s.KnownHosts: "known_hosts", s.PrivateKey: "id"} {
			b := need.Value(os.ReadFile(from))(t)
			write(to, string(b))
		}
		plan = strings.Replace(plan, onDisk, fmt.Sprintf(onServer, s.Host, s.Port, s.User, "id", s.Dir), 1)
	}
	for i := 0; i < len(m.change); i += 2 {
		if !strings.Contains(plan, m.change[i]) {
			t.Fatalf("the plan does not hold %q", m.change[i])
		}
		plan = strings.Replace(plan, m.change[i], m.change[i+1], 1)
	}
	write("plan.hcl", plan)
	for name, text := range m.files {
		write(name, text)
	}
	if m.do != nil {
		m.do(t, dir)
	}
}
