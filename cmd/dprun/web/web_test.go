package web

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/tlspair"
)

// service is a server that is well, or is not.
type service struct {
	Service
	live, ready bool
	reads       *runner.Runner
}

func (s service) Ready() (string, bool, bool) { return "scheduler: ok\n", s.live, s.ready }

func (s service) Reads() *runner.Runner { return s.reads }

// site is a directory with a configuration, and a server that reads it.
type site struct {
	t    *testing.T
	dir  string
	time time.Time
	*server
}

func newSite(t *testing.T, s service, config string) *site {
	t.Helper()
	d := &site{t: t, dir: t.TempDir(), time: time.Now()}
	tlspair.Write(t, d.dir, "dprun.test")
	o := Options{Listen: "127.0.0.1:0", Listened: func(string) {}, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if config != "" {
		o.Config = filepath.Join(d.dir, "serve.hcl")
		d.configure(config)
	}
	d.server = need.Value(open(o, s, func() time.Time { return d.time }))(t)
	t.Cleanup(d.audit.Close)
	return d
}

func (d *site) configure(text string) {
	d.t.Helper()
	need.Done(d.t, os.WriteFile(filepath.Join(d.dir, "serve.hcl"), []byte(text), 0o600))
}

// ask asks at the loopback interface.
func (d *site) ask(method, path, token string) (code int, text string) {
	d.t.Helper()
	w, r := httptest.NewRecorder(), httptest.NewRequest(method, path, nil)
	r.Host, r.RemoteAddr = "localhost", "127.0.0.1:4711"
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	d.handler().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func tokenBlock(name, more string) string {
	return fmt.Sprintf("token %q {\n  sha256 = \"%x\"\n  role   = \"viewer\"\n%s}\n", name, sha256.Sum256([]byte(name)), more)
}

const overTLS = "external_url = \"https://dprun.test\"\ntls {\n  certificate = \"cert.pem\"\n  key         = \"key.pem\"\n}\n"

func TestHealthNeedsNoToken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, path string
		s            service
		code         int
		text         string
	}{
		{"GET", "/healthz", service{live: true}, 200, "ok\n"},
		{"GET", "/healthz", service{}, 503, "the scheduler does not answer\n"},
		{"GET", "/readyz", service{ready: true}, 200, "scheduler: ok\n"},
		{"GET", "/readyz", service{}, 503, "scheduler: ok\n"},
		{"POST", "/readyz", service{}, 404, ""},
		{"GET", "/", service{}, 404, ""},
		{"GET", "/login", service{}, 404, ""},
		{"GET", "/metrics", service{}, 404, ""},
	} {
		code, text := newSite(t, c.s, "").ask(c.method, c.path, "")
		if code != c.code || c.text != "" && text != c.text || c.text == "" && !strings.Contains(text, "only health is answered") {
			t.Errorf("%s %s: %d %q", c.method, c.path, code, text)
		}
	}
	d := newSite(t, service{live: true}, tokenBlock("a", ""))
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 503, "/metrics": 401, "/": 401, "/login": 200} {
		if code, text := d.ask("GET", path, ""); code != want {
			t.Errorf("with a configuration %s: %d %q", path, code, text)
		}
	}
}

func TestMetricsAreForWhoMaySeeAll(t *testing.T) {
	t.Parallel()
	r := need.Value(runner.Open(runner.Options{StateDir: t.TempDir()}))(t)
	t.Cleanup(func() { _ = r.Close() })
	d := newSite(t, service{reads: r}, tokenBlock("all", "")+tokenBlock("some", "plans = [\"*\"]\n")+tokenBlock("few", "labels = { site = \"*\" }\n"))
	if code, text := d.ask("GET", "/metrics", "all"); code != 200 || !strings.Contains(text, "# TYPE dprun_") {
		t.Errorf("%d %s", code, text)
	}
	for token, want := range map[string]int{"some": 403, "few": 403, "none": 401, "": 401} {
		if code, text := d.ask("GET", "/metrics", token); code != want || strings.Contains(text, "dprun_") {
			t.Errorf("%q: %d %s", token, code, text)
		}
	}
}

func TestAConfigurationThatBecomesWrongDoesNotCount(t *testing.T) {
	t.Parallel()
	d := newSite(t, service{ready: true}, tokenBlock("a", "")+"audit_log = \"audit.log\"\n")
	expect := func(a, b int, line string) {
		t.Helper()
		d.reload()
		for token, want := range map[string]int{"a": a, "b": b} {
			if code, text := d.ask("GET", "/there/is/none", token); code != want {
				t.Errorf("%s: %d %s", token, code, text)
			}
		}
		if code, text := d.ask("GET", "/readyz", ""); code != 200 || text != "scheduler: ok\n"+line {
			t.Errorf("readiness: %d %q", code, text)
		}
	}
	const wrong = "configuration: wrong, the one before it counts\n"
	expect(404, 401, "")
	d.configure(tokenBlock("b", ""))
	expect(401, 404, "")
	d.configure(tokenBlock("a", "role = 7\n"))
	expect(401, 404, wrong)
	d.configure(tokenBlock("a", "") + "listen = \"127.0.0.1:1\"\n")
	expect(401, 404, wrong)
	d.configure(tokenBlock("a", "") + "audit_log = \"none/audit.log\"\n")
	expect(401, 404, wrong)
	d.configure(tokenBlock("a", "") + overTLS)
	expect(401, 404, wrong)
	d.configure(tokenBlock("a", ""))
	expect(404, 401, "")
}

func TestACertificateIsReadAnewWhenItsFilesChange(t *testing.T) {
	t.Parallel()
	d := newSite(t, service{ready: true}, overTLS+tokenBlock("a", ""))
	shown := func() string {
		return need.Value(d.certificate.get(nil))(t).Leaf.SerialNumber.String()
	}
	line := func(want string) {
		t.Helper()
		if got := d.lines(); got != want {
			t.Errorf("readiness tells %q, not %q", got, want)
		}
	}
	line("certificate: expires in 23 h\n")
	first := shown()
	tlspair.Write(t, d.dir, "dprun.test")
	if shown() != first {
		t.Error("the files are looked at more often than once a minute")
	}
	d.time = d.time.Add(look)
	second := shown()
	if second == first {
		t.Error("the new certificate is not shown")
	}
	other := filepath.Join(t.TempDir())
	tlspair.Write(t, other, "dprun.test")
	need.Done(t, os.Rename(filepath.Join(other, "key.pem"), filepath.Join(d.dir, "key.pem"))) // the first of a new pair
	d.time = d.time.Add(look)
	if shown() != second {
		t.Error("the certificate before a torn pair is not shown")
	}
	line("certificate: cannot be read, the one before it is shown\n")
	need.Done(t, os.Rename(filepath.Join(other, "cert.pem"), filepath.Join(d.dir, "cert.pem")))
	d.reload() // at once
	if shown() == second {
		t.Error("the new pair is not shown")
	}
	need.Done(t, os.Remove(filepath.Join(d.dir, "key.pem")))
	d.time = d.time.Add(25 * time.Hour)
	shown()
	line("certificate: has expired\n")
}

func TestTheServerListensByTLSAndEndsItsStreams(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(need.Value(os.ReadFile(tlspair.Write(t, dir, "dprun.test")))(t))
	file := filepath.Join(dir, "serve.hcl")
	need.Done(t, os.WriteFile(file, []byte("listen = \"127.0.0.1:0\"\n"+overTLS+tokenBlock("a", "")), 0o600))
	var address string
	reload := make(chan struct{})
	stop := need.Value(Listen(Options{Config: file, Reload: reload, Listened: func(a string) { address = a }, Log: slog.New(slog.DiscardHandler)}, service{live: true}))(t)
	client := func(version uint16) *http.Client {
		return &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10, MaxVersion: version},
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, address)
			}}}
	}
	a := need.Value(client(tls.VersionTLS13).Get("https://dprun.test/healthz"))(t)
	text := need.Value(io.ReadAll(a.Body))(t)
	_ = a.Body.Close()
	if a.ProtoMajor != 2 || string(text) != "ok\n" || a.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("answered: %s %q %v", a.Proto, text, a.Header)
	}
	if a, err := client(tls.VersionTLS11).Get("https://dprun.test/healthz"); err == nil {
		_ = a.Body.Close()
		t.Error("TLS 1.1 is spoken")
	}
	need.Done(t, os.WriteFile(file, []byte("listen = \"127.0.0.1:0\"\n"+overTLS+tokenBlock("b", "")), 0o600))
	reload <- struct{}{}
	reload <- struct{}{} // the first has been done
	r := need.Value(http.NewRequest("GET", "https://dprun.test/there/is/none", nil))(t)
	r.Header.Set("Authorization", "Bearer a")
	a = need.Value(client(tls.VersionTLS12).Do(r))(t)
	_ = a.Body.Close()
	if a.StatusCode != 401 {
		t.Errorf("a token that was taken back: %s", a.Status)
	}
	stop()
	if c, err := net.Dial("tcp", address); err == nil {
		_ = c.Close()
		t.Error("it listens after it was stopped")
	}
}

func TestOneAddressDoesNotTakeAllConnections(t *testing.T) {
	t.Parallel()
	l := limited(need.Value(net.Listen("tcp", "127.0.0.1:0"))(t), false).(*limitedListener)
	defer l.Close()
	for range maxConnectionsOne {
		if !l.count("192.0.2.1") {
			t.Fatal("too few")
		}
	}
	if l.count("192.0.2.1") || !l.count("192.0.2.2") {
		t.Error("one address is not limited, or another is")
	}
	l.leave("192.0.2.1")
	if !l.count("192.0.2.1") {
		t.Error("what was closed counts")
	}
	for i := 0; l.all < maxConnections; i++ {
		l.count(fmt.Sprint(i))
	}
	if l.count("192.0.2.3") {
		t.Error("all together are not limited")
	}
	for range l.by["1"] {
		l.leave("1")
	}
	c := need.Value(net.Dial("tcp", l.Addr().String()))(t)
	defer c.Close()
	s := need.Value(l.Accept())(t)
	if l.by["127.0.0.1"] != 1 {
		t.Error("a connection is not counted")
	}
	_, _ = s.Close(), s.Close()
	if l.by["127.0.0.1"] != 0 || l.all != maxConnections-1 {
		t.Errorf("after it was closed twice: %d of %d", l.by["127.0.0.1"], l.all)
	}
}
