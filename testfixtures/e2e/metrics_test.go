package e2e

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestMetricsTellHowTheLastRunEndedAndWhatItOwes(t *testing.T) {
	t.Parallel()
	s := newSite(t, dpsim.Scenario{Devices: []dpsim.Device{{Name: "gw", Domains: []dpsim.Domain{{Name: "orders"}, {Name: "stock"}}}}})
	need.Done(t, s.fleet.AddFault(dpsim.Fault{Kind: "unquiesce_stuck", Domain: "orders"}))
	s.apply(quiescingAll)
	r := s.open(s.clock)
	defer func() { _ = r.Close() }()
	var b bytes.Buffer
	need.Value(need.Value(r.Metrics(t.Context()))(t).WriteTo(&b))(t)
	// Of two state directories on one host node_exporter drops, without a word, a series that both have.
	for line := range strings.Lines(b.String()) {
		if !strings.HasPrefix(line, "#") && !strings.Contains(line, `{state="`+r.StateDir+`"`) {
			t.Errorf("it does not say of which state directory it is: %s", line)
		}
	}
	text := strings.NewReplacer(`{state="`+r.StateDir+`"}`, "", `state="`+r.StateDir+`",`, "", s.dir, "DIR").Replace(b.String())
	for _, want := range []string{
		"dprun_build_info{version=\"0.1.0-test\"} 1\n",
		"dprun_journal_readable 1\n",
		"dprun_run_exit_code{plan=\"p\",file=\"DIR/plan.hcl\"} 16\n",
		"dprun_run_tasks{plan=\"p\",file=\"DIR/plan.hcl\",status=\"EXECUTION_UNQUIESCE_TIMEOUT_OCCURRED\"} 1\n",
		"dprun_owed{kind=\"unquiesce\",held=\"false\"} 1\n",
		"dprun_owed{kind=\"after_unquiesce\",held=\"false\"} 0\n",
		"dprun_owed_unknown 0\n",
		"dprun_breaker_since_time_seconds{device=\"gw\",environment=\"\"} ",
		"dprun_destination_size_bytes{plan=\"p\",file=\"DIR/plan.hcl\",destination=\"file.local\"} ",
		"dprun_set_time_seconds{plan=\"p\",activity=\"x\",device=\"gw\",domain=\"orders\"} ",
		"\ndprun_state_directory_bytes ",
		"\ndprun_state_directory_free_bytes ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "\ndprun_run_last_success") {
		t.Errorf("a run that left a gateway quiesced is a success:\n%s", text)
	}
	check := exec.CommandContext(t.Context(), "promtool", "check", "metrics") // by Prometheus' own parser
	check.Stdin = &b
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

const quiescingAll = `
plan "p" {
  destinations = [destination.file.local]
  activity "export_domain" "x" {
    devices = ["*"]
    domains = ["*"]
    quiesce = "domain"
  }
}
`
