package mail_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	mailplugin "github.com/dprun/dprun/plugins/mail"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/sdk/script"
	"github.com/dprun/dprun/testfixtures/daemon"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/smtptalk"
	"github.com/dprun/dprun/testfixtures/tlspair"
)

// eximConfig is a relay that takes mail by STARTTLS and after a login alone, and
// knows nobody called gone.
const eximConfig = `
spool_directory = %[1]s/spool
log_file_path = %[1]s/log-%%s
pid_file_path = %[1]s/pid
exim_user = %[3]d
exim_group = %[4]d
never_users =
primary_hostname = relay.example.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = %[2]d
host_lookup =
tls_advertise_hosts = *
tls_certificate = %[1]s/cert.pem
tls_privatekey = %[1]s/key.pem
acl_smtp_rcpt = rcpt
begin acl
rcpt:
  deny !encrypted = *
  deny !authenticated = *
  deny recipients = gone@example.test
       message = no such user here
  accept
begin routers
all:
  driver = accept
  transport = mailbox
begin transports
mailbox:
  driver = appendfile
  file = %[1]s/mail/box
  envelope_to_add
  user = %[5]s
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_advertise_condition = ${if def:tls_in_cipher}
  server_condition = ${if and{{eq{$auth2}{dprun}}{eq{$auth3}{a-secret-password}}}}
  server_set_id = $auth2
`

// relay is Debian's exim4 on the loopback interface.
type relay struct {
	dir, ca string
	port    int
}

func startRelay(t *testing.T) relay {
	t.Helper()
	dir := t.TempDir()
	r := relay{dir: dir, port: freePort(t)}
	r.ca = tlspair.Write(t, dir, "relay.example.test")
	config := filepath.Join(dir, "exim.conf")
	as := fmt.Sprint(os.Getuid())
	if as == "0" { // whom it delivers nothing as
		as = "nobody"
		need.Done(t, os.Chmod(filepath.Dir(dir), 0o755))
	}
	need.Done(t, os.Mkdir(filepath.Join(dir, "mail"), 0o700))
	need.Done(t, os.Chmod(filepath.Join(dir, "mail"), 0o777))
	need.Done(t, os.WriteFile(config, fmt.Appendf(nil, eximConfig, dir, r.port, os.Getuid(), os.Getgid(), as), 0o600))
	d := need.Value(daemon.Start(t.Context(), daemon.Spec{Name: "exim4", Argv: []string{"/usr/sbin/exim4", "-C", config, "-bdf"},
		Addr: fmt.Sprintf("127.0.0.1:%d", r.port), Log: filepath.Join(dir, "output")}))(t)
	t.Cleanup(func() { _ = d.Kill() })
	return r
}

func freePort(t *testing.T) int {
	t.Helper()
	l := need.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// got waits for that many delivered copies, and reads them.
func (r relay) got(t *testing.T, copies int) []*mail.Message {
	t.Helper()
	var text []byte
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		text, _ = os.ReadFile(filepath.Join(r.dir, "mail", "box"))
		if strings.Count(string(text), "Envelope-to: ") >= copies && strings.HasSuffix(string(text), "\n\n") {
			break
		}
	}
	var out []*mail.Message
	for _, part := range strings.Split("\n"+string(text), "\nFrom ")[1:] {
		_, part, _ = strings.Cut(part, "\n")
		out = append(out, need.Value(mail.ReadMessage(strings.NewReader(part)))(t))
	}
	if len(out) != copies {
		log, _ := os.ReadFile(filepath.Join(r.dir, "log-main"))
		t.Fatalf("%d copies were delivered, want %d; the server's log:\n%s", len(out), copies, log)
	}
	return out
}

func (r relay) config(more map[string]cty.Value) map[string]cty.Value {
	c := map[string]cty.Value{
		"host": cty.StringVal("127.0.0.1"), "port": cty.NumberIntVal(int64(r.port)), "ca_file": cty.StringVal(r.ca), "server_name": cty.StringVal("relay.example.test"),
		"username": cty.StringVal("dprun"), "password": cty.StringVal("a-secret-password"),
		"from": cty.StringVal("Backups <dprun@example.test>"), "to": addresses("team@example.test"),
	}
	for k, v := range more {
		c[k] = v
	}
	return c
}

func addresses(all ...string) cty.Value {
	var out []cty.Value
	for _, a := range all {
		out = append(out, cty.StringVal(a))
	}
	return cty.ListVal(out)
}

func open(t *testing.T, set map[string]cty.Value) sdk.Hook {
	t.Helper()
	p, stop, err := conformance.Serve(mailplugin.Plugin())
	need.Done(t, err)
	t.Cleanup(stop)
	s := need.Value(p.Describe(t.Context()))(t)
	v := need.Value(s.Hooks[0].Config.ApplyDefaults(cty.ObjectVal(set)))(t)
	return need.Value(p.ConfigureHook(t.Context(), "mail", v))(t)
}

// night is what a hook is told of a run that went half well.
func night() script.Context {
	at := time.Date(2026, 11, 28, 2, 30, 0, 0, time.UTC)
	three := 3
	return script.Context{
		Version: 1, Hook: "notify", Run: "01M84B", Plan: "nightly", Status: "PLAN_PARTLY_FAILED", Message: "1 of 2 tasks succeeded, 1 failed",
		Tasks: []script.Task{
			{Task: "d/gw-2/zahlung", Activity: "d", Device: "gw-2", Domain: "zahlung", Status: "UNQUIESCE_TIMEOUT_OCCURRED", Message: "gw-2 did not come back\r\nBcc: intruder@example.test"},
			{Task: "d/gw-1/orders", Activity: "d", Device: "gw-1", Domain: "orders", Status: "SUCCESS"},
		},
		Notice: &script.Notice{
			Event: script.Partial, ID: "01M84B-partial", Time: at, Host: "bärenhöhle", Started: at, Ended: at.Add(90 * time.Second), ExitCode: &three,
			Counts: &script.Counts{Succeeded: 1, Failed: 1}, Evidence: "12:9f86",
			Causes: []script.Cause{{Status: "UNQUIESCE_TIMEOUT_OCCURRED", Class: "critical", Means: "It is not back.", Do: "Bring it back.", Count: 1}},
			Owed:   []script.Owed{{Run: "01M84B", Kind: "unquiesce", Device: "gw-2", Domain: "zahlung", Since: at, DeviceCommands: []string{"domain-unquiesce zahlung"}, Commands: []string{"dprun recover"}}},
		},
	}
}

func request(t *testing.T, c script.Context) sdk.RunRequest {
	t.Helper()
	return sdk.RunRequest{Context: need.Value(json.Marshal(c))(t)}
}

func TestAMailArrivesAtARealServer(t *testing.T) {
	t.Parallel()
	r := startRelay(t)
	rep, err := open(t, r.config(nil)).Run(t.Context(), request(t, night()), nil)
	if err != nil || !strings.Contains(rep.Tail, "took the mail for team@example.test") {
		t.Fatalf("got %+v, %v", rep, err)
	}
	m := r.got(t, 1)[0]
	for name, want := range map[string]string{
		"Subject":        "[dprun] PARTIAL nightly: 1 of 2 tasks succeeded, PLAN_PARTLY_FAILED, exit code 3",
		"Message-Id":     "<01M84B-partial@example.test>",
		"Auto-Submitted": "auto-generated",
		"From":           `"Backups" <dprun@example.test>`,
		"To":             "<team@example.test>",
		"X-Dprun-Event":  "partial",
		"Bcc":            "",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if _, err := m.Header.Date(); err != nil {
		t.Errorf("Date: %v", err)
	}
	text := string(need.Value(io.ReadAll(quotedprintable.NewReader(m.Body)))(t))
	for _, want := range []string{
		"Run 01M84B of plan nightly on bärenhöhle.", "Exit code 3.", "\nIt ran from 2026-11-2",
		"  gw-2 / zahlung: unquiesce, since ", "    on the gateway:  domain-unquiesce zahlung", "    on dprun's host: dprun recover",
		"  UNQUIESCE_TIMEOUT_OCCURRED (1 task)", "    do:    Bring it back.", "    gw-2 / zahlung: gw-2 did not come back Bcc: intruder@example.test",
		"dprun evidence verify --expect 12:9f86 finds out",
		"  gw-1    orders   d         SUCCESS",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
}

// go-mail's own Send gives up when one recipient is refused, and sends to nobody.
func TestARefusedRecipientKeepsNobodyElseFromTheMail(t *testing.T) {
	t.Parallel()
	r := startRelay(t)
	_, err := open(t, r.config(map[string]cty.Value{"to": addresses("team@example.test", "gone@example.test", "boss@example.test")})).Run(t.Context(), request(t, night()), nil)
	if f := failure.From(err); f == nil || f.Kind != failure.Precondition || !strings.Contains(f.Message, "not to 1 of 3 recipients: gone@example.test: ") || !strings.Contains(f.Message, "no such user here") {
		t.Errorf("got %v", err)
	}
	var to []string
	for _, m := range r.got(t, 2) {
		to = append(to, m.Header.Get("Envelope-To"))
	}
	if got := strings.Join(to, " "); got != "team@example.test boss@example.test" && got != "boss@example.test team@example.test" {
		t.Errorf("delivered to %s", got)
	}
}

func TestWhatARealServerRefusesIsToldWithoutThePassword(t *testing.T) {
	t.Parallel()
	r := startRelay(t)
	other := tlspair.Write(t, t.TempDir(), "relay.example.test")
	for name, tt := range map[string]struct {
		more map[string]cty.Value
		kind failure.Kind
		says string
	}{
		"wrong password":  {map[string]cty.Value{"password": cty.StringVal("another-password")}, failure.Denied, "correct username and password"},
		"no login":        {map[string]cty.Value{"username": cty.NullVal(cty.String)}, failure.Precondition, "correct the addresses"},
		"other authority": {map[string]cty.Value{"ca_file": cty.StringVal(other)}, failure.Precondition, "set ca_file"},
		"other name":      {map[string]cty.Value{"server_name": cty.StringVal("mail.example.test")}, failure.Precondition, "server_name"},
		"not encrypted":   {map[string]cty.Value{"tls": cty.StringVal("none"), "username": cty.NullVal(cty.String)}, failure.Precondition, "correct the addresses"},
		"nobody known":    {map[string]cty.Value{"to": addresses("gone@example.test")}, failure.Precondition, "no such user here"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := open(t, r.config(tt.more)).Run(t.Context(), request(t, night()), nil)
			f := failure.From(err)
			if f == nil || f.Kind != tt.kind || !strings.Contains(f.Error(), tt.says) || strings.Contains(f.Error(), "password\"") || strings.Contains(f.Error(), "-password") {
				t.Errorf("got %v, want %s with %q", err, tt.kind, tt.says)
			}
		})
	}
}

func plain(port int) map[string]cty.Value {
	return map[string]cty.Value{"host": cty.StringVal("127.0.0.1"), "port": cty.NumberIntVal(int64(port)), "tls": cty.StringVal("none"),
		"from": cty.StringVal("dprun@example.test"), "to": addresses("team@example.test")}
}

func TestAServerThatIsBusyIsAskedAgain(t *testing.T) {
	t.Parallel()
	port := smtptalk.Start(t, map[string][]string{"MAIL": {"451 later", "250 fine"}})
	if rep, err := open(t, plain(port)).Run(t.Context(), request(t, night()), nil); err != nil || !strings.Contains(rep.Tail, "took the mail") {
		t.Errorf("got %+v, %v", rep, err)
	}
}

// A mail whose end the server has not confirmed may have been taken: it is not sent twice.
func TestAMailThatMayHaveBeenTakenIsNotSentAgain(t *testing.T) {
	t.Parallel()
	port := smtptalk.Start(t, map[string][]string{".": {"cut"}})
	_, err := open(t, plain(port)).Run(t.Context(), request(t, night()), nil)
	if f := failure.From(err); f == nil || f.Kind != failure.Precondition || !strings.Contains(f.Error(), "it is not known whether the server has accepted it") {
		t.Errorf("got %v", err)
	}
}

func TestNothingIsSentWithoutSTARTTLS(t *testing.T) {
	t.Parallel()
	set := plain(smtptalk.Start(t, nil))
	delete(set, "tls")
	_, err := open(t, set).Run(t.Context(), request(t, night()), nil)
	if f := failure.From(err); f == nil || f.Kind != failure.Precondition || !strings.Contains(f.Error(), "does not offer STARTTLS") {
		t.Errorf("got %v", err)
	}
}

// The library bounds the connecting alone: a server that says nothing would keep it.
func TestAServerThatSaysNothingIsLeftWhenTheTimeIsUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begun := time.Now()
	_, err := open(t, plain(smtptalk.Silent(t))).Run(ctx, request(t, night()), nil)
	if f := failure.From(err); f == nil || f.Kind != failure.Timeout || time.Since(begun) > time.Minute {
		t.Errorf("got %v after %s", err, time.Since(begun))
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	good, hangs := plain(smtptalk.Start(t, nil)), plain(smtptalk.Silent(t))
	for _, c := range conformance.Cases(conformance.Subject{
		Start: conformance.InProcess(mailplugin.Plugin()), Kind: schema.KindHook, Type: "mail", Config: cty.ObjectVal(good), Hangs: cty.ObjectVal(hangs),
	}) {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			c.Run(t.Context(), t)
		})
	}
}

func TestWrongConfigurationsAreFound(t *testing.T) {
	t.Parallel()
	p, stop, err := conformance.Serve(mailplugin.Plugin())
	need.Done(t, err)
	t.Cleanup(stop)
	s := need.Value(p.Describe(t.Context()))(t)
	for summary, more := range map[string]map[string]cty.Value{
		"Not an address":        {"to": addresses("team@example.test", "team")},
		"Nobody gets it":        {"to": cty.ListValEmpty(cty.String)},
		"Password in the clear": {"username": cty.StringVal("dprun")},
		"":                      {"from": cty.StringVal("The team <team@example.test>")},
	} {
		set := plain(25)
		for k, v := range more {
			set[k] = v
		}
		v := need.Value(s.Hooks[0].Config.ApplyDefaults(cty.ObjectVal(set)))(t)
		ds, err := p.ValidateConfig(t.Context(), schema.KindHook, "mail", "", v)
		if err != nil || (summary == "") != (len(ds) == 0) || summary != "" && ds[0].Summary != summary {
			t.Errorf("want %q, got %v, %v", summary, ds, errors.Join(err))
		}
	}
}
