package e2e

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

const quiescing = `
plan "p" {
  destinations = [destination.file.local]
  activity "export_domain" "x" {
    devices = ["*"]
    domains = ["app01"]
    quiesce = "domain"
  }
}
`

// TestABrokenAnswerEndsInItsCodeAndLeavesNothing: whatever an appliance
// answers to an export, the task ends in the right code with a message that
// says what to do, nothing stands under a final name, and the domain is back.
func TestABrokenAnswerEndsInItsCodeAndLeavesNothing(t *testing.T) {
	t.Parallel()
	const somaError, empty = "EXECUTION_EXPORT_DOMAIN_PERSISTED_SOMA_ERROR", "EXECUTION_EXPORT_DOMAIN_PERSISTED_EMPTY_FILE"
	for _, c := range []struct{ kind, code string }{
		{"garbage", somaError},
		{"empty_file", empty},
		{"error_file", somaError},
		{"error_result", somaError},
		{"not_base64", somaError},
		{"truncated_base64", somaError},
		{"wrong_zip", somaError},
		{"corrupt_archive", somaError},
		{"wrong_hash", somaError},
		{"hang", somaError},
		{"hang_body", somaError},
		{"close", somaError},
		{"close_body", somaError},
		{"http_error", somaError},
	} {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1}}})
			if strings.HasPrefix(c.kind, "hang") {
				s.patience = "2s"
			}
			need.Done(t, s.fleet.AddFault(dpsim.Fault{Kind: c.kind, Operation: "do-export"}))
			res := s.apply(quiescing)
			history := s.sink.history("x/gw/app01")
			if res.ExitCode != 1 || last(history) != c.code {
				t.Errorf("exit %d, history %v; want %s", res.ExitCode, history, c.code)
			}
			if down := s.down(); len(down) > 0 {
				t.Errorf("left quiesced: %v", down)
			}
			if !slices.Contains(history, "EXECUTION_UNQUIESCE_ON_ERROR_STARTED") {
				t.Errorf("not undone on error: %v", history)
			}
			if left := files(t, s.dir+"/backups"); len(left) > 0 {
				t.Errorf("at the destination: %v", left)
			}
			if res.Summary == nil || len(res.Summary.Tasks) != 1 || len(res.Summary.Tasks[0].Message) < 30 || !strings.Contains(res.Summary.Tasks[0].Message, "app01") {
				t.Errorf("the message does not say what happened: %+v", res.Summary)
			}
		})
	}
}

func TestAWrongPasswordOrCertificateContactsNoFurther(t *testing.T) {
	t.Parallel()
	t.Run("password", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1}}})
		s.write("gw.pw", "not-the-password")
		res := s.apply(quiescing)
		if h := s.sink.history("x/gw/app01"); res.ExitCode != 14 || last(h) != "SKIPPED_BECAUSE_CREDENTIAL_WAS_REFUSED" {
			t.Errorf("exit %d, history %v", res.ExitCode, h)
		}
		if n := s.fleet.State().Device("gw").FailedLogins; n != 1 {
			t.Errorf("%d failed logins, want 1: an account must not be locked out", n)
		}
		for _, st := range s.sink.statuses {
			if strings.Contains(st.Message, "not-the-password") {
				t.Errorf("the password is shown: %q", st.Message)
			}
		}
	})
	for _, tls := range []string{"expired", "wrong_host", "untrusted"} {
		t.Run(tls, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1, TLS: tls}}})
			res := s.apply(quiescing)
			h := s.sink.history("x/gw/app01")
			if res.ExitCode != 14 || last(h) != "SKIPPED_DEVICE_NOT_AVAILABLE" {
				t.Errorf("exit %d, history %v", res.ExitCode, h)
			}
			if m := res.Summary.Tasks[0].Message; !regexp.MustCompile(`tls\.fingerprint_sha256 = "[0-9a-f]{64}"`).MatchString(m) {
				t.Errorf("the message does not give the fingerprint to pin: %q", m)
			}
		})
	}
}

func TestQuiesceFaultsEndWithinTheirLimits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind, code string
		exit       int
		down       bool
	}{
		{"quiesce_stuck", "EXECUTION_QUIESCE_TIMEOUT_OCCURRED", 1, false},
		{"quiesce_error", "EXECUTION_QUIESCE_ERROR", 1, false},
		{"quiesce_refused", "EXECUTION_QUIESCE_ERROR", 1, false},
		{"unquiesce_stuck", "EXECUTION_UNQUIESCE_TIMEOUT_OCCURRED", 16, true},
		{"unquiesce_error", "EXECUTION_UNQUIESCE_TIMEOUT_OCCURRED", 16, true},
		{"unquiesce_refused", "EXECUTION_UNQUIESCE_TIMEOUT_OCCURRED", 16, true},
		{"unquiesce_ignored", "EXECUTION_UNQUIESCE_TIMEOUT_OCCURRED", 16, true},
	} {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1}}})
			need.Done(t, s.fleet.AddFault(dpsim.Fault{Kind: c.kind}))
			res := s.apply(quiescing)
			if h := s.sink.history("x/gw/app01"); res.ExitCode != c.exit || last(h) != c.code {
				t.Errorf("exit %d, history %v; want %d and %s", res.ExitCode, h, c.exit, c.code)
			}
			if down := s.down(); (len(down) > 0) != c.down {
				t.Errorf("down: %v", down)
			}
			if (len(res.Owed) > 0) != c.down {
				t.Errorf("owed: %+v", res.Owed)
			}
			if took := s.clock.Now().Sub(night); took.Minutes() > 15 {
				t.Errorf("took %s", took)
			}
			if c.exit == 16 {
				if got := len(files(t, s.dir+"/backups")); got != 2 {
					t.Errorf("a good artifact is stored although the domain did not come back: %d files", got)
				}
			}
		})
	}
}

// TestAnUnquiesceThatIsRefusedTheLoginDoesNotLockTheAccount: it is tried
// twice, then a person is told.
func TestAnUnquiesceThatIsRefusedTheLoginDoesNotLockTheAccount(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", AppDomains: 1}}})
	need.Done(t, s.fleet.AddFault(dpsim.Fault{Kind: "auth_failure", Operation: "do-action/DomainUnquiesce"}))
	res := s.apply(quiescing)
	if h := s.sink.history("x/gw/app01"); res.ExitCode != 16 || last(h) != "EXECUTION_UNQUIESCE_TIMEOUT_OCCURRED" {
		t.Errorf("exit %d, history %v", res.ExitCode, h)
	}
	// Two by the task, and one by the attempt to pay what the run has left.
	if n := s.fleet.State().Device("gw").FailedLogins; n < 2 || n > 3 {
		t.Errorf("%d failed logins", n)
	}
}
