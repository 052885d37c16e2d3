package datapower_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plugins/datapower"
	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/dpsim"
	simconfig "github.com/dprun/dprun/testfixtures/dpsim/config"
	"github.com/dprun/dprun/testfixtures/need"
)

// restorer is the source as what restores, with a clock that does not wait.
func (g *gateway) restorer() sdk.Restorer {
	datapower.Hurry(g.Source, func(d time.Duration) { g.fleet.Clock().Advance(d) })
	return g.Source.(sdk.Restorer)
}

func (g *gateway) carry(file, domain string, change ...func(*sdk.ImportRequest)) (*sdk.ImportReport, error) {
	g.t.Helper()
	r := sdk.ImportRequest{Target: sdk.Target{Domain: domain}, File: file, Dir: g.t.TempDir()}
	for _, f := range change {
		f(&r)
	}
	return g.restorer().Import(testContext(g.t), r)
}

func before(file string) func(*sdk.ImportRequest) {
	return func(r *sdk.ImportRequest) { r.Before = file }
}

// pair is a gateway that backups are made on, and one that they are restored on.
func pair(t *testing.T, d dpsim.Device) (from, to *gateway) {
	t.Helper()
	both := newGateways(t, map[string]dpsim.Device{"from": d, gatewayName: {}})
	return both["from"], both[gatewayName]
}

// with are the objects that every domain has, and more.
func with(objects ...dpsim.Object) []dpsim.Object {
	return append([]dpsim.Object{{Class: "HTTPUserAgent", Name: "default"}, {Class: "XMLManager", Name: "default"}, {Class: "Matching", Name: "m"}}, objects...)
}

func drill(r *sdk.ImportRequest) { r.Disabled = true }

func (g *gateway) resembles(domain string, disabled bool, files ...string) []sdk.Resemblance {
	g.t.Helper()
	return need.Value(g.restorer().Resembles(testContext(g.t), sdk.ResembleRequest{Target: sdk.Target{Domain: domain}, Files: files, Dir: g.t.TempDir(), Disabled: disabled}))(g.t).Of
}

func (g *gateway) create(domain string) {
	g.t.Helper()
	need.Done(g.t, g.restorer().Create(testContext(g.t), sdk.Target{Domain: domain}))
}

// findings are those of an import, but for files of fabricated archives that no archive holds.
func findings(r *sdk.ImportReport) (out []string) {
	for _, f := range r.Findings {
		if f.Level == sdk.LevelOK {
			continue
		}
		out = append(out, strings.TrimSpace(string(f.Level)+" "+f.Check+" "+f.Subject))
	}
	return out
}

func TestAnImportIntoANewDomainIsWhatTheArchiveHolds(t *testing.T) {
	t.Parallel()
	from, g := pair(t, dpsim.Device{Domains: []dpsim.Domain{
		{Name: "small"},
		{Name: "keys", MissingFiles: 2, PrivateKeys: 2},
		{Name: "mixed", Objects: with(dpsim.Object{Class: "LogTarget", Name: "log", State: "disabled"}, dpsim.Object{Class: "TCPProxyService", Name: "tcp", State: "disabled"}, dpsim.Object{Class: "MQSourceProtocolHandler", Name: "mq"})},
	}})
	for name, want := range map[string][]string{
		"small": nil,
		"keys":  {"warning absent cert:///keys-key-0.pem", "warning absent cert:///keys-key-1.pem", "warning absent local:///gone/absent-0.xsl", "warning absent local:///gone/absent-1.xsl", "warning results new-keys"},
		"mixed": {"warning enabled TCPProxyService tcp"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := from.backup(name)
			g.create("new-" + name)
			r := need.Value(g.carry(file, "new-"+name))(t)
			if diff := cmp.Diff(want, findings(r)); diff != "" || r.Objects == 0 || r.Files == 0 || len(r.Down)+len(r.Skipped) > 0 || !r.SaveNeeded {
				t.Errorf("%+v, findings (-want +got):\n%s", r, diff)
			}
			need.Done(t, g.restorer().Save(testContext(t), sdk.Target{Domain: "new-" + name}))
			rep := need.Value(g.restorer().Resembles(testContext(t), sdk.ResembleRequest{Target: sdk.Target{Domain: "new-" + name}, Files: []string{file}, Dir: t.TempDir()}))(t)
			if !rep.Of[0].Equal || !rep.Of[0].Only || rep.SaveNeeded {
				t.Errorf("it resembles the archive: %+v", rep)
			}
		})
	}
}

func TestAnImportChangesOnlyWhatTheArchiveNames(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{Domains: []dpsim.Domain{
		{Name: "orders", Objects: []dpsim.Object{{Class: "Matching", Name: "both"}, {Class: "LogTarget", Name: "off", State: "disabled"}}},
		{Name: "other", Objects: []dpsim.Object{{Class: "Matching", Name: "mine"}, {Class: "LogTarget", Name: "off"}}},
	}})
	file, was := g.backup("orders"), g.backup("other")
	r := need.Value(g.carry(file, "other", before(was)))(t)
	if got := findings(r); len(got) > 0 {
		t.Errorf("findings %q", got)
	}
	of := g.resembles("other", false, file, was)
	if !of[0].Equal || of[0].Only || !slices.Contains(of[0].Differences, "Matching mine: the archive does not have it") {
		t.Errorf("of the archive: %+v", of[0])
	}
	if of[1].Equal || of[1].Only || !slices.Contains(of[1].Differences, "LogTarget off: is otherwise in mAdminState") {
		t.Errorf("of what it was: %+v", of[1])
	}
	// The target is no longer what its way back holds: nothing is sent.
	n := g.imports()
	_, err := g.carry(file, "other", before(was))
	wantFailure(t, failure.CallImport, err, failure.Precondition, "")
	if g.imports() != n {
		t.Error("it was sent all the same")
	}
}

func TestEveryFaultOfAnImportIsTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault dpsim.Fault
		want  string
	}{
		"object fails":   {dpsim.Fault{Kind: "import_object_fails", File: "Matching/m"}, "error object_failed Matching m"},
		"object skipped": {dpsim.Fault{Kind: "import_object_skipped", File: "Matching"}, "error skipped Matching m"},
		"file fails":     {dpsim.Fault{Kind: "import_file_fails", File: "local:///README.txt"}, "error file_failed local:///README.txt"},
		"file skipped":   {dpsim.Fault{Kind: "import_file_skipped"}, "warning not_copied local/README.txt"},
		"errors":         {dpsim.Fault{Kind: "import_detected_errors"}, "error results new"},
		"words":          {dpsim.Fault{Kind: "import_word"}, "error object_failed Matching m"},
		"no logs":        {dpsim.Fault{Kind: "import_no_logs"}, "error results new"},
		"no domain":      {dpsim.Fault{Kind: "import_no_domain"}, "error results new"},
		"empty":          {dpsim.Fault{Kind: "import_empty"}, "error results new"},
		"order":          {dpsim.Fault{Kind: "import_order"}, ""},
		"port in use":    {dpsim.Fault{Kind: "port_in_use"}, "warning down HTTPSourceProtocolHandler listens-http"},
		"states unread":  {dpsim.Fault{Kind: "error_result", Operation: "get-status/ObjectStatus", Skip: 1}, "error states new"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, g := pair(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "orders", Objects: with()}, {Name: "listens"}}})
			file := from.backup(map[bool]string{true: "listens", false: "orders"}[name == "port in use"])
			g.create("new")
			g.fault(c.fault)
			r := need.Value(g.carry(file, "new"))(t)
			if got := findings(r); c.want == "" && len(got) > 0 || c.want != "" && !slices.Contains(got, c.want) {
				t.Errorf("findings %q, want %q", got, c.want)
			}
			if (name == "port in use") != (len(r.Down) > 0) || (name == "object skipped") != (len(r.Skipped) > 0) {
				t.Errorf("down %q, skipped %q", r.Down, r.Skipped)
			}
		})
	}
}

// A refusal of the whole import and a lost answer leave open what was applied; what comes before the archive is sent does not.
func TestAnImportWithoutResultsIsUnknown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  dpsim.Fault
		kind   failure.Kind
		reason failure.Reason
	}{
		"lost when done": {dpsim.Fault{Kind: "no_reply_but_done", Operation: "do-import"}, failure.Unavailable, ""},
		"cut":            {dpsim.Fault{Kind: "close", Operation: "do-import"}, failure.Unavailable, ""},
		"garbage":        {dpsim.Fault{Kind: "garbage", Operation: "do-import"}, failure.Unavailable, failure.BadReply},
		"full":           {dpsim.Fault{Kind: "import_disk_full"}, failure.Unavailable, failure.DeviceError},
		"refused":        {dpsim.Fault{Kind: "refused", Operation: "do-import"}, failure.Unavailable, failure.NotPermitted},
		"export fails":   {dpsim.Fault{Kind: "close", Operation: "do-export"}, failure.Precondition, ""},
		"states fail":    {dpsim.Fault{Kind: "close", Operation: "get-status/ObjectStatus"}, failure.Precondition, ""},
		"domains fail":   {dpsim.Fault{Kind: "error_result", Operation: "get-status/DomainStatus"}, failure.Precondition, failure.DeviceError},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "orders"}, {Name: "other"}}})
			file, was := g.backup("orders"), g.backup("other")
			g.fault(c.fault)
			_, err := g.carry(file, "other", before(was))
			wantFailure(t, failure.CallImport, err, c.kind, c.reason)
			want := 1
			if c.kind == failure.Precondition {
				want = 0
			}
			if n := g.imports(); n != want {
				t.Errorf("it was sent %d times", n)
			}
			if name == "lost when done" {
				if of := g.resembles("other", false, file, was); !of[0].Equal || of[1].Equal {
					t.Errorf("what became of it is not seen: %+v", of)
				}
			}
		})
	}
}

func TestWhatMustNotBeImportedIsNotSent(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "orders"}, {Name: "other"}, {Name: "quiesced", QuiesceState: "quiesced"}, {Name: "busy", CurrentCommand: "backup"}, {Name: "quiet", Objects: with()}}})
	file := g.backup("orders")
	whole := need.Value(os.ReadFile(file))(t)
	whole[len(whole)/2] ^= 0x55
	damaged := filepath.Join(t.TempDir(), "a.zip")
	need.Done(t, os.WriteFile(damaged, whole, 0o600))
	got, dir, err := g.capture("export_all_domains", "", sdk.VariantPersisted, config("export_all_domains", nil))
	if err != nil {
		t.Fatal(err)
	}
	was := g.backup("other")
	for name, c := range map[string]struct {
		file, domain string
		kind         failure.Kind
		reason       failure.Reason
	}{
		"damaged":       {damaged, "other", failure.Corrupt, failure.BadArchive},
		"backup":        {filepath.Join(dir, got.Artifacts[0].Name), "other", failure.Precondition, failure.BadArchive},
		"of default":    {g.backup("default"), "other", failure.Precondition, failure.BadArchive},
		"default":       {file, "default", failure.Precondition, failure.Unsupported},
		"device":        {file, "", failure.Precondition, failure.Unsupported},
		"nowhere":       {file, "nowhere", failure.NotFound, failure.UnknownDomain},
		"quiesced":      {file, "quiesced", failure.Precondition, failure.DeviceError},
		"busy":          {file, "busy", failure.Precondition, failure.DeviceBusy},
		"no way back":   {file, "other", failure.Precondition, ""},
		"not ours":      {file, "quiet", failure.Precondition, ""},
		"archive gone":  {filepath.Join(dir, "none.zip"), "other", failure.Precondition, failure.StagingIO},
		"way back gone": {file, "other", failure.Precondition, failure.StagingIO},
	} {
		way := was
		switch name {
		case "no way back", "not ours":
			way = ""
		case "way back gone":
			way = filepath.Join(dir, "none.zip")
		}
		_, err := g.carry(c.file, c.domain, before(way))
		t.Log(name, err)
		wantFailure(t, failure.CallImport, err, c.kind, c.reason)
	}
	if g.imports() > 0 {
		t.Error("something was sent")
	}
}

func TestADomainIsMadeAndRemoved(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "orders"}}})
	r := g.restorer()
	waited := time.Duration(0)
	datapower.Hurry(g.Source, func(d time.Duration) { waited += d; g.fleet.Clock().Advance(d) })
	g.fault(dpsim.Fault{Kind: "domain_create_slow", Duration: "7s"})
	g.fault(dpsim.Fault{Kind: "domain_delete_slow", Duration: "9s"})
	ctx, drill := testContext(t), sdk.Target{Domain: "dprun-drill-1"}
	need.Done(t, r.Create(ctx, drill))
	if waited < 7*time.Second {
		t.Errorf("it can be used after %v", waited)
	}
	wantFailure(t, failure.CallCreate, r.Create(ctx, drill), failure.Exists, "")
	wantFailure(t, failure.CallDrop, r.Drop(ctx, sdk.Target{Domain: "orders"}), failure.Precondition, "")
	wantFailure(t, failure.CallDrop, r.Drop(ctx, sdk.Target{Domain: "default"}), failure.Precondition, failure.Unsupported)
	wantFailure(t, failure.CallDrop, r.Drop(ctx, sdk.Target{}), failure.Precondition, failure.Unsupported)
	g.fault(dpsim.Fault{Kind: "refused", Operation: "get-config/Domain", Count: 1})
	wantFailure(t, failure.CallDrop, r.Drop(ctx, drill), failure.Denied, failure.NotPermitted)
	waited = 0
	need.Done(t, r.Drop(ctx, drill))
	if waited < 9*time.Second {
		t.Errorf("it is gone after %v", waited)
	}
	need.Done(t, r.Drop(ctx, drill))
	for _, name := range []string{"", "default", "a b", "a."} {
		wantFailure(t, failure.CallCreate, r.Create(ctx, sdk.Target{Domain: name}), failure.Precondition, failure.BadConfig)
	}
	wantFailure(t, failure.CallSave, r.Save(ctx, drill), failure.NotFound, failure.UnknownDomain)
	if d := g.fleet.State().Device(gatewayName).Domains; len(d) != 2 {
		t.Errorf("domains %+v", d)
	}
}

func TestARemovalThatDoesNotComeAboutIsAFailure(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{})
	r := g.restorer()
	datapower.Hurry(g.Source, func(d time.Duration) { g.fleet.Clock().Advance(d) })
	ctx, drill := testContext(t), sdk.Target{Domain: "dprun-drill-1"}
	need.Done(t, r.Create(ctx, drill))
	g.fault(dpsim.Fault{Kind: "domain_delete_refused", Count: 1})
	wantFailure(t, failure.CallDrop, r.Drop(ctx, drill), failure.Precondition, failure.DeviceError)
	g.fault(dpsim.Fault{Kind: "domain_delete_slow", Duration: "1h"})
	wantFailure(t, failure.CallDrop, r.Drop(ctx, drill), failure.Timeout, failure.DeviceBusy)
}

// started is what imports have set off on a gateway.
func (g *gateway) started() []string { return g.fleet.State().Device(gatewayName).Started }

func TestADrillOpensConsumesAndJoinsNothing(t *testing.T) {
	t.Parallel()
	var objects []dpsim.Object
	for class := range datapower.Starting() {
		if class != "Domain" && simconfig.Classes()[class].URI != "" && !simconfig.Classes()[class].DefaultOnly {
			objects = append(objects, dpsim.Object{Class: class, Name: "x"})
		}
	}
	from, g := pair(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "orders", Objects: with(objects...)}, {Name: "simple"}}})
	for domain, least := range map[string]int{"orders": 50, "simple": 1} {
		file := from.backup(domain)
		name := "dprun-drill-" + domain
		g.create(name)
		r := need.Value(g.carry(file, name, drill))(t)
		if got := findings(r); len(got) > 0 || len(r.Down)+len(r.Skipped) > 0 {
			t.Errorf("%s: findings %q, down %q, skipped %q", domain, got, r.Down, r.Skipped)
		}
		if got := g.started(); len(got) > 0 {
			t.Errorf("%s: it has set off %q", domain, got)
		}
		if of := g.resembles(name, true, file)[0]; !of.Equal || len(of.Differences) < least {
			t.Errorf("%s: it does not resemble the archive: %+v", domain, of)
		}
		if of := g.resembles(name, false, file)[0]; of.Equal {
			t.Errorf("%s: what a drill changes and leaves out is no difference although nobody spoke of a drill", domain)
		}
		need.Done(t, g.restorer().Drop(testContext(t), sdk.Target{Domain: name}))
	}
	// Without it, all of it starts.
	g.create("plain")
	need.Value(g.carry(from.backup("orders"), "plain"))(t)
	if got := g.started(); len(got) < 50 {
		t.Errorf("a plain import has set off %q", got)
	}
}

// A policy that has no effect is seen by what is enabled afterwards.
func TestADrillThatStartsSomethingIsToBeDroppedAtOnce(t *testing.T) {
	t.Parallel()
	from, g := pair(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "orders", Objects: with(dpsim.Object{Class: "MQSourceProtocolHandler", Name: "mq"})}}})
	file := from.backup("orders")
	g.create("drill")
	g.fault(dpsim.Fault{Kind: "import_policy_ignored"})
	r := need.Value(g.carry(file, "drill", drill))(t)
	for _, want := range []string{"error running MQSourceProtocolHandler mq", "error running XMLManager default"} {
		if got := findings(r); !slices.Contains(got, want) {
			t.Errorf("findings %q, want %q", got, want)
		}
	}
}

// What the policy leaves out is forgiven, and nothing else.
func TestWhatIsMissingFromADrillIsNoResemblance(t *testing.T) {
	t.Parallel()
	from, g := pair(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "orders", Objects: with(dpsim.Object{Class: "TCPProxyService", Name: "tcp"}, dpsim.Object{Class: "NewClass", Name: "n"})}}})
	file := from.backup("orders")
	g.create("drill")
	g.fault(dpsim.Fault{Kind: "import_object_skipped", File: "Matching"})
	r := need.Value(g.carry(file, "drill", drill))(t)
	if diff := cmp.Diff([]string{"Matching m", "NewClass n"}, r.Skipped); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
	if of := g.resembles("drill", true, file)[0]; of.Equal || !slices.Contains(of.Differences, "Matching m: is not there") || !slices.Contains(of.Differences, "NewClass n: is not there") ||
		!slices.Contains(of.Differences, "TCPProxyService tcp: the policy leaves it out") {
		t.Errorf("%+v", of)
	}
}

func TestADrillRefusesWhatNoPolicyKeepsFromStarting(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "orders", Objects: with(dpsim.Object{Class: "OpenTelemetry", Name: "o"})}}})
	file := g.backup("orders")
	g.create("drill")
	_, err := g.carry(file, "drill", drill)
	wantFailure(t, failure.CallImport, err, failure.Precondition, failure.Unsupported)
	report := need.Value(g.rehearse(file, "drill", func(r *sdk.RehearseRequest) { r.Disabled = true }))(t)
	if got, _ := told(report); !slices.Contains(got, "error drill OpenTelemetry o") {
		t.Errorf("rehearsed: %q", got)
	}
}

func TestAPolicyOfTheUserIsApplied(t *testing.T) {
	t.Parallel()
	from, g := pair(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "orders", Objects: with(dpsim.Object{Class: "LogTarget", Name: "log"})}}})
	file := from.backup("orders")
	g.create("new")
	policy := filepath.Join(t.TempDir(), "policy.xml")
	write := func(text string) { need.Done(t, os.WriteFile(policy, []byte(text), 0o600)) }
	by := func(variables map[string]string) func(*sdk.ImportRequest) {
		return func(r *sdk.ImportRequest) { r.Policy, r.Variables = policy, variables }
	}
	const change = `<ModifiedConfig><Match>*/*/logging/target?Name=log&amp;Property=mAdminState</Match><Type>change</Type><Property/><Value>${state}</Value></ModifiedConfig>`
	state := map[string]string{"state": "disabled"}
	for text, variables := range map[string]map[string]string{
		`<FilteredConfig>`: nil, `<Filtered>*/*/*</Filtered>`: nil, ``: nil, `text`: nil, `<FilteredConfig>logging/target</FilteredConfig>`: nil,
		`<FilteredConfig>*/*/*<More/></FilteredConfig>`: nil, `<FilteredConfig>*/*/*?Nmae=x</FilteredConfig>`: nil, `<mAdminState>disabled</mAdminState><FilteredConfig>*/*/*</FilteredConfig>`: nil,
		`<ModifiedConfig><Match>*/*/*?Property=a</Match><Type>alter</Type></ModifiedConfig>`: nil, `<ModifiedConfig><Match>*/*/*</Match><Type>change</Type></ModifiedConfig>`: nil,
		`<ModifiedConfig><Match>*/*/*</Match><Type>add</Type></ModifiedConfig>`: nil, `<ModifiedConfig><Match>*/*/*?Property=a</Match><Type>delete</Type><Property>b</Property></ModifiedConfig>`: nil,
		change: nil, change + " ": {"state": "disabled", "other": "x"},
	} {
		write(text)
		_, err := g.carry(file, "new", by(variables))
		wantFailure(t, failure.CallImport, err, failure.Precondition, failure.BadConfig)
	}
	write(change)
	_, err := g.carry(file, "new", by(state), drill)
	wantFailure(t, failure.CallImport, err, failure.Precondition, failure.BadConfig)
	_, err = g.carry(file, "new", func(r *sdk.ImportRequest) { r.Variables = state })
	wantFailure(t, failure.CallImport, err, failure.Precondition, failure.BadConfig)
	if g.imports() > 0 {
		t.Error("something was sent")
	}
	write(`<?xml version="1.0"?><ConfigDeploymentPolicy name="mine"><mAdminState>enabled</mAdminState><UserSummary>mine</UserSummary><FilteredConfig>*/*/xml/matching?Name=.*</FilteredConfig>` + change + `</ConfigDeploymentPolicy>`)
	r := need.Value(g.carry(file, "new", by(state)))(t)
	if got := findings(r); len(got) > 0 {
		t.Errorf("findings %q", got)
	}
	q := sdk.ResembleRequest{Target: sdk.Target{Domain: "new"}, Files: []string{file}, Dir: t.TempDir()}
	if of := need.Value(g.restorer().Resembles(testContext(t), q))(t).Of[0]; of.Equal || !slices.Equal(of.Differences, []string{"LogTarget log: is otherwise in mAdminState", "Matching m: is not there"}) {
		t.Errorf("without the policy %+v", of)
	}
	q.Policy, q.Variables = policy, state
	if of := need.Value(g.restorer().Resembles(testContext(t), q))(t).Of[0]; !of.Equal || !of.Only || len(of.Differences) != 2 {
		t.Errorf("with the policy %+v", of)
	}
	q.Variables = map[string]string{"state": "enabled"}
	if of := need.Value(g.restorer().Resembles(testContext(t), q))(t).Of[0]; of.Equal {
		t.Errorf("with another value of the variable %+v", of)
	}
}

// An import changes the addresses of local interfaces itself, where it was asked to.
func TestLocalAddressesThatWereRewrittenAreNoDifference(t *testing.T) {
	t.Parallel()
	diff := func(class string, paths ...string) *archive.Diff {
		d := archive.Difference{What: archive.WhatObject, Change: archive.Changed, Class: class, Name: "a"}
		for _, p := range paths {
			d.Properties = append(d.Properties, archive.Property{Path: p, Old: "192.0.2.1", New: "192.0.2.2"})
		}
		return &archive.Diff{Differences: []archive.Difference{d}}
	}
	for _, c := range []struct {
		diff             *archive.Diff
		rewritten, equal bool
	}{
		{diff("HTTPSourceProtocolHandler", "LocalAddress"), true, true},
		{diff("HTTPSourceProtocolHandler", "Peers[2]/LocalAddress"), true, true},
		{diff("HTTPSourceProtocolHandler", "LocalAddress"), false, false},
		{diff("HTTPSourceProtocolHandler", "LocalAddress", "LocalPort"), true, false},
		{diff("HTTPSourceProtocolHandler"), true, false}, // too much differs to tell
	} {
		if got := datapower.Resemblance(c.diff, c.rewritten); got.Equal != c.equal || !got.Only {
			t.Errorf("%+v, rewritten %t: %+v", c.diff.Differences[0].Properties, c.rewritten, got)
		}
	}
}

// The accounts of the access profiles are enough, and the one of restores makes and removes no domain.
func TestTheAccessProfilesOfRestoresAndDrillsSuffice(t *testing.T) {
	t.Parallel()
	gateways := newGateways(t, map[string]dpsim.Device{
		"from": {Domains: []dpsim.Domain{{Name: "orders"}}}, "restore": {Access: datapower.RestoreProfile(false), Domains: []dpsim.Domain{{Name: "orders"}}},
		"drill": {Access: datapower.RestoreProfile(true)}, "reads": {Access: []string{"*/*/login/xml-mgmt?Access=x", "*/*/*?Access=r"}, Domains: []dpsim.Domain{{Name: "orders"}}},
	})
	file, ctx := gateways["from"].backup("orders"), testContext(t)
	for _, name := range []string{"restore", "drill", "reads"} {
		g, domain := gateways[name], "orders"
		var way func(*sdk.ImportRequest)
		if name == "drill" {
			domain = "dprun-drill"
			g.create(domain)
			way = drill
		} else {
			way = before(g.backup(domain))
			wantFailure(t, failure.CallCreate, g.restorer().Create(ctx, sdk.Target{Domain: "more"}), failure.Denied, failure.NotPermitted)
		}
		r := need.Value(g.carry(file, domain, way))(t)
		if got := findings(r); (len(got) == 0) == (name == "reads") || (name == "reads") != slices.Contains(got, "warning not_configured MultiProtocolGateway orders") {
			t.Errorf("%s: findings %q", name, got)
		}
		switch name {
		case "restore":
			need.Done(t, g.restorer().Save(ctx, sdk.Target{Domain: domain}))
		case "drill":
			need.Done(t, g.restorer().Drop(ctx, sdk.Target{Domain: domain}))
		}
	}
}

// What an import always changes is a difference from what was there before.
func TestTheWayBackIsComparedExactly(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "orders", Objects: with(dpsim.Object{Class: "TCPProxyService", Name: "tcp", State: "disabled"})}}})
	file := g.backup("orders")
	need.Value(g.carry(file, "orders", before(file)))(t)
	of := need.Value(g.restorer().Resembles(testContext(t), sdk.ResembleRequest{Target: sdk.Target{Domain: "orders"}, Files: []string{file, file}, Dir: t.TempDir(), WayBack: true}))(t).Of
	if of[0].Equal || !of[1].Equal {
		t.Errorf("of the way back %+v, of the archive %+v", of[0], of[1])
	}
}

// ask sends an operation as it is.
func (g *gateway) ask(domain, operation string) string {
	g.t.Helper()
	ready := g.fleet.Device(gatewayName)
	body := `<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Body><m:request xmlns:m="http://www.datapower.com/schemas/management" domain="` + domain + `">` + operation + `</m:request></env:Body></env:Envelope>`
	q := need.Value(http.NewRequestWithContext(testContext(g.t), http.MethodPost, fmt.Sprintf("https://%s:%d/service/mgmt/current", ready.Host, ready.Port), strings.NewReader(body)))(g.t)
	q.SetBasicAuth(ready.Username, ready.Password)
	c := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // the simulated gateway
	defer c.CloseIdleConnections()
	answer := need.Value(c.Do(q))(g.t)
	defer answer.Body.Close()
	return string(need.Value(io.ReadAll(answer.Body))(g.t))
}

// set configures objects of a domain, as an administrator does.
func (g *gateway) set(domain, objects string) {
	g.t.Helper()
	if text := g.ask(domain, "<m:set-config>"+objects+"</m:set-config>"); !strings.Contains(text, "OK") {
		g.t.Fatalf("set-config: %s", text)
	}
}

func TestWhatIsDownForAFileThatTheArchiveLacksIsNoSurprise(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{Domains: []dpsim.Domain{{Name: "orders", PrivateKeys: 1}}})
	g.set("orders", `<CryptoCertificate name="c"><Filename>cert:///orders-key-0.pem</Filename></CryptoCertificate><CryptoValCred name="v"><Certificate class="CryptoCertificate">c</Certificate></CryptoValCred>`+
		`<CryptoCertificate name="elsewhere"><Filename>sharedcert:///other.pem</Filename></CryptoCertificate>`)
	file := g.backupOf("orders", sdk.VariantRunning)
	g.create("new")
	r := need.Value(g.carry(file, "new"))(t)
	if diff := cmp.Diff([]string{
		"HTTPSourceProtocolHandler orders-http: failed to install on port (0x00b30002)", // orders has it
		"CryptoCertificate elsewhere: Certificate file 'sharedcert:///other.pem' unreadable (0x80600086)",
	}, r.Down); diff != "" {
		t.Errorf("down (-want +got):\n%s", diff)
	}
}

func TestTheGatewayKeepsACheckpointWhereASlotIsFree(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		checkpoints int
		fault       dpsim.Fault
		level       sdk.Level
		left        int
	}{
		"free":        {2, dpsim.Fault{}, sdk.LevelOK, 3},
		"full":        {3, dpsim.Fault{}, sdk.LevelNotProven, 3},
		"unread":      {0, dpsim.Fault{Kind: "refused", Operation: "get-status/DomainCheckpointStatus", Count: 1}, sdk.LevelNotProven, 0},
		"limit":       {0, dpsim.Fault{Kind: "refused", Operation: "get-config/Domain"}, sdk.LevelNotProven, 0},
		"refused":     {0, dpsim.Fault{Kind: "refused", Operation: "do-action/SaveCheckpoint"}, sdk.LevelNotProven, 0},
		"never saved": {0, dpsim.Fault{Kind: "checkpoint_never_saved"}, sdk.LevelNotProven, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, dpsim.Device{Timings: &dpsim.Timings{Checkpoint: "3s"}, Domains: []dpsim.Domain{{Name: "orders", Objects: with(), Checkpoints: c.checkpoints}}})
			file := g.backup("orders")
			for n := range 2 { // the second takes the place of the first one's
				if c.fault.Kind != "" {
					g.fault(c.fault)
				}
				if n > 0 && c.fault.Kind != "" {
					break
				}
				r := need.Value(g.carry(file, "orders", before(file)))(t)
				if i := slices.IndexFunc(r.Findings, func(f sdk.Finding) bool { return f.Check == "checkpoint" }); i < 0 || r.Findings[i].Level != c.level {
					t.Errorf("findings %+v", r.Findings)
				}
				if n := g.checkpoints("orders"); n != c.left {
					t.Errorf("%d checkpoints, want %d", n, c.left)
				}
			}
		})
	}
}

// checkpoints counts those of a domain.
func (g *gateway) checkpoints(domain string) int {
	g.t.Helper()
	return strings.Count(g.ask(domain, `<m:get-status class="DomainCheckpointStatus"/>`), "<ChkName>")
}
