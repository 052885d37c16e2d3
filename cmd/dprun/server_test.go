package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/testfixtures/need"
)

// changes is what differs from run to run.
var changes = regexp.MustCompile(`01[0-9A-HJKMNP-TV-Z]{24}|[0-9]{4}-[0-9]{2}-[0-9]{2}[-T0-9:. Z]*[0-9Z]|[0-9:.]+ ?(?:ms|µs|s|m|kB|MB)\b|[0-9a-f]{64}|_ns":[0-9]+| +|(?:record|--expect) [0-9]+`)

// TestAServerIsAskedForTheSame: a plan that is run by a server, and what is asked
// of it, is shown like what is asked of the state directory, with the same exit codes.
func TestAServerIsAskedForTheSame(t *testing.T) {
	t.Parallel()
	dir := slowFleet(t)
	need.Done(t, os.Mkdir(filepath.Join(dir, "plans"), 0o700))
	need.Done(t, os.WriteFile(filepath.Join(dir, "plan.hcl"), []byte(strings.Replace(slowPlan, "destination \"file\" \"local\" {\n", "destination \"file\" \"local\" {\n  min_free = \"1MB\"\n", 1)), 0o600))
	for from, to := range map[string]string{"plan.hcl": "nightly.hcl", "ready.json": "ready.json", "gw-1.pw": "gw-1.pw"} {
		need.Done(t, os.Rename(filepath.Join(dir, from), filepath.Join(dir, "plans", to)))
	}
	need.Done(t, os.Mkdir(filepath.Join(dir, "plans", "out"), 0o700)) // which the first run would make
	need.Done(t, os.WriteFile(filepath.Join(dir, "token"), []byte("secret\n"), 0o600))
	need.Done(t, os.WriteFile(filepath.Join(dir, "serve.hcl"), fmt.Appendf(nil, "listen = \"127.0.0.1:0\"\ntoken \"test\" {\n  sha256 = \"%x\"\n  role = \"operator\"\n}\n", sha256.Sum256([]byte("secret"))), 0o600))

	serve := dprun(t, dir, "serve", "--plans", "plans", "--config", "serve.hcl")
	stderr := need.Value(serve.StderrPipe())(t)
	need.Done(t, serve.Start())
	lines, address := bufio.NewScanner(stderr), ""
	for ready := false; !ready && lines.Scan(); {
		if _, found, ok := strings.Cut(lines.Text(), "address="); ok {
			address = strings.Fields(found)[0]
		}
		ready = strings.Contains(lines.Text(), "plans were read")
	}
	rest := make(chan string, 1)
	go func() {
		var all strings.Builder
		for lines.Scan() {
			all.WriteString(lines.Text() + "\n")
		}
		rest <- all.String()
	}()
	if address == "" {
		t.Fatal("it listens nowhere")
	}
	ask := func(state string, args ...string) (stdout, stderr string, exit int) {
		c := dprun(t, dir, args...)
		c.Env = append(c.Env, "TZ=UTC", "DPRUN_STATE_DIR="+filepath.Join(dir, state), "DPRUN_TOKEN_FILE=token")
		var out, errs bytes.Buffer
		c.Stdout, c.Stderr = &out, &errs
		exit = code(t, c.Run())
		return out.String(), errs.String(), exit
	}
	at := func(args ...string) []string { return append([]string{"--server", "http://" + address}, args...) }

	want, told, wantCode := ask(".other", "apply", "--yes", "plans/nightly.hcl")
	got, toldThere, gotCode := ask(".none", at("apply", "--yes", "nightly")...)
	if d := cmp.Diff(changes.ReplaceAllString(want, "…"), changes.ReplaceAllString(got, "…")); d != "" || gotCode != wantCode || wantCode != 0 {
		t.Errorf("apply ends with %d here and %d there: %s\nhere:\n%s\nthere:\n%s", wantCode, gotCode, d, told, toldThere)
	}
	for _, args := range [][]string{{"runs", "list"}, {"runs", "list", "--json"}, {"runs", "show", "latest"}, {"runs", "show", "latest", "--json"}, {"runs", "logs", "latest"}, {"runs", "show", "01XXX"}, {"runs", "list", "--limit", "-1"},
		{"backups", "list"}, {"backups", "list", "--latest", "--json"}, {"backups", "list", "--device", "none"}, {"owed"}, {"owed", "--json"}} {
		want, told, wantCode := ask(".state", args...)
		want = strings.ReplaceAll(want, filepath.Join(dir, ".state"), "of http://"+address)
		got, toldThere, gotCode := ask(".none", at(args...)...)
		if got != want || told != toldThere || gotCode != wantCode {
			t.Errorf("%q ends with %d here and %d there\n%s\n%s", args, wantCode, gotCode, cmp.Diff(want, got), cmp.Diff(told, toldThere))
		}
	}
	for _, args := range [][]string{{"coverage", "nightly"}, {"coverage", "nightly", "--max-age", "1ms", "--json"}} {
		got, _, gotCode := ask(".none", at(args...)...)
		args[1] = "plans/nightly.hcl"
		want, _, wantCode := ask(".state", args...)
		if d := cmp.Diff(changes.ReplaceAllString(want, "…"), changes.ReplaceAllString(got, "…")); d != "" || gotCode != wantCode {
			t.Errorf("%q ends with %d here and %d there\n%s", args, wantCode, gotCode, d)
		}
	}
	if _, _, code := ask(".none", at("recover")...); code != 0 {
		t.Errorf("recover ends with %d", code)
	}
	if _, err := os.Stat(filepath.Join(dir, ".none")); err == nil {
		t.Error("whoever asks a server has got a state directory of his own")
	}
	need.Done(t, serve.Process.Signal(syscall.SIGTERM))
	if log := <-rest; serve.Wait() != nil || t.Failed() {
		t.Logf("the server:\n%s", log)
	}
}
