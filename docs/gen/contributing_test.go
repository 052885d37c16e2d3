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

// TestWhatContributorsAreToldIsThere: every path, make target and test that
// CONTRIBUTING.md names.
func TestWhatContributorsAreToldIsThere(t *testing.T) {
	t.Parallel()
	page := string(need.Value(os.ReadFile("../../CONTRIBUTING.md"))(t))
	targets := string(need.Value(os.ReadFile("../../Makefile"))(t))
	help := need.Value(exec.Command("make", "-s", "-C", "../..", "help").Output())(t)
	made := map[string]bool{"bin/dprun": true, "bin/dpsim": true, "plan.hcl": true, "fleet.hcl": true, "steps.hcl": true, "expect.hcl": true}
	paths := 0
	for _, m := range regexp.MustCompile("`([a-z][\\w./-]*)`").FindAllStringSubmatch(page, -1) {
		if !strings.Contains(m[1], "/") && !strings.Contains(m[1], ".") || made[m[1]] {
			continue
		}
		paths++
		if _, err := os.Stat(filepath.Join("../..", filepath.FromSlash(m[1]))); err != nil {
			t.Errorf("CONTRIBUTING.md names %s: %v", m[1], err)
		}
	}
	makes := regexp.MustCompile("(?m)(?:`|^)make ([a-z-]+)").FindAllStringSubmatch(page, -1)
	for _, m := range makes {
		if !regexp.MustCompile(`(?m)^`+m[1]+`:.*##`).MatchString(targets) || !strings.Contains(string(help), "  "+m[1]+" ") {
			t.Errorf("CONTRIBUTING.md names `make %s`, and `make help` does not list it", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^go run \./(\S+)`).FindAllStringSubmatch(page, -1) {
		if _, err := os.Stat(filepath.Join("../..", m[1], "main.go")); err != nil {
			t.Errorf("CONTRIBUTING.md runs %s: %v", m[1], err)
		}
	}
	tests := regexp.MustCompile(`(?m)go test \./(\S+) -run (\w+)`).FindAllStringSubmatch(page, -1)
	for _, m := range tests {
		if out, err := exec.Command("grep", "-rqE", "^func Test.*"+m[2], filepath.Join("../..", m[1])).CombinedOutput(); err != nil {
			t.Errorf("CONTRIBUTING.md runs the tests %s of %s, and there are none: %s", m[2], m[1], out)
		}
	}
	for _, m := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(page, -1) {
		if exec.Command("grep", "-rq", "^func "+m[1]+"(", "../../testfixtures", "../../runner", "../../cmd").Run() != nil {
			t.Errorf("CONTRIBUTING.md names %s, and there is no such test", m[1])
		}
	}
	if paths < 10 || len(makes) < 6 || len(tests) == 0 {
		t.Errorf("CONTRIBUTING.md names %d paths, %d targets and %d runs of tests: what was to be looked at was not found", paths, len(makes), len(tests))
	}
}
