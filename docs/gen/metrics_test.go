package main

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"testing"

	"github.com/dprun/dprun/runner/metrics"
	"github.com/dprun/dprun/testfixtures/need"
)

// TestTheAlertRulesDoWhatTheySay: Prometheus itself checks them and runs their tests.
func TestTheAlertRulesDoWhatTheySay(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"check", "rules", "dprun.rules.yml"}, {"test", "rules", "dprun.test.yml"}} {
		cmd := exec.CommandContext(t.Context(), "promtool", args...)
		cmd.Dir = "../alerts"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

// TestEveryAlertHasATest, and is about metrics that there are.
func TestEveryAlertHasATest(t *testing.T) {
	t.Parallel()
	rules, tests := string(need.Value(os.ReadFile("../alerts/dprun.rules.yml"))(t)), string(need.Value(os.ReadFile("../alerts/dprun.test.yml"))(t))
	names := regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(rules, -1)
	if len(names) == 0 {
		t.Fatal("there are no rules")
	}
	for _, m := range names {
		if !regexp.MustCompile(`alertname: ` + m[1] + `\n\s+eval_time: \w+\n\s+exp_alerts:\n`).MatchString(tests) {
			t.Errorf("no test has %s firing", m[1])
		}
	}
	var there []string
	for _, f := range metrics.Families() {
		there = append(there, f.Name)
	}
	for _, name := range regexp.MustCompile(`\bdprun_\w+`).FindAllString(rules+tests, -1) {
		if !slices.Contains(there, name) {
			t.Errorf("there is no metric %s", name)
		}
	}
}
