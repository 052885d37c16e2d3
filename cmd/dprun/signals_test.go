package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

const slowPlan = `
locals {
  gateway = jsondecode(file("ready.json")).devices[0]
}
device "datapower" "edge" {
  config {
    host     = local.gateway.host
    port     = local.gateway.port
    username = local.gateway.username
    password = secret_file("gw-1.pw")
    tls { ca_file = local.gateway.ca_file }
  }
}
destination "file" "local" {
  config {
    directory        = "out"
    create_directory = true
  }
}
plan "nightly" {
  destinations = [destination.file.local]
  activity "export_domain" "domains" {
    devices = ["*"]
    domains = ["*"]
  }
}
`

// dprun is the test binary under the name by which it stands for dprun.
func dprun(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	self := need.Value(os.Executable())(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, self, args...)
	c.Args[0] = "dprun"
	c.Dir = dir
	c.Env = append(os.Environ(), "DPRUN_STATE_DIR="+filepath.Join(dir, ".state"))
	return c
}

func slowFleet(t *testing.T, faults ...dpsim.Fault) string {
	t.Helper()
	dir := t.TempDir()
	f := need.Value(startFleet(1, 1, dir))(t)
	t.Cleanup(f.Close)
	for _, fault := range faults {
		need.Done(t, f.AddFault(fault))
	}
	need.Done(t, f.WriteReady(filepath.Join(dir, "ready.json")))
	need.Done(t, os.WriteFile(filepath.Join(dir, "plan.hcl"), []byte(slowPlan), 0o600))
	return dir
}

func code(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	t.Fatal(err)
	return 0
}

func TestASignalStopsARunInOrder(t *testing.T) {
	t.Parallel()
	need.Signals()
	for signal, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143, syscall.SIGHUP: 143} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			c := dprun(t, slowFleet(t, dpsim.Fault{Kind: "hang", Operation: "do-export"}), "apply", "--log-level", "info", "plan.hcl")
			var stdout bytes.Buffer
			c.Stdout = &stdout
			stderr := need.Value(c.StderrPipe())(t)
			need.Done(t, c.Start())
			lines := bufio.NewScanner(stderr)
			for lines.Scan() && !strings.Contains(lines.Text(), "EXPORT_DOMAIN_PERSISTED_STARTED") {
			}
			need.Done(t, c.Process.Signal(signal))
			rest := need.Value(io.ReadAll(stderr))(t)
			if !bytes.Contains(rest, []byte("starts nothing new")) {
				t.Errorf("the signal is not answered:\n%s", rest)
			}
			if got := code(t, c.Wait()); got != want {
				t.Errorf("exit code %d, want %d", got, want)
			}
			if want := fmt.Sprintf("exit code %d)\n", want); !strings.HasSuffix(stdout.String(), want) {
				t.Errorf("the last line does not end in %q:\n%s%s", want, rest, stdout.String())
			}
		})
	}
}

func TestARunGoesOnWhenNobodyListens(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"apply", "plan.hcl"}, {"apply", "plan.hcl", "--json"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			dir := slowFleet(t)
			c := dprun(t, dir, args...)
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			need.Done(t, r.Close())
			c.Stdout, c.Stderr = w, w
			if got := code(t, c.Run()); got != 0 {
				t.Errorf("exit code %d, want 0", got)
			}
			need.Done(t, w.Close())
			stored, err := filepath.Glob(filepath.Join(dir, "out", "*", "domain", "*", "*.zip"))
			if err != nil || len(stored) != 2 {
				t.Errorf("stored %v (%v), want two files", stored, err)
			}
		})
	}
}

// broken is an input that no program expects.
type broken struct{}

func (broken) Read([]byte) (int, error) { panic("the disk is on fire") }

func TestACrashIsSaidAndEndsWith70(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	got := run(&app{args: []string{"fmt", "-"}, stdin: broken{}, stdout: &stdout, stderr: &stderr, env: func(string) string { return "" }})
	if got != runner.ExitBug {
		t.Errorf("exit code %d, want %d", got, runner.ExitBug)
	}
	for _, want := range []string{"dprun crashed: the disk is on fire", "dprun recover"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("%q is not in %q", want, stderr.String())
		}
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestAResultThatIsLostIsAFailure(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	got := run(&app{args: []string{"version"}, stdin: strings.NewReader(""), stdout: full{}, stderr: &stderr, env: func(string) string { return "" }})
	if got != exitFailed || !strings.Contains(stderr.String(), "no space left") {
		t.Errorf("exit code %d and %q", got, stderr.String())
	}
}
