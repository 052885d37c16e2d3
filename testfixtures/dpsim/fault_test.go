package dpsim_test

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestReplyFaults(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		fault         dpsim.Fault
		there, absent string
	}{
		"empty file":   {dpsim.Fault{Kind: "empty_file"}, "<dp:file/>", "OK"},
		"ERROR file":   {dpsim.Fault{Kind: "error_file"}, "<dp:file>ERROR</dp:file>", ""},
		"ERROR result": {dpsim.Fault{Kind: "error_result"}, "<dp:result>ERROR</dp:result>", "dp:file"},
		"disk full":    {dpsim.Fault{Kind: "disk_full"}, "<dp:file/>", ""},
		"not base64":   {dpsim.Fault{Kind: "not_base64"}, "<dp:file>Non Base64", ""},
		"garbage":      {dpsim.Fault{Kind: "garbage"}, "It works!", "Envelope"},
		"http error":   {dpsim.Fault{Kind: "http_error"}, "<env:Fault>", "dp:response"},
		"error log":    {dpsim.Fault{Kind: "error_log", Text: "no & no"}, "<error-log><dp:log-event level=\"error\">no &amp; no<", ""},
		"auth failure": {dpsim.Fault{Kind: "auth_failure"}, "Authentication failure", "timestamp"},
		"refused":      {dpsim.Fault{Kind: "refused"}, "</dp:timestamp><dp:result>Authentication failure", ""},
		"vanishes":     {dpsim.Fault{Kind: "domain_vanishes", Operation: "do-export"}, "error-log", "dp:file"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, g := one(t, dpsim.Device{AppDomains: 2, Faults: []dpsim.Fault{c.fault}})
			text := g.ask("app01", fmt.Sprintf(exportAll, true))
			want(t, text, c.there)
			if c.absent != "" {
				wantNot(t, text, c.absent)
			}
			if exports := f.State().Device("gw").Exports; len(exports) != 0 {
				t.Errorf("counted as served: %+v", exports)
			}
		})
	}
}

func TestBrokenPayloads(t *testing.T) {
	t.Parallel()
	reply := func(t *testing.T, kind string) (*gateway, string) {
		_, g := one(t, dpsim.Device{AppDomains: 1, Faults: []dpsim.Fault{{Kind: kind}}})
		return g, g.ask("app01", fmt.Sprintf(exportAll, true))
	}
	t.Run("truncated base64", func(t *testing.T) {
		t.Parallel()
		_, text := reply(t, "truncated_base64")
		payload := text[strings.Index(text, "<dp:file>")+9 : strings.Index(text, "</dp:file>")]
		if _, err := base64.StdEncoding.DecodeString(payload); err == nil || len(payload) < 1000 {
			t.Errorf("%d bytes of base64, error %v", len(payload), err)
		}
		if err := xml.Unmarshal([]byte(text), new(struct{})); err != nil {
			t.Errorf("the reply is no XML: %v", err)
		}
	})
	t.Run("wrong zip", func(t *testing.T) {
		t.Parallel()
		g, text := reply(t, "wrong_zip")
		if _, err := unzip(t, g.file(text)); err == nil {
			t.Error("it is an archive")
		}
	})
	t.Run("corrupt archive", func(t *testing.T) {
		t.Parallel()
		g, text := reply(t, "corrupt_archive")
		raw := g.file(text)
		if z, err := unzip(t, raw); z == nil || err == nil {
			t.Errorf("want an archive with one bad entry, got %v", err)
		}
		_, other := one(t, dpsim.Device{AppDomains: 1})
		good, differ := other.export("app01", true), 0
		for i := range good {
			if good[i] != raw[i] {
				differ++
			}
		}
		if differ != 1 {
			t.Errorf("%d bytes differ, want 1", differ)
		}
	})
	t.Run("wrong hash", func(t *testing.T) {
		t.Parallel()
		g, text := reply(t, "wrong_hash")
		z := need.Value(unzip(t, g.file(text)))(t)
		list, _ := z.Open("export.xml")
		raw, _ := io.ReadAll(list)
		readme, _ := z.Open("local/README.txt")
		content, _ := io.ReadAll(readme)
		sum := sha1.Sum(content)
		want(t, string(raw), `src="local/README.txt"`)
		wantNot(t, string(raw), base64.StdEncoding.EncodeToString(sum[:]))
	})
}

func TestBrokenConnections(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		fault   dpsim.Fault
		hangs   bool
		headers bool // reply headers arrive
		done    bool // the gateway did what it was asked to
	}{
		"hang":              {dpsim.Fault{Kind: "hang"}, true, false, false},
		"hang after header": {dpsim.Fault{Kind: "hang_headers"}, true, true, true},
		"hang in the body":  {dpsim.Fault{Kind: "hang_body"}, true, true, true},
		"TLS hang":          {dpsim.Fault{Kind: "tls_hang"}, true, false, false},
		"close":             {dpsim.Fault{Kind: "close"}, false, false, false},
		"close on connect":  {dpsim.Fault{Kind: "close_on_connect"}, false, false, false},
		"close in the body": {dpsim.Fault{Kind: "close_body", After: "150"}, false, true, true},
		"done, no reply":    {dpsim.Fault{Kind: "no_reply_but_done"}, false, false, true},
		"goes down":         {dpsim.Fault{Kind: "go_down"}, false, false, false},
		"reboots":           {dpsim.Fault{Kind: "reboot"}, false, false, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, g := one(t, dpsim.Device{AppDomains: 1})
			if c.fault.Kind != "tls_hang" && c.fault.Kind != "close_on_connect" {
				c.fault.Operation = "do-action/DomainQuiesce"
			}
			need.Done(t, f.AddFault(c.fault))
			g.client.Timeout = 5 * time.Second
			if c.hangs {
				g.client.Timeout = 300 * time.Millisecond
			}
			resp, _, err := g.post(`<Envelope><Body><request xmlns="http://www.datapower.com/schemas/management"><do-action><DomainQuiesce><name>app01</name><timeout>60</timeout></DomainQuiesce></do-action></request></Body></Envelope>`)
			if err == nil {
				t.Fatal("a whole reply came")
			}
			timeout, _ := err.(net.Error)
			if got := timeout != nil && timeout.Timeout() || strings.Contains(err.Error(), "Timeout"); got != c.hangs {
				t.Errorf("timed out: %t, want %t (%v)", got, c.hangs, err)
			}
			if (resp != nil) != c.headers {
				t.Errorf("headers came: %t, want %t", resp != nil, c.headers)
			}
			state := f.State().Device("gw").Domains[1].QuiesceState
			if (state != "") != c.done {
				t.Errorf("state %q, done %t", state, c.done)
			}
		})
	}
}

func TestFaultsMeetOnlyWhatTheyName(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{AppDomains: 2, Faults: []dpsim.Fault{{Kind: "empty_file", Domain: "app02", Skip: 1, Count: 1}}})
	empty := func(domain string) bool {
		return strings.Contains(g.ask(domain, fmt.Sprintf(exportAll, false)), "<dp:file/>")
	}
	for i, wanted := range []bool{false, true, false} {
		if empty("app01") {
			t.Error("another domain was met")
		}
		if got := empty("app02"); got != wanted {
			t.Errorf("export %d is empty: %t, want %t", i, got, wanted)
		}
	}
	need.Done(t, f.AddFault(dpsim.Fault{Kind: "error_log", Operation: "get-status", Device: "g*"}))
	want(t, g.status("CPUUsage"), "error-log")
	wantNot(t, g.ask("default", `<m:get-config class="Domain"/>`), "error-log")
	need.Done(t, f.ClearFaults(dpsim.Fault{Kind: "error_log"}))
	wantNot(t, g.status("CPUUsage"), "error-log")
	for _, bad := range []dpsim.Fault{{Kind: "nonsense"}, {Kind: "latency", Duration: "soon"}, {Kind: "hang", Device: "other"}} {
		if f.AddFault(bad) == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func TestSlowRepliesTakeWallTime(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]dpsim.Fault{
		"latency": {Kind: "latency", Duration: "200ms", Count: 1},
		"stall":   {Kind: "stall", Duration: "200ms", Count: 1},
		"rate":    {Kind: "slow", Rate: "400KB", Count: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, g := one(t, dpsim.Device{Faults: []dpsim.Fault{fault}})
			begin := time.Now()
			if _, err := unzip(t, g.export("default", true)); err != nil {
				t.Error(err)
			}
			if took := time.Since(begin); took < 180*time.Millisecond {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestCertificateFaults(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{})
	for kind, text := range map[string]string{"expired": "expired", "wrong_host": "127.0.0.1", "untrusted": "unknown authority", "valid": ""} {
		need.Done(t, f.Edit(dpsim.Edit{TLS: kind}))
		g.client.CloseIdleConnections()
		_, err := g.try("default", `<m:get-status class="CPUUsage"/>`)
		if text == "" && err != nil || text != "" && (err == nil || !strings.Contains(err.Error(), text)) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestDeviceGoesDownAndComesBackOnItsPort(t *testing.T) {
	t.Parallel()
	f, g := one(t, dpsim.Device{AppDomains: 1})
	down, up := true, false
	quiesce(g, "app01")
	need.Done(t, f.Edit(dpsim.Edit{Device: "gw", Down: &down}))
	g.client.CloseIdleConnections()
	if _, err := g.try("default", `<m:get-status class="DomainStatus"/>`); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("while down: %v", err)
	}
	need.Done(t, f.Edit(dpsim.Edit{Device: "gw", Down: &up}))
	if got := g.state("app01"); got != "quiescing" {
		t.Errorf("state %q: an outage of the network must change nothing", got)
	}
}

func TestRebootForgetsAndComesBackInTime(t *testing.T) {
	t.Parallel()
	f, g := one(t, sealing(dpsim.Device{Domains: []dpsim.Domain{{Name: "app", SaveNeeded: true}}}))
	secureBackup(g, "sb")
	quiesce(g, "app")
	need.Done(t, f.Edit(dpsim.Edit{Reboot: true, Outage: "90s"}))
	if _, err := g.try("default", `<m:get-status class="DomainStatus"/>`); err == nil {
		t.Error("reachable while it boots")
	}
	f.Clock().Advance(90 * time.Second)
	for !f.State().Device("gw").Up {
		time.Sleep(time.Millisecond)
	}
	s := f.State().Device("gw")
	if d := s.Domains[1]; d.QuiesceState != "" || d.SaveNeeded || len(s.Files) != 0 {
		t.Errorf("after the reboot: %+v, files %+v", d, s.Files)
	}
	want(t, g.status("DateTimeStatus"), "<uptime2>0 days 00:00:00</uptime2>")
}

func TestBusyFaultShowsACommand(t *testing.T) {
	t.Parallel()
	_, g := one(t, dpsim.Device{AppDomains: 1, Faults: []dpsim.Fault{{Kind: "busy", Domain: "app01", Text: "import-execute"}}})
	want(t, g.status("DomainStatus"), "<CurrentCommand>import-execute</CurrentCommand>", "<Domain>default</Domain><SaveNeeded>off</SaveNeeded><TraceEnabled>off</TraceEnabled><DebugEnabled>off</DebugEnabled><ProbeEnabled>off</ProbeEnabled><DiagEnabled>off</DiagEnabled><CurrentCommand/>")
}

func TestFleetLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	spool := t.TempDir()
	f, err := dpsim.Start(ctx, dpsim.Scenario{SpoolDir: spool, Devices: []dpsim.Device{{Name: "a"}, {Name: "b", ExportSize: "1200KB"}}})
	if err != nil {
		t.Fatal(err)
	}
	g := dial(t, f.Device("b"))
	g.export("default", true)
	if left, _ := os.ReadDir(spool); len(left) != 0 {
		t.Errorf("%d named files in the spool", len(left))
	}
	cancel()
	f.Close()
	if _, err := os.Stat(g.device.CAFile); err == nil {
		t.Error("the certificate is still there")
	}
	if _, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", g.device.Port)); err == nil {
		t.Error("the device still listens")
	}
}
