package e2e

import (
	"slices"
	"testing"

	"github.com/dprun/dprun/testfixtures/dpsim"
)

func TestAPatternWithoutAMatchIsASkippedTaskAndNoError(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1}}})
	res := s.apply(`
plan "p" {
  destinations = [destination.file.local]
  activity "export_domain" "x" {
    devices = ["nothing-*"]
    domains = ["*"]
  }
}
`)
	if h := s.sink.history("x/nothing-*"); res.ExitCode != 14 || !slices.Equal(h, []string{"WAITING_FOR_PRE_VALIDATION", "SKIPPED_NO_DEVICES_MATCHING_PATTERN"}) {
		t.Errorf("exit %d, history %v", res.ExitCode, h)
	}
	if n := s.fleet.State().Device("gw").Total; n != 0 {
		t.Errorf("the device got %d requests", n)
	}
}
