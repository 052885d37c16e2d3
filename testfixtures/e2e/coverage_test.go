package e2e

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/manualclock"
	"github.com/dprun/dprun/testfixtures/need"
)

// TestCoverageSaysWhatIsNotCoveredAndWhy: by age, by what the last run ended in,
// and by what is never backed up. What was planted does not make a set younger.
func TestCoverageSaysWhatIsNotCoveredAndWhy(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", Domains: []dpsim.Domain{{Name: "orders"}, {Name: "apic1", APIC: true}}}}})
	const p = `
plan "p" {
  destinations = [destination.file.local]
  activity "export_domain" "x" {
    devices = ["*"]
    domains = ["orders", "missing", "ap*"]
  }
}
`
	coverage := func(c clock.Clock, want int) (out []string) {
		t.Helper()
		r := s.open(c)
		defer r.Close() //nolint:errcheck // nothing is lost
		covered, res, err := r.Coverage(t.Context(), runner.CoverageRequest{Source: s.source(), MaxAge: 26 * time.Hour})
		if need.Done(t, err); covered == nil || res.ExitCode != want {
			t.Fatalf("exit %d, want %d: %+v, %v", res.ExitCode, want, covered, res.Diagnostics)
		}
		if len(covered.Rooms) != 1 || covered.Rooms[0].Destination != "file.local" || covered.Rooms[0].Free <= 0 || covered.Rooms[0].Total < covered.Rooms[0].Free {
			t.Errorf("the room at the destination is %+v", covered.Rooms)
		}
		for _, c := range covered.Subjects {
			out = append(out, fmt.Sprintf("%s %s %s %d/%d %s %s", c.Domain, c.State, c.Code, c.Copies, c.Places, c.Proof, c.Origin))
		}
		return out
	}
	same := func(when string, got, want []string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s it is\n%q, want\n%q", when, got, want)
		}
	}
	if res := s.apply(p); res.Summary == nil || res.Summary.Succeeded != 1 {
		t.Fatalf("%+v", res.Summary)
	}
	excluded, missing := "apic1 excluded SKIPPED_APIC_DOMAIN 0/1  ", "missing none  0/1  "
	same("after the run", coverage(s.clock, 3), []string{excluded, missing, "orders fresh  1/1 checksum_verified own"})
	later := manualclock.New(s.clock.Now().Add(27 * time.Hour))
	same("a day later", coverage(later, 3), []string{excluded, missing, "orders stale  1/1 checksum_verified own"})
	dir := filepath.Join(s.dir, "backups")
	for _, f := range files(t, dir) {
		if strings.HasSuffix(f, backups.Suffix) {
			plant(t, filepath.Join(dir, f)) // an hour newer
		}
	}
	r := s.open(later)
	found, _, err := r.ImportBackups(t.Context(), runner.ImportRequest{Source: s.source()})
	if need.Done(t, errors.Join(err, r.Close())); len(found) != 1 || found[0].Foreign != 1 {
		t.Fatalf("found is %+v", found)
	}
	same("with a newer set that somebody has put there", coverage(later, 3), []string{excluded, missing, "orders stale  1/1 checksum_verified own"})
}
