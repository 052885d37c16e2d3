package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/need"
)

func TestALoginBeginsASessionOfItsOwn(t *testing.T) {
	t.Parallel()
	d := newDesk(t, plainFile())
	first := d.login(nightToken)
	if first.Secure || !first.HttpOnly || first.SameSite != http.SameSiteLaxMode || first.Path != "/" || first.MaxAge != 12*3600 || len(first.Value) < 43 {
		t.Errorf("the cookie is %v", first)
	}
	d.expect(200, "GET", "/", with(first))
	one := d.last()
	if one.Name != "token night" || one.Role != Operator || one.Session == "" || strings.Contains(first.Value, one.Session) {
		t.Errorf("who came through is %+v", one)
	}
	second := d.login(nightToken, with(first))
	if second.Value == first.Value {
		t.Error("a login keeps the session's cookie")
	}
	d.expect(401, "GET", "/", with(first))
	d.expect(200, "GET", "/", with(second))
	a := d.expect(303, "POST", "/logout", with(second))
	if c := a.Cookies(); len(c) != 1 || c[0].MaxAge >= 0 || a.Header.Get("Location") != "/login?out" {
		t.Errorf("the logout answers %v", a.Header)
	}
	d.expect(401, "GET", "/", with(second))
	d.expect(303, "POST", "/logout", with(second)) // again
	d.expect(401, "POST", "/login", form("token", "wrong"))
	d.expect(401, "POST", "/login", form("token", ""))
	d.expect(401, "POST", "/login?token="+url.QueryEscape(nightToken)) // a token in an address ends in logs
}

func TestASessionEndsWithItsTime(t *testing.T) {
	t.Parallel()
	d := newDesk(t, plainFile())
	c := d.login(nightToken)
	d.pass(time.Hour - time.Second)
	d.expect(200, "GET", "/", with(c))
	d.pass(time.Hour)
	d.expect(401, "GET", "/", with(c))

	c = d.login(nightToken)
	for range 12 {
		d.expect(200, "GET", "/", with(c))
		d.pass(time.Hour - time.Second)
	}
	d.expect(200, "GET", "/", with(c))
	d.pass(12 * time.Second)
	d.expect(401, "GET", "/", with(c))
}

// stream begins a request that lasts until its context, which it gives, ends.
func (d *desk) stream(with ...func(*http.Request)) context.Context {
	d.t.Helper()
	begun := make(chan context.Context)
	d.then = func(_ http.ResponseWriter, r *http.Request) {
		begun <- r.Context()
		<-r.Context().Done()
	}
	go d.ask("GET", "/api/v1/events", with...)
	ctx := <-begun
	d.then = nil
	return ctx
}

func (d *desk) goesOn(what string, stream context.Context) {
	d.t.Helper()
	d.guard.Sweep()
	if stream.Err() != nil {
		d.t.Errorf("%s: the stream was ended: %v", what, context.Cause(stream))
	}
}

func (d *desk) ends(what string, stream context.Context) {
	d.t.Helper()
	d.guard.Sweep()
	if err := context.Cause(stream); !errors.Is(err, ErrEnded) {
		d.t.Errorf("%s: the stream ended with %v", what, err)
	}
}

func TestAStreamEndsWithWhatItWasBegunWith(t *testing.T) {
	t.Parallel()
	d := newDesk(t, plainFile())
	c := d.login(nightToken)
	s := d.stream(with(c))
	d.pass(3 * time.Hour)
	d.goesOn("an open stream is a use", s)
	d.expect(303, "POST", "/logout", with(c))
	d.ends("logout", s)

	s = d.stream(with(d.login(nightToken)))
	d.pass(12 * time.Hour)
	d.ends("the longest time", s)

	s = d.stream(with(d.login(nightToken)))
	byToken := d.stream(token(nightToken))
	other := d.stream(token(metrics))
	d.guard.Use(configure(t, d.dir, plainFile()))
	d.goesOn("a configuration that says the same", s)
	d.goesOn("a configuration that says the same", byToken)
	d.guard.Use(configure(t, d.dir, strings.Replace(plainFile(), `"prod-*"`, `"prod-1"`, 1)))
	d.ends("fewer plans", s)
	d.ends("fewer plans", byToken)
	d.goesOn("the rights of another token", other)
	d.guard.Use(configure(t, d.dir, strings.Replace(plainFile(), hash(metrics), hash("new"), 1)))
	d.ends("another token under the name", other)
	s = d.stream(token("new"))
	d.at(time.Date(2027, 3, 2, 0, 0, 0, 0, time.UTC))
	d.ends("the token's last day", s)
}

func TestAnotherConfigurationCountsForWhoIsLoggedIn(t *testing.T) {
	t.Parallel()
	d := newDesk(t, plainFile())
	c := d.login(nightToken)
	d.guard.Use(configure(t, d.dir, strings.Replace(plainFile(), `"operator"`, `"viewer"`, 1)))
	d.expect(200, "GET", "/", with(c))
	if p := d.last(); p.Role != Viewer {
		t.Errorf("the role is %s", p.Role)
	}
	d.guard.Use(configure(t, d.dir, strings.Replace(plainFile(), hash(nightToken), hash("new"), 1)))
	d.expect(401, "GET", "/", with(c))
	d.guard.Use(configure(t, d.dir, plainFile()))
	d.expect(401, "GET", "/", with(c)) // it has ended, and does not come back
}

func TestSessionsAreBounded(t *testing.T) {
	t.Parallel()
	d := newDesk(t, plainFile())
	c := d.guard.config.Load()
	s, now := &d.guard.sessions, d.now()
	first, _ := s.begin(tokenIdentity(nightToken), "a", now)
	oldest, _ := s.begin(tokenIdentity(nightToken), "a", now.Add(-time.Second))
	other, _ := s.begin(tokenIdentity(nightToken), "b", now.Add(-time.Minute))
	for range maxSessionsOne - 1 {
		s.begin(tokenIdentity(nightToken), "a", now)
	}
	if used, _ := s.use(oldest, c, now); used != nil {
		t.Error("one person has too many sessions")
	}
	if used, _ := s.use(first, c, now); used == nil {
		t.Error("one that was used later has ended")
	}
	if used, _ := s.use(other, c, now); used == nil {
		t.Error("the session of somebody else has ended")
	}
	s.most = 100
	for range s.most {
		s.begin(tokenIdentity(nightToken), random(), now)
	}
	if len(s.by) != s.most {
		t.Errorf("there are %d sessions", len(s.by))
	}
}

func TestALoginLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]string{
		"/runs?x=1": "/runs?x=1", "": "/", "runs": "/", "//evil.example": "/", "https://evil.example": "/", `/\evil.example`: "/", "/\t/evil.example": "/", "/a\r\nb": "/", "/x//y": "/x//y",
	} {
		if got := within(next); got != want {
			t.Errorf("%q leads to %q", next, got)
		}
	}
	d := newDesk(t, plainFile())
	a := d.expect(303, "POST", "/login", form("token", nightToken, "next", "//evil.example"))
	if to := a.Header.Get("Location"); to != "/" {
		t.Errorf("the login leads to %s", to)
	}
	page := string(need.Value(io.ReadAll(d.expect(200, "GET", `/login?next=/"><script>`).Body))(t))
	if strings.Contains(page, "<script") || !strings.Contains(page, `name="next" value="/&#34;&gt;&lt;script&gt;"`) {
		t.Errorf("the form is %s", page)
	}
}

func TestWrongTokensOfAnAddressLockOutNobodyElse(t *testing.T) {
	t.Parallel()
	d := newDesk(t, plainFile()+"limits {\n logins_per_minute = 6\n requests_per_second = 2\n}\n")
	for range 3 {
		d.expect(401, "GET", "/", token("wrong"))
		d.expect(401, "POST", "/login", form("token", "wrong"))
	}
	a := d.expect(429, "GET", "/", token("wrong"))
	if a.Header.Get("Retry-After") != "10" {
		t.Errorf("Retry-After is %s", a.Header.Get("Retry-After"))
	}
	d.expect(429, "POST", "/login", form("token", "wrong"))
	d.expect(200, "GET", "/", token(nightToken))
	d.login(nightToken)
	d.expect(401, "GET", "/", from("192.0.2.8:1"), token("wrong"))
	d.pass(10 * time.Second)
	d.expect(401, "GET", "/", token("wrong"))
	d.expect(429, "GET", "/", token("wrong"))

	v6 := func(host string) func(*http.Request) { return from("[2001:db8:0:1::" + host + "]:1") }
	for range 6 {
		d.expect(401, "GET", "/", v6("1"), token("wrong"))
	}
	d.expect(429, "GET", "/", v6("2"), token("wrong")) // of the same network

	d.pass(time.Minute)
	for range 8 {
		d.expect(200, "GET", "/", token(nightToken))
	}
	d.expect(429, "GET", "/", token(nightToken))
	d.expect(200, "GET", "/", token(metrics))
	d.pass(time.Second)
	d.expect(200, "GET", "/", token(nightToken))
}

func TestBucketsAreBounded(t *testing.T) {
	t.Parallel()
	b, now := newBuckets(), time.Now()
	b.max = 100
	for i := range 1000 {
		b.take(string(rune(i)), 1, 1, now)
	}
	if len(b.by) > b.max+1 {
		t.Errorf("there are %d", len(b.by))
	}
	if _, ok := b.take(string(rune(7)), 1, 1, now); ok {
		t.Error("one that has taken all is forgotten")
	}
	now = now.Add(time.Minute)
	if _, ok := b.take("new", 1, 1, now); !ok || len(b.by) != 1 {
		t.Errorf("those that have theirs again are kept: %d", len(b.by))
	}
}

func TestTheAuditLogTellsWhoDidWhat(t *testing.T) {
	t.Parallel()
	d := newDesk(t, plainFile())
	c := d.login(nightToken)
	d.then = func(w http.ResponseWriter, r *http.Request) {
		if es := d.entries(); es[len(es)-1].Event != "asked" {
			t.Error("it is done before it is written down")
		}
		Note(r.Context(), Audited{Run: "01R", Reason: "line\nbreak", Change: "CHG1"})
		w.WriteHeader(http.StatusAccepted)
	}
	d.expect(202, "POST", "/api/v1/runs?secret=1", with(c))
	d.then = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }
	d.expect(403, "GET", "/evidence", token(nightToken))
	d.then = nil
	d.expect(200, "GET", "/runs", token(nightToken)) // reading is not told
	d.expect(401, "GET", "/runs", token("wrong"))
	d.expect(421, "GET", "/runs", host("evil.example"))
	d.expect(303, "POST", "/logout", with(c))
	es := d.entries()
	var got []string
	for _, e := range es {
		got = append(got, e.Event)
		if e.Address != "192.0.2.7" || !e.Time.Equal(d.now()) {
			t.Errorf("a line has %+v", e)
		}
	}
	if want := "login asked answered refused refused refused logout"; strings.Join(got, " ") != want {
		t.Fatalf("the log tells %v, not %s", got, want)
	}
	if a := es[2]; a.Name != "token night" || a.Key != "token:night" || a.Role != Operator || a.Session == "" || a.Method != "POST" || a.Path != "/api/v1/runs" ||
		a.Status != 202 || a.Run != "01R" || a.Reason != "line\nbreak" || a.Change != "CHG1" || a.Request == "" || a.Request != es[1].Request {
		t.Errorf("what was done is told as %+v", a)
	}
	if e := es[3]; e.Name != "token night" || e.Status != 403 || e.Path != "/evidence" {
		t.Errorf("a refusal is told as %+v", e)
	}
	text := string(need.Value(os.ReadFile(d.audit))(t))
	for _, secret := range []string{nightToken, "wrong", c.Value, "secret"} {
		if strings.Contains(text, secret) {
			t.Errorf("the log holds %q: %s", secret, text)
		}
	}
	if info := need.Value(os.Stat(d.audit))(t); info.Mode().Perm() != 0o600 {
		t.Errorf("the log has the mode %v", info.Mode())
	}
}

func TestWhatCannotBeWrittenDownIsNotDone(t *testing.T) {
	t.Parallel()
	d := newDesk(t, plainFile())
	c := d.login(nightToken)
	need.Done(t, d.guard.audit.Reopen("/dev/full"))
	a := d.expect(503, "POST", "/recover", with(c))
	if text := string(need.Value(io.ReadAll(a.Body))(t)); !strings.Contains(text, "nothing was done") || !strings.Contains(text, "dprun recover") {
		t.Errorf("it is told as %s", text)
	}
	if d.came() != 0 {
		t.Error("it was done")
	}
	if err := d.guard.audit.Lost(); err == nil || !strings.Contains(err.Error(), "/dev/full") {
		t.Errorf("the audit log says %v", err)
	}
	d.expect(200, "GET", "/", with(c))
	need.Done(t, d.guard.audit.Reopen(d.audit))
	d.expect(200, "POST", "/recover", with(c))
	if err := d.guard.audit.Lost(); err != nil {
		t.Errorf("when it can be written: %v", err)
	}
}

func TestStrangersDoNotFillTheAuditLog(t *testing.T) {
	t.Parallel()
	d := newDesk(t, plainFile())
	for range 1000 {
		d.expect(421, "GET", "/", host("evil.example"))
	}
	if n := len(d.entries()); n > 200 {
		t.Errorf("there are %d lines", n)
	}
	d.pass(time.Minute)
	d.expect(421, "GET", "/", host("evil.example"))
	if es := d.entries(); es[len(es)-1].Untold < 800 {
		t.Errorf("the last line tells of %d more", es[len(es)-1].Untold)
	}
}

func TestAnAuditLogThatOthersReadIsNotTakenUp(t *testing.T) {
	t.Parallel()
	d := newDesk(t, plainFile())
	need.Done(t, os.Chmod(d.audit, 0o644))
	if err := d.guard.audit.Reopen(d.audit); err == nil || !strings.Contains(err.Error(), "chmod 0600 "+d.audit) {
		t.Errorf("mode 0644: %v", err)
	}
	need.Done(t, os.Rename(d.audit, d.audit+".1"))
	need.Done(t, d.guard.audit.Reopen(d.audit))
	d.login(nightToken)
	if es := d.entries(); len(es) != 1 || es[0].Event != "login" {
		t.Errorf("after it was moved away: %+v", es)
	}
}

func TestLoginsAtTheProviderAreLimited(t *testing.T) {
	t.Parallel()
	d := newDesk(t, plainFile()+`
oidc {
  issuer    = "http://127.0.0.1:1"
  client_id = "dprun"
  role "viewer" {
    claim  = "groups"
    values = ["staff"]
  }
}
limits {
  logins_per_minute = 2
}
`)
	for range 2 {
		d.expect(503, "GET", "/login/provider")
	}
	d.expect(429, "GET", "/login/provider")
	for i := range 18 { // twenty of all together
		d.expect(503, "GET", "/login/provider", from(fmt.Sprintf("192.0.2.%d:1", 100+i)))
	}
	d.expect(429, "GET", "/login/provider", from("192.0.2.99:1"))
	d.login(nightToken) // by a token it goes on
	d.pass(3 * time.Second)
	d.expect(503, "GET", "/login/provider", from("192.0.2.99:1"))
}
