package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dprun/dprun/testfixtures/need"
)

var execStart = regexp.MustCompile(`(?m)^ExecStart=(\S+)`)

// verifyUnits copies the units of docs/systemd, with a program that is there in
// place of theirs and after change, and has systemd look at them.
func verifyUnits(t *testing.T, change func(name, text string) string) (says string, ok bool) {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	need.Done(t, os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700))
	units, err := filepath.Glob("../systemd/*")
	if err != nil || len(units) == 0 {
		t.Fatal(units, err)
	}
	args := []string{"verify"}
	for _, u := range units {
		text := need.Value(os.ReadFile(u))(t)
		at := filepath.Join(dir, filepath.Base(u))
		need.Done(t, os.WriteFile(at, []byte(change(filepath.Base(u), execStart.ReplaceAllString(string(text), "ExecStart="+program))), 0o600))
		args = append(args, at)
	}
	out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Fatalf("systemd-analyze: %v (testfixtures/install-deps.sh installs it)", err)
	}
	return string(out), err == nil && len(out) == 0
}

func TestSystemdTakesTheUnits(t *testing.T) {
	t.Parallel()
	if says, ok := verifyUnits(t, func(_, text string) string { return text }); !ok {
		t.Error(says)
	}
	for from, to := range map[string]string{"KillMode=process": "KillMode=proces", "OOMPolicy=": "OOMPolicys=", "21:45 Europe/Berlin": "25:45 Europe/Berlin"} {
		if says, ok := verifyUnits(t, func(_, text string) string { return strings.ReplaceAll(text, from, to) }); ok {
			t.Errorf("%s is taken too, so this proves nothing: %s", to, says)
		}
	}
}

// A guard is in the control group of its run's unit: it must outlive a stop.
func TestAStopOfAUnitLeavesItsGuardAlive(t *testing.T) {
	t.Parallel()
	units := need.Value(filepath.Glob("../systemd/*.service"))(t)
	for _, u := range units {
		text := need.Value(os.ReadFile(u))(t)
		if runs := execStart.FindStringSubmatch(string(text)); strings.HasSuffix(runs[1], "/dprun") && !strings.Contains(string(text), "\nKillMode=process\n") {
			t.Errorf("%s: systemd would kill the guard too", u)
		}
	}
}
