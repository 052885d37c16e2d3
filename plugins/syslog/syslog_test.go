package syslog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plugins/syslog"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/sdk/script"
	"github.com/dprun/dprun/testfixtures/daemon"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/tlspair"
)

const rsyslogConfig = `
global(workDirectory="%[1]s" defaultNetstreamDriverCAFile="%[1]s/cert.pem" defaultNetstreamDriverCertFile="%[1]s/cert.pem" defaultNetstreamDriverKeyFile="%[1]s/key.pem")
module(load="imtcp")
module(load="imudp")
module(load="imuxsock" SysSock.Use="off")
template(name="seen" type="list") { property(name="jsonmesg") constant(value="\n") }
ruleset(name="keep") { action(type="omfile" file="%[1]s/seen" template="seen") }
input(type="imtcp" address="127.0.0.1" port="%[2]d" ruleset="keep")
input(type="imtcp" address="127.0.0.1" port="%[3]d" ruleset="keep" StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
input(type="imudp" address="127.0.0.1" port="%[4]d" ruleset="keep")
input(type="imuxsock" Socket="%[1]s/log" UseSpecialParser="off" ruleset="keep")
`

// server is Debian's rsyslogd, on the loopback interface and on a socket in its directory.
type server struct {
	dir, ca       string
	tcp, tls, udp int
}

// seen is a line as the server understood it.
type seen struct {
	Msg        string `json:"msg"`
	Host       string `json:"hostname"`
	Severity   string `json:"syslogseverity"`
	Facility   string `json:"syslogfacility"`
	App        string `json:"app-name"`
	Structured string `json:"structured-data"`
	MsgID      string `json:"msgid"`
	Raw        string `json:"rawmsg"`
}

func start(t *testing.T) server {
	t.Helper()
	s := server{dir: t.TempDir(), tcp: freePort(t), tls: freePort(t), udp: freePort(t)}
	s.ca = tlspair.Write(t, s.dir, "logs.example.test")
	config := filepath.Join(s.dir, "rsyslog.conf")
	need.Done(t, os.WriteFile(config, fmt.Appendf(nil, rsyslogConfig, s.dir, s.tcp, s.tls, s.udp), 0o600))
	d := need.Value(daemon.Start(t.Context(), daemon.Spec{Name: "rsyslogd", Argv: []string{"/usr/sbin/rsyslogd", "-n", "-C", "-f", config, "-i", filepath.Join(s.dir, "pid")},
		Addr: fmt.Sprintf("127.0.0.1:%d", s.tls), Log: filepath.Join(s.dir, "output")}))(t)
	t.Cleanup(func() { _ = d.Kill() })
	return s
}

func freePort(t *testing.T) int {
	t.Helper()
	l := need.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// got waits for a line that holds a text, and reads all of that kind.
func (s server) got(t *testing.T, text string, count int) (out []seen) {
	t.Helper()
	var all []byte
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		out = nil
		all, _ = os.ReadFile(filepath.Join(s.dir, "seen"))
		for line := range strings.Lines(string(all)) {
			var one seen
			if strings.HasSuffix(line, "\n") && strings.Contains(line, text) {
				need.Done(t, json.Unmarshal([]byte(line), &one))
				out = append(out, one)
			}
		}
		if len(out) >= count {
			return out
		}
	}
	log, _ := os.ReadFile(filepath.Join(s.dir, "output"))
	t.Fatalf("%d lines with %q, want %d; the server has\n%s\n%s", len(out), text, count, all, log)
	return nil
}

func open(t *testing.T, set map[string]cty.Value) sdk.Hook {
	t.Helper()
	p, stop, err := conformance.Serve(syslog.Plugin())
	need.Done(t, err)
	t.Cleanup(stop)
	s := need.Value(p.Describe(t.Context()))(t)
	v := need.Value(s.Hooks[0].Config.ApplyDefaults(cty.ObjectVal(set)))(t)
	return need.Value(p.ConfigureHook(t.Context(), "syslog", v))(t)
}

func (s server) config(transport string) map[string]cty.Value {
	set := map[string]cty.Value{"transport": cty.StringVal(transport), "hostname": cty.StringVal("backup-1")}
	switch transport {
	case "unix":
		set["socket"] = cty.StringVal(filepath.Join(s.dir, "log"))
		return set
	case "tls":
		set["ca_file"], set["server_name"] = cty.StringVal(s.ca), cty.StringVal("logs.example.test")
	}
	set["host"], set["port"] = cty.StringVal("127.0.0.1"), cty.NumberIntVal(int64(map[string]int{"tcp": s.tcp, "tls": s.tls, "udp": s.udp}[transport]))
	return set
}

func told(event script.Event, run string, tasks ...script.Task) sdk.RunRequest {
	three := 3
	body, err := json.Marshal(script.Context{Version: 1, Hook: "notify", Run: run, Plan: "nightly", Status: "PLAN_PARTLY_FAILED", Message: "1 of 2 tasks \"succeeded\"]\nnext line ü", Tasks: tasks,
		Notice: &script.Notice{Event: event, ID: run + "-1", ExitCode: &three, Counts: &script.Counts{Succeeded: 1, Failed: 1}}})
	if err != nil {
		panic(err)
	}
	return sdk.RunRequest{Context: body}
}

func TestARealServerUnderstandsEveryTransport(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, transport := range []string{"tls", "tcp", "udp", "unix"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			run := "01M84B" + transport
			if _, err := open(t, s.config(transport)).Run(t.Context(), told(script.Partial, run), nil); err != nil {
				t.Fatal(err)
			}
			got := s.got(t, run, 1)[0]
			if got.Severity != "4" || got.Facility != "3" || got.App != "dprun" || got.Host != "backup-1" || got.MsgID != "partial" {
				t.Errorf("got %+v", got)
			}
			if want := `PARTIAL nightly: 1 of 2 tasks succeeded, PLAN_PARTLY_FAILED, exit code 3: 1 of 2 tasks "succeeded"] next line ?`; strings.TrimSpace(got.Msg) != want {
				t.Errorf("the text is %q, want %q", got.Msg, want)
			}
			if want := `[dprun@32473 run="` + run + `" plan="nightly" hook="notify" status="PLAN_PARTLY_FAILED" event="partial" id="` + run + `-1" exit_code="3" succeeded="1" failed="1" skipped="0"]`; got.Structured != want {
				t.Errorf("the structured data is %s, want %s", got.Structured, want)
			}
		})
	}
	t.Run("critical", func(t *testing.T) {
		t.Parallel()
		_, err := open(t, s.config("tcp")).Run(t.Context(), told(script.Critical, "01M84C",
			script.Task{Device: "gw-1", Domain: "orders", Status: "EXECUTION_UNQUIESCE_TIMEOUT_OCCURRED", Message: "not back"},
			script.Task{Device: "gw-2", Status: "FAILED_LONG_RUNNING", Message: strings.Repeat("long ", 1000)}), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := s.got(t, "01M84C", 2)
		for i, text := range []string{"CRITICAL nightly: gw-1/orders EXECUTION_UNQUIESCE_TIMEOUT_OCCURRED: not back", "CRITICAL nightly: gw-2 FAILED_LONG_RUNNING: long long "} {
			if got[i].Severity != "2" || !strings.HasPrefix(strings.TrimSpace(got[i].Msg), text) || len(got[i].Raw) > 2048 {
				t.Errorf("line %d of %d bytes: %+v", i, len(got[i].Raw), got[i])
			}
		}
		if !strings.Contains(got[0].Structured, `device="gw-1" domain="orders"`) {
			t.Errorf("the structured data is %s", got[0].Structured)
		}
	})
	t.Run("another authority", func(t *testing.T) {
		t.Parallel()
		set := s.config("tls")
		set["ca_file"] = cty.StringVal(tlspair.Write(t, t.TempDir(), "logs.example.test"))
		_, err := open(t, set).Run(t.Context(), told(script.Failed, "01M84D"), nil)
		if f := failure.From(err); f == nil || f.Kind != failure.Precondition || !strings.Contains(f.Error(), "set ca_file") {
			t.Errorf("got %v", err)
		}
	})
}

// What a field holds must not end it: a message could claim to be another one.
func TestWhatAGatewaySaysStaysInItsField(t *testing.T) {
	t.Parallel()
	l := need.Value(net.ListenPacket("udp", "127.0.0.1:0"))(t)
	defer func() { _ = l.Close() }()
	set := map[string]cty.Value{"transport": cty.StringVal("udp"), "host": cty.StringVal("127.0.0.1"), "port": cty.NumberIntVal(int64(l.LocalAddr().(*net.UDPAddr).Port)), "hostname": cty.StringVal("h")}
	body := need.Value(json.Marshal(script.Context{Hook: "post", Run: `r"] x`, Plan: "p\n<0>1", Status: `a\b`}))(t)
	need.Value(open(t, set).Run(t.Context(), sdk.RunRequest{Context: body}, nil))(t)
	buf := make([]byte, 4096)
	need.Done(t, l.SetReadDeadline(time.Now().Add(time.Minute)))
	n, _, err := l.ReadFrom(buf)
	need.Done(t, err)
	want := `^<29>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z h dprun \d+ post \[dprun@32473 run="r\\"\\] x" plan="p <0>1" hook="post" status="a\\\\b"\] p <0>1 post a\\b$`
	if !regexp.MustCompile(want).Match(buf[:n]) {
		t.Errorf("got %s\nwant %s", buf[:n], want)
	}
}

func TestAServerThatIsAwayIsSaid(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]map[string]cty.Value{
		"unix": {"transport": cty.StringVal("unix"), "socket": cty.StringVal(filepath.Join(t.TempDir(), "none"))},
	} {
		_, err := open(t, set).Run(t.Context(), told(script.Failed, "R"), nil)
		if f := failure.From(err); f == nil || f.Kind != failure.NotFound || !strings.Contains(f.Error(), "correct socket") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	l := need.Value(net.ListenPacket("udp", "127.0.0.1:0"))(t)
	t.Cleanup(func() { _ = l.Close() })
	good := map[string]cty.Value{"transport": cty.StringVal("udp"), "host": cty.StringVal("127.0.0.1"), "port": cty.NumberIntVal(int64(l.LocalAddr().(*net.UDPAddr).Port))}
	// The kernel takes the connection, and nobody answers the handshake.
	silent := need.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	t.Cleanup(func() { _ = silent.Close() })
	hangs := map[string]cty.Value{"host": cty.StringVal("127.0.0.1"), "port": cty.NumberIntVal(int64(silent.Addr().(*net.TCPAddr).Port))}
	for _, c := range conformance.Cases(conformance.Subject{
		Start: conformance.InProcess(syslog.Plugin()), Kind: schema.KindHook, Type: "syslog", Config: cty.ObjectVal(good), Hangs: cty.ObjectVal(hangs),
	}) {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			c.Run(t.Context(), t)
		})
	}
}

func TestWrongConfigurationsAreFound(t *testing.T) {
	t.Parallel()
	p, stop, err := conformance.Serve(syslog.Plugin())
	need.Done(t, err)
	t.Cleanup(stop)
	s := need.Value(p.Describe(t.Context()))(t)
	text := cty.StringVal
	for _, tt := range []struct {
		summary string
		set     map[string]cty.Value
	}{
		{"", map[string]cty.Value{"host": text("h")}},
		{"", map[string]cty.Value{"transport": text("unix"), "socket": text("/run/log")}},
		{"No server", map[string]cty.Value{"transport": text("unix")}},
		{"No server", map[string]cty.Value{}},
		{"Not of this transport", map[string]cty.Value{"transport": text("unix"), "host": text("h"), "socket": text("/run/log")}},
		{"Not of this transport", map[string]cty.Value{"host": text("h"), "socket": text("/run/log")}},
		{"Not a name of syslog", map[string]cty.Value{"host": text("h"), "app_name": text("my dprun")}},
		{"Not a name of syslog", map[string]cty.Value{"host": text("h"), "structured_data_id": text("a]b")}},
	} {
		v := need.Value(s.Hooks[0].Config.ApplyDefaults(cty.ObjectVal(tt.set)))(t)
		ds, err := p.ValidateConfig(context.Background(), schema.KindHook, "syslog", "", v)
		need.Done(t, err)
		if (tt.summary == "") != (len(ds) == 0) || tt.summary != "" && ds[0].Summary != tt.summary {
			t.Errorf("%v: want %q, got %v", tt.set, tt.summary, ds)
		}
	}
}
