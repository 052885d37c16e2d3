package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// TestTrafficIsLedAwayBeforeAQuiesceAndLetInAfterIt, whatever happens between.
func TestTrafficIsLedAwayBeforeAQuiesceAndLetInAfterIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ fault, code, said string }{
		{"", "SUCCESS", "drain app01\nrejoin app01\n"},
		{"quiesce_refused", "EXECUTION_QUIESCE_ERROR", "drain app01\nrejoin app01\n"},
		{"empty_file", "EXECUTION_EXPORT_DOMAIN_PERSISTED_EMPTY_FILE", "drain app01\nrejoin app01\n"},
		{"unquiesce_stuck", "EXECUTION_UNQUIESCE_TIMEOUT_OCCURRED", "drain app01\n"}, // not in service: not let in
	} {
		t.Run("fault "+c.fault, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1}}})
			if c.fault != "" {
				need.Done(t, s.fleet.AddFault(dpsim.Fault{Kind: c.fault}))
			}
			s.write("pool.sh", "#!/bin/sh\necho \"$1 $DPRUN_DOMAIN\" >> said\n")
			need.Done(t, os.Chmod(s.dir+"/pool.sh", 0o700))
			s.apply(`
script "exec" "drain" {
  config { command = ["./pool.sh", "drain"] }
}
script "exec" "rejoin" {
  config { command = ["./pool.sh", "rejoin"] }
}
plan "p" {
  destinations = [destination.file.local]
  activity "export_domain" "x" {
    devices         = ["*"]
    domains         = ["app01"]
    quiesce         = "domain"
    before_quiesce  = script.exec.drain
    after_unquiesce = script.exec.rejoin
  }
}
`)
			h := s.sink.history("x/gw/app01")
			if last(h) != c.code {
				t.Errorf("history %v, want %s", h, c.code)
			}
			if b, err := os.ReadFile(s.dir + "/said"); err != nil || string(b) != c.said {
				t.Errorf("the pool was told %q, %v; want %q", b, err, c.said)
			}
			drain, quiesce := slices.Index(h, "EXECUTION_WAITING_FOR_BEFORE_QUIESCE_SCRIPT"), slices.Index(h, "EXECUTION_QUIESCE_STARTED")
			rejoin, back := slices.Index(h, "EXECUTION_WAITING_FOR_AFTER_UNQUIESCE_SCRIPT"), slices.Index(h, "EXECUTION_UNQUIESCE_DONE")
			if drain < 0 || drain > quiesce || strings.Contains(c.said, "rejoin") && rejoin < back {
				t.Errorf("out of order: %v", h)
			}
		})
	}
}
