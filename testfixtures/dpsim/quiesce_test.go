package dpsim_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim"
)

func quiesce(g *gateway, domain string) string {
	return g.act("DomainQuiesce", "name", domain, "timeout", "60")
}

func TestDomainQuiesceTakesSimulatedTime(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{AppDomains: 2})
	step := func(advance time.Duration, wanted string) {
		t.Helper()
		f.Clock().Advance(advance)
		if got := g.state("app01"); got != wanted {
			t.Errorf("state %q, want %q", got, wanted)
		}
	}
	want(t, quiesce(g, "app01"), ">OK<")
	step(0, "quiescing")
	step(2900*time.Millisecond, "quiescing")
	step(100*time.Millisecond, "quiesced")
	want(t, quiesce(g, "app01"), ">OK<")
	step(0, "quiesced")
	if got := g.state("app02"); got != "" {
		t.Errorf("the other domain is %q", got)
	}
	want(t, g.ask("app01", `<m:get-status class="ObjectStatus"/>`), "<OpState>down</OpState>", "<ErrorCode>in quiescence</ErrorCode>")
	want(t, g.act("DomainUnquiesce", "name", "app01"), ">OK<")
	step(0, "unquiescing")
	step(2*time.Second, "")
	wantNot(t, g.ask("app01", `<m:get-status class="ObjectStatus"/>`), "<OpState>down</OpState>")
	want(t, g.act("DomainUnquiesce", "name", "app01"), ">OK<")
	step(0, "")
}

func TestBusyDomainIsForcedAtTheTimeout(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "busy", Busy: true}}})
	g.act("DomainQuiesce", "name", "busy", "timeout", "90", "delay", "10")
	f.Clock().Advance(99 * time.Second)
	if got := g.state("busy"); got != "quiescing" {
		t.Errorf("before the timeout: %q", got)
	}
	f.Clock().Advance(time.Second)
	if got := g.state("busy"); got != "quiesced" {
		t.Errorf("at the timeout: %q", got)
	}
}

func TestQuiesceParametersAreChecked(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{AppDomains: 1})
	want(t, g.act("DomainQuiesce", "name", "app01", "timeout", "59"), "error-log")
	want(t, g.act("DomainQuiesce", "name", "app01"), "error-log")
	want(t, g.act("QuiesceDP", "timeout", "10"), "error-log")
	want(t, quiesce(g, "nowhere"), "error-log")
	want(t, g.act("DomainUnquiesce", "name", "nowhere"), "error-log")
	want(t, g.ask("app01", `<m:do-action><QuiesceDP><timeout>60</timeout></QuiesceDP></m:do-action>`), "error-log")
	if got := g.state("app01"); got != "" {
		t.Errorf("a refused quiesce left %q", got)
	}
}

func TestDeviceQuiesceLeavesDefaultAlone(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{AppDomains: 2})
	want(t, quiesce(g, "default"), ">OK<")
	want(t, g.act("QuiesceDP", "timeout", "60"), ">OK<")
	f.Clock().Advance(3 * time.Second)
	for domain, wanted := range map[string]string{"default": "", "app01": "quiesced", "app02": "quiesced"} {
		if got := g.state(domain); got != wanted {
			t.Errorf("%s is %q, want %q", domain, got, wanted)
		}
	}
	want(t, g.act("UnquiesceDP"), ">OK<")
	f.Clock().Advance(2 * time.Second)
	if got := g.state("app02"); got != "" {
		t.Errorf("after unquiesce: %q", got)
	}
}

func TestQuiesceFaults(t *testing.T) {
	t.Parallel()
	type step struct {
		action  string // Quiesce, Unquiesce, or nothing
		answer  string
		advance time.Duration
		state   string
	}
	cases := map[string]struct {
		fault dpsim.Fault
		steps []step
	}{
		"stuck": {dpsim.Fault{Kind: "quiesce_stuck"}, []step{{"Quiesce", "OK", time.Hour, "quiescing"}, {"Unquiesce", "OK", time.Minute, ""}}},
		"stuck, then error": {dpsim.Fault{Kind: "quiesce_stuck", Duration: "5m"}, []step{
			{"Quiesce", "OK", 299 * time.Second, "quiescing"}, {"", "", time.Second, "error"}, {"Unquiesce", "OK", time.Minute, ""}}},
		"error":             {dpsim.Fault{Kind: "quiesce_error"}, []step{{"Quiesce", "OK", time.Minute, "error"}}},
		"refused once":      {dpsim.Fault{Kind: "quiesce_refused", Count: 1}, []step{{"Quiesce", "error-log", time.Minute, ""}, {"Quiesce", "OK", time.Minute, "quiesced"}}},
		"second refused":    {dpsim.Fault{Kind: "second_quiesce_refused"}, []step{{"Quiesce", "OK", time.Minute, "quiesced"}, {"Quiesce", "already quiesced", 0, "quiesced"}}},
		"unquiesce stuck":   {dpsim.Fault{Kind: "unquiesce_stuck"}, []step{{"Quiesce", "OK", time.Minute, "quiesced"}, {"Unquiesce", "OK", time.Hour, "unquiescing"}}},
		"unquiesce slow":    {dpsim.Fault{Kind: "unquiesce_stuck", Duration: "1h"}, []step{{"Quiesce", "OK", time.Minute, "quiesced"}, {"Unquiesce", "OK", time.Minute, "unquiescing"}, {"", "", time.Hour, ""}}},
		"unquiesce error":   {dpsim.Fault{Kind: "unquiesce_error"}, []step{{"Quiesce", "OK", time.Minute, "quiesced"}, {"Unquiesce", "OK", time.Minute, "error"}}},
		"unquiesce refused": {dpsim.Fault{Kind: "unquiesce_refused"}, []step{{"Quiesce", "OK", time.Minute, "quiesced"}, {"Unquiesce", "error-log", time.Minute, "quiesced"}}},
		"unquiesce ignored": {dpsim.Fault{Kind: "unquiesce_ignored"}, []step{{"Quiesce", "OK", time.Minute, "quiesced"}, {"Unquiesce", "OK", time.Hour, "quiesced"}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, g := one(t, dpsim.Device{AppDomains: 2, Faults: []dpsim.Fault{c.fault}})
			for _, s := range c.steps {
				switch s.action {
				case "Quiesce":
					want(t, quiesce(g, "app01"), s.answer)
				case "Unquiesce":
					want(t, g.act("DomainUnquiesce", "name", "app01"), s.answer)
				}
				f.Clock().Advance(s.advance)
				if got := g.state("app01"); got != s.state {
					t.Errorf("after %s and %v: %q, want %q", s.action, s.advance, got, s.state)
				}
			}
		})
	}
}

func TestObjectsMayStayDownAfterUnquiesce(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{AppDomains: 1, Faults: []dpsim.Fault{{Kind: "objects_down", Duration: "1m"}}})
	quiesce(g, "app01")
	g.act("DomainUnquiesce", "name", "app01")
	f.Clock().Advance(30 * time.Second)
	objects := `<m:get-status class="ObjectStatus"/>`
	if got := g.state("app01"); got != "" {
		t.Errorf("state %q", got)
	}
	want(t, g.ask("app01", objects), "<OpState>down</OpState>")
	f.Clock().Advance(time.Minute)
	wantNot(t, g.ask("app01", objects), "<OpState>down</OpState>")
}

// TestOutagesAreKept: also what nobody has looked at meanwhile, and to the moment.
func TestOutagesAreKept(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{AppDomains: 2})
	start := f.Clock().Now()
	quiesce(g, "app01")
	f.Clock().Advance(10 * time.Second)
	g.act("DomainUnquiesce", "name", "app01")
	f.Clock().Advance(10 * time.Second)
	g.act("QuiesceDP", "timeout", "60")
	f.Clock().Advance(10 * time.Second)
	lasted := func(domain string) (out []time.Duration) {
		for _, d := range f.State().Devices[0].Domains {
			if d.Name != domain {
				continue
			}
			for _, o := range d.Outages {
				out = append(out, o.From.Sub(start))
				if !o.To.IsZero() {
					out = append(out, o.To.Sub(start))
				}
			}
		}
		return out
	}
	for domain, want := range map[string][]time.Duration{
		"default": nil, "app01": {0, 12 * time.Second, 20 * time.Second}, "app02": {20 * time.Second},
	} {
		if got := lasted(domain); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", domain, got, want)
		}
	}
	if err := f.Edit(dpsim.Edit{Reboot: true}); err != nil {
		t.Fatal(err)
	}
	if got, want := lasted("app02"), []time.Duration{20 * time.Second, 30 * time.Second}; !slices.Equal(got, want) {
		t.Errorf("app02 after a reboot: %v, want %v", got, want)
	}
}
