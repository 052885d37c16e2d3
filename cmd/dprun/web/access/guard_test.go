package access

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/need"
)

// The tokens of the tests, and their hashes.
const (
	nightToken = "correct horse" // operator of prod-*
	metrics    = "battery staple"
)

func hash(token string) string { return fmt.Sprintf("%x", tokenIdentity(token).sum) }

func plainFile() string {
	return `
external_url = "http://localhost:8420"
token "night" {
  sha256 = "` + hash(nightToken) + `"
  role   = "operator"
  plans  = ["prod-*"]
}
token "metrics" {
  sha256  = "` + hash(metrics) + `"
  role    = "viewer"
  expires = "2027-03-01"
}
`
}

// desk is a guard with a clock, and what it has let pass.
type desk struct {
	t     *testing.T
	guard *Guard
	dir   string
	audit string
	h     http.Handler

	mu   sync.Mutex
	time time.Time
	seen []Principal
	then func(w http.ResponseWriter, r *http.Request)
}

func configure(t *testing.T, dir, text string) *Config {
	t.Helper()
	file := filepath.Join(dir, "serve.hcl")
	need.Done(t, os.WriteFile(file, []byte(text), 0o600))
	return need.Value(ReadConfig(file))(t)
}

func newDesk(t *testing.T, text string) *desk {
	t.Helper()
	d := &desk{t: t, dir: t.TempDir(), time: time.Date(2027, 2, 1, 1, 0, 0, 0, time.UTC)}
	d.audit = filepath.Join(d.dir, "audit.log")
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	audit := need.Value(OpenAudit(d.audit, log))(t)
	t.Cleanup(audit.Close)
	d.guard = New(configure(t, d.dir, text), audit, d.now, log)
	d.h = d.guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, is := From(r.Context())
		if !is {
			t.Errorf("%s came without a principal", r.URL)
		}
		d.mu.Lock()
		d.seen = append(d.seen, p)
		then := d.then
		d.mu.Unlock()
		if then != nil {
			then(w, r)
		}
	}), map[string]http.Handler{"GET /healthz": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })})
	return d
}

func (d *desk) now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.time
}

func (d *desk) pass(t time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.time = d.time.Add(t)
}

// at sets the clock.
func (d *desk) at(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.time = t
}

// asked is a request from 192.0.2.7 to localhost by the loopback interface,
// unless what it is made with says otherwise.
func asked(method, path string, with ...func(*http.Request)) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	r.Host, r.RemoteAddr = "localhost:8420", "192.0.2.7:4711"
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8420})))
	for _, w := range with {
		w(r)
	}
	return r
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Add(name, value) }
}
func token(t string) func(*http.Request) { return header("Authorization", "Bearer "+t) }
func from(address string) func(*http.Request) {
	return func(r *http.Request) { r.RemoteAddr = address }
}
func host(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
func form(pairs ...string) func(*http.Request) {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return func(r *http.Request) {
		r.Body = io.NopCloser(strings.NewReader(v.Encode()))
		r.ContentLength = int64(len(v.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
}
func with(c *http.Cookie) func(*http.Request) { return func(r *http.Request) { r.AddCookie(c) } }

func (d *desk) ask(method, path string, with ...func(*http.Request)) *http.Response {
	d.t.Helper()
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, asked(method, path, with...))
	return w.Result()
}

// expect asks, and wants a status.
func (d *desk) expect(code int, method, path string, with ...func(*http.Request)) *http.Response {
	d.t.Helper()
	a := d.ask(method, path, with...)
	if a.StatusCode != code {
		b, _ := io.ReadAll(a.Body)
		d.t.Errorf("%s %s: %s, not %d: %s", method, path, a.Status, code, b)
	}
	return a
}

// login logs in with a token and gives the session's cookie.
func (d *desk) login(t string, with ...func(*http.Request)) *http.Cookie {
	d.t.Helper()
	a := d.expect(303, "POST", "/login", append(with, form("token", t))...)
	for _, c := range a.Cookies() {
		if c.Name == d.guard.config.Load().cookie("") {
			return c
		}
	}
	d.t.Fatal("the login sets no cookie")
	return nil
}

// last is who came through last.
func (d *desk) last() Principal {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.seen) == 0 {
		d.t.Fatal("nobody came through")
	}
	return d.seen[len(d.seen)-1]
}

func (d *desk) came() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.seen)
}

// entries are the lines of the audit log.
func (d *desk) entries() (out []Entry) {
	d.t.Helper()
	for line := range strings.Lines(string(need.Value(os.ReadFile(d.audit))(d.t))) {
		var e Entry
		need.Done(d.t, json.Unmarshal([]byte(line), &e))
		out = append(out, e)
	}
	return out
}

func TestNobodyPassesWithoutSayingWhoHeIs(t *testing.T) {
	t.Parallel()
	d := newDesk(t, plainFile())
	for _, w := range []func(*http.Request){
		func(*http.Request) {},
		token(""), token("wrong"), token(hash(nightToken)), token(nightToken + "x"),
		header("Authorization", "Basic "+nightToken), header("Authorization", nightToken),
		header("Cookie", "dprun=guessed"), header("Cookie", "dprun="), header("Cookie", "__Host-dprun=guessed"),
	} {
		for _, path := range []string{"/", "/api/v1/runs", "/metrics", "/login/other", "/healthz/x"} {
			a := d.expect(401, "GET", path, w)
			if !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s: no challenge", path)
			}
			d.guard.wrong = newBuckets()
		}
		d.expect(401, "POST", "/api/v1/runs", w)
		d.guard.wrong = newBuckets()
	}
	if d.came() != 0 {
		t.Errorf("%d came through", d.came())
	}
	d.expect(200, "GET", "/healthz")
	d.expect(200, "GET", "/api/v1/runs", token(nightToken))
	if p := d.last(); p.Name != "token night" || p.Role != Operator || !p.MaySeePlan("prod-1") || p.MaySeePlan("test") {
		t.Errorf("who came through is %+v", p)
	}
	a := d.expect(303, "GET", "/runs?plan=a&b", header("Accept", "text/html,*/*"))
	if to := a.Header.Get("Location"); to != "/login?next=%2Fruns%3Fplan%3Da%26b" {
		t.Errorf("a browser is sent to %s", to)
	}
	a = d.expect(401, "GET", "/api/v1/runs", token("wrong"))
	var problem struct {
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Exit   int    `json:"exit_code"`
	}
	need.Done(t, json.NewDecoder(a.Body).Decode(&problem))
	if a.Header.Get("Content-Type") != "application/problem+json" || problem.Status != 401 || problem.Exit != 64 || problem.Detail == "" {
		t.Errorf("a program is answered %+v in %s", problem, a.Header.Get("Content-Type"))
	}
}

func TestATokenEndsWithItsDay(t *testing.T) {
	t.Parallel()
	d := newDesk(t, plainFile())
	d.at(time.Date(2027, 3, 1, 23, 59, 59, 0, time.UTC))
	d.expect(200, "GET", "/metrics", token(metrics))
	c := d.login(metrics)
	d.expect(200, "GET", "/metrics", with(c))
	d.pass(time.Second)
	d.expect(401, "GET", "/metrics", token(metrics))
	d.expect(401, "GET", "/metrics", with(c))
	d.expect(401, "POST", "/login", form("token", metrics))
}

func TestOnlyKnownNamesAreAnswered(t *testing.T) {
	t.Parallel()
	d := newDesk(t, `hosts = ["backup.bank.example", "10.1.2.3"]`+plainFile())
	for name, known := range map[string]bool{
		"localhost": true, "LOCALHOST:1": true, "127.0.0.1:8420": true, "[::1]:8420": true, "Backup.bank.example.": true, "10.1.2.3:8420": true,
		"evil.example": false, "": false, "localhost.evil.example": false, "10.1.2.4": false, "backup.bank.example.evil.example": false, "192.0.2.1": false,
	} {
		code := map[bool]int{true: 200, false: 421}[known]
		d.expect(code, "GET", "/healthz", host(name))
		d.expect(code, "GET", "/runs", host(name), token(nightToken))
	}
	elsewhere := func(r *http.Request) {
		*r = *r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 8420})))
	}
	d.expect(421, "GET", "/healthz", elsewhere, host("127.0.0.1"))
	d.expect(200, "GET", "/healthz", elsewhere, host("10.1.2.3"))
}

func TestFormsOfOtherSitesAreNotDone(t *testing.T) {
	t.Parallel()
	d := newDesk(t, plainFile())
	cookie := d.login(nightToken)
	for _, w := range [][]func(*http.Request){
		{header("Sec-Fetch-Site", "cross-site")}, {header("Sec-Fetch-Site", "same-site")}, {header("Origin", "https://evil.example")}, {header("Origin", "null")},
	} {
		d.expect(403, "POST", "/recover", append(w, with(cookie))...)
		d.expect(403, "POST", "/logout", append(w, with(cookie))...)
		d.expect(403, "POST", "/login", append(w, form("token", nightToken))...)
	}
	if d.came() != 0 {
		t.Errorf("%d came through", d.came())
	}
	d.expect(200, "POST", "/recover", header("Sec-Fetch-Site", "same-origin"), with(cookie))
	d.expect(200, "POST", "/recover", header("Origin", "http://localhost:8420"), with(cookie))
	d.expect(200, "POST", "/recover", token(nightToken))
}

func TestEveryAnswerHasTheHeadersThatGuardIt(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		text := plainFile()
		if secure {
			text = strings.Replace(text, `"http://localhost:8420"`, `"https://localhost"`, 1) + "tls {\n certificate = \"c\"\n key = \"k\"\n}\n"
		}
		d := newDesk(t, text)
		for _, a := range []*http.Response{d.ask("GET", "/healthz"), d.ask("GET", "/runs"), d.ask("GET", "/login"), d.ask("GET", "/", token(nightToken)), d.ask("GET", "/", host("evil.example"))} {
			h := a.Header
			if !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'self'") || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") ||
				h.Get("Referrer-Policy") != "same-origin" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" {
				t.Errorf("%s has the headers %v", a.Status, h)
			}
			if has := h.Get("Strict-Transport-Security") != ""; has != secure {
				t.Errorf("by https %v: Strict-Transport-Security is there: %v", secure, has)
			}
		}
	}
}

func TestAProxyIsBelievedAndNobodyElse(t *testing.T) {
	t.Parallel()
	d := newDesk(t, `
listen       = "10.0.0.9:8420"
external_url = "https://backup.bank.example"
proxy {
  addresses = ["10.0.0.5", "10.0.1.0/24"]
}
token "night" {
  sha256 = "`+hash(nightToken)+`"
  role   = "operator"
}
`)
	d.expect(403, "GET", "/healthz", host("backup.bank.example"), from("10.0.0.6:1"))
	d.expect(403, "GET", "/runs", host("backup.bank.example"), from("10.0.0.6:1"), token(nightToken), header("X-Forwarded-For", "10.0.0.5"))
	for _, c := range []struct{ peer, forwarded, want string }{
		{"10.0.0.5:1", "", "10.0.0.5"},
		{"10.0.0.5:1", "203.0.113.9", "203.0.113.9"},
		{"10.0.0.5:1", "198.51.100.1, 203.0.113.9", "203.0.113.9"},
		{"10.0.0.5:1", "203.0.113.9, 10.0.1.77", "203.0.113.9"},
		{"10.0.0.5:1", "198.51.100.1, what", "10.0.0.5"},
		{"[::ffff:10.0.0.5]:1", "2001:db8::1", "2001:db8::1"},
	} {
		d.expect(401, "GET", "/runs", host("backup.bank.example"), from(c.peer), header("X-Forwarded-For", c.forwarded))
		es := d.entries()
		if got := es[len(es)-1].Address; got != c.want {
			t.Errorf("asked by %s for %q: %s", c.peer, c.forwarded, got)
		}
	}
	d.expect(200, "GET", "/healthz", from("127.0.0.1:1")) // the machine itself
	c := d.login(nightToken, host("backup.bank.example"), from("10.0.0.5:1"))
	if !c.Secure || c.Name != "__Host-dprun" {
		t.Errorf("behind a proxy the cookie is %v", c)
	}
}

func TestALongAnswerAndASlowHandlerAreNotCutOff(t *testing.T) {
	t.Parallel()
	d := newDesk(t, plainFile())
	d.guard.progress = 2 * time.Second
	d.then = func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		defer time.Sleep(2300 * time.Millisecond) // the end of the answer has a time of its own, too
		for range 3 {                             // longer than the time in which a write has to get through
			time.Sleep(700 * time.Millisecond)
			if r.Context().Err() != nil {
				t.Errorf("%s was cut off: %v", r.Method, context.Cause(r.Context()))
			}
			_, _ = io.WriteString(w, "event\n")
			_ = http.NewResponseController(w).Flush()
		}
	}
	s := httptest.NewUnstartedServer(d.h)
	s.Config.ReadTimeout = time.Second
	s.Start()
	defer s.Close()
	var all sync.WaitGroup
	for _, method := range []string{"GET", "POST"} {
		all.Go(func() {
			r := need.Value(http.NewRequest(method, s.URL+"/api/v1/events", strings.NewReader("{}")))(t)
			token(nightToken)(r)
			a, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Errorf("%s: %v", method, err)
				return
			}
			defer a.Body.Close()
			if text, err := io.ReadAll(a.Body); err != nil || string(text) != "event\nevent\nevent\n" {
				t.Errorf("%s: %q, %v", method, text, err)
			}
		})
	}
	all.Wait()
}

func TestATextIsCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "", 1: "a", 2: "a", 3: "aé", 9: "aéz"} {
		if got := cut("aéz", n); got != want {
			t.Errorf("%d bytes: %q, not %q", n, got, want)
		}
	}
}

func TestNobodyIsToldToComeAgainAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t, plainFile()+"limits {\n requests_per_second = 10\n}\n")
	for range 1000 {
		if a := d.ask("GET", "/", token(nightToken)); a.StatusCode == http.StatusTooManyRequests {
			if got := a.Header.Get("Retry-After"); got != "1" {
				t.Errorf("Retry-After is %q", got)
			}
			return
		}
	}
	t.Error("a thousand requests at one moment are not too many")
}
