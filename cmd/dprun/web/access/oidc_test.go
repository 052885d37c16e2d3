package access

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"

	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/npm"
)

// office is a guard that listens, and a provider that people log in with: a
// certified one of other authors.
type office struct {
	*desk
	url      string // of the guard
	port     string // of the provider
	accounts string // file
	stop     func()
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{port: freePort(t)}
	l := need.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	o.url = "http://" + l.Addr().String()
	o.accounts = filepath.Join(t.TempDir(), "accounts.json")
	o.desk = newDesk(t, o.config("ops"))
	o.desk.time = time.Now() // the provider has the machine's
	need.Done(t, os.WriteFile(filepath.Join(o.dir, "secret"), []byte("the secret of the client\n"), 0o600))
	s := &http.Server{Handler: o.h}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	o.account("anna", "ops", "staff")
	return o
}

func (o *office) config(operators string) string {
	return fmt.Sprintf(`
external_url = %q
oidc {
  issuer             = "http://127.0.0.1:%s"
  client_id          = "dprun"
  client_secret_file = "secret"
  scopes             = ["email", "groups"]
  role "operator" {
    claim  = "groups"
    values = [%q]
    plans  = ["prod-*"]
  }
  role "viewer" {
    claim  = "groups"
    values = ["staff"]
  }
}
`, o.url, o.port, operators)
}

func freePort(t *testing.T) string {
	t.Helper()
	l := need.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

// account has the provider know somebody, by his login, in groups.
func (o *office) account(login string, groups ...string) {
	o.t.Helper()
	text := need.Value(json.Marshal(map[string]any{login: map[string]any{"email": login + "@bank.example", "groups": groups}}))(o.t)
	need.Done(o.t, os.WriteFile(o.accounts, text, 0o600))
}

// provide starts the provider.
func (o *office) provide(dir string) {
	o.t.Helper()
	c := exec.Command("node", "provider.mjs", o.port, o.url+callbackPath, o.accounts)
	c.Dir = dir
	in := need.Value(c.StdinPipe())(o.t)
	out := need.Value(c.StdoutPipe())(o.t)
	var said strings.Builder
	c.Stderr = &said
	need.Done(o.t, c.Start())
	o.stop = func() {
		_ = in.Close()
		_ = c.Wait()
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		o.stop()
		o.t.Fatalf("the provider does not start: %q, %v\n%s", line, err, said.String())
	}
}

// browser keeps cookies. It goes where it is sent, but not back to the guard
// from the provider: what it would ask for there is in back.
type browser struct {
	*office
	http.Client
	back *url.URL
}

func (o *office) browser() *browser {
	b := &browser{office: o, Client: http.Client{Jar: need.Value(cookiejar.New(nil))(o.t)}}
	b.CheckRedirect = b.stopAtCallback
	return b
}

func (b *browser) stopAtCallback(r *http.Request, _ []*http.Request) error {
	if r.URL.Path == callbackPath {
		b.back = r.URL
		return http.ErrUseLastResponse
	}
	return nil
}

func (b *browser) get(address string) (code int, text string) {
	b.t.Helper()
	r := need.Value(http.NewRequest("GET", address, nil))(b.t)
	r.Header.Set("Accept", "text/html")
	a := need.Value(b.Do(r))(b.t)
	defer a.Body.Close()
	return a.StatusCode, string(need.Value(io.ReadAll(a.Body))(b.t))
}

var action = regexp.MustCompile(`<form[^>]* action="([^"]+)"`)

// atProvider logs in at the provider, as begins at an address.
func (b *browser) atProvider(begin, login string) {
	b.t.Helper()
	b.back = nil
	code, page := b.get(begin)
	for range 3 {
		if b.back != nil {
			return
		}
		m := action.FindStringSubmatch(page)
		if code != 200 || m == nil {
			b.t.Fatalf("the provider answers %d: %s", code, page)
		}
		prompt := "login"
		if !strings.Contains(page, `name="login"`) {
			prompt = "consent"
		}
		a := need.Value(b.PostForm(m[1], url.Values{"prompt": {prompt}, "login": {login}, "password": {"x"}}))(b.t)
		code, page = a.StatusCode, string(need.Value(io.ReadAll(a.Body))(b.t))
		_ = a.Body.Close()
	}
	if b.back == nil {
		b.t.Fatalf("the provider sends nobody back: %d %s", code, page)
	}
}

// expectBack goes back to the guard, and wants a status and a text.
func (b *browser) expectBack(code int, text string) {
	b.t.Helper()
	if got, page := b.get(b.back.String()); got != code || !strings.Contains(page, text) {
		b.t.Errorf("back from the provider: %d, not %d with %q: %s", got, code, text, page)
	}
}

func TestPeopleLogInWithAProvider(t *testing.T) {
	t.Parallel()
	dir := npm.Installed(t, "testdata/provider")
	o := newOffice(t)
	begin := o.url + "/login/provider?next=%2Fruns"

	// The guard was there first.
	b := o.browser()
	if code, page := b.get(begin); code != 503 || !strings.Contains(page, "cannot be asked who you are") || !strings.Contains(page, "log in with a token") {
		t.Errorf("without the provider: %d %s", code, page)
	}
	o.provide(dir)
	defer func() { o.stop() }()
	o.pass(providerRest)

	b.atProvider(begin, "anna")
	first := b.back.String()
	b.expectBack(200, "")
	if p := o.last(); p.Name != "anna@bank.example" || p.Key != "http://127.0.0.1:"+o.port+" anna" || p.Role != Operator || p.MaySeePlan("test") || p.Session == "" {
		t.Errorf("who came through is %+v", p)
	}
	if code, page := b.get(first); code != 400 {
		t.Errorf("a login that comes back twice, without its cookie: %d %s", code, page)
	}

	t.Run("forged state", func(t *testing.T) {
		b := o.browser()
		b.atProvider(begin, "anna")
		q := b.back.Query()
		right := q.Get("state")
		q.Set("state", random())
		b.back.RawQuery = q.Encode()
		b.expectBack(400, "not begun in this browser")
		q.Set("state", right)
		b.back.RawQuery = q.Encode()
		b.expectBack(200, "") // the mistake of somebody else ends no login
	})
	t.Run("a login that another browser began", func(t *testing.T) {
		b, other := o.browser(), o.browser()
		b.atProvider(begin, "anna")
		other.back = b.back
		other.expectBack(400, "not begun in this browser")
	})
	t.Run("code of another login", func(t *testing.T) {
		b, other := o.browser(), o.browser()
		b.atProvider(begin, "anna")
		other.atProvider(begin, "anna")
		q := b.back.Query()
		q.Set("code", other.back.Query().Get("code"))
		b.back.RawQuery = q.Encode()
		b.expectBack(403, "invalid_grant") // by PKCE
	})
	t.Run("replayed", func(t *testing.T) {
		b := o.browser()
		b.atProvider(begin, "anna")
		cookies := b.Jar.Cookies(b.back)
		b.expectBack(200, "")
		b.Jar.SetCookies(b.back, cookies)
		b.expectBack(400, "come back already")
		u := underWay{}
		for _, c := range cookies {
			o.guard.unseal(c.Value, &u)
		}
		if _, err := o.guard.redeem(context.Background(), o.guard.config.Load(), u, b.back.Query().Get("code")); err == nil || plain(err) == "" {
			t.Errorf("a code counts twice: %v", err)
		}
	})
	t.Run("wrong nonce", func(t *testing.T) {
		b := o.browser()
		b.CheckRedirect = func(r *http.Request, _ []*http.Request) error { return http.ErrUseLastResponse }
		a := need.Value(b.Get(begin))(t)
		_ = a.Body.Close()
		to := need.Value(a.Location())(t)
		q := to.Query()
		q.Set("nonce", random())
		to.RawQuery = q.Encode()
		b.CheckRedirect = b.stopAtCallback
		b.atProvider(to.String(), "anna")
		b.expectBack(403, "belongs to another login")
	})
	t.Run("refused by the provider", func(t *testing.T) {
		b := o.browser()
		b.atProvider(begin, "anna")
		q := b.back.Query()
		q.Del("code")
		q.Set("error", "access_denied")
		q.Set("error_description", "<script>")
		b.back.RawQuery = q.Encode()
		b.expectBack(403, "access_denied &lt;script&gt;")
	})
	t.Run("answer of another provider", func(t *testing.T) {
		b := o.browser()
		b.atProvider(begin, "anna")
		q := b.back.Query()
		q.Set("iss", "https://evil.example")
		b.back.RawQuery = q.Encode()
		b.expectBack(403, "another provider")
	})
	t.Run("too late", func(t *testing.T) {
		b := o.browser()
		b.atProvider(begin, "anna")
		o.pass(loginTime)
		b.expectBack(400, "longer than ten minutes")
		o.pass(-loginTime)
	})
	t.Run("clocks", func(t *testing.T) {
		for differs, code := range map[time.Duration]int{-2 * time.Hour: 403, 2 * time.Hour: 403, 30 * time.Second: 200, -30 * time.Second: 200} {
			b := o.browser()
			o.pass(differs)
			b.atProvider(begin, "anna")
			b.expectBack(code, "")
			o.pass(-differs)
		}
	})

	// What the provider says changes with the next login, what the configuration
	// says at once.
	if code, _ := b.get(o.url + "/runs"); code != 200 {
		t.Errorf("the first session has ended: %d", code)
	}
	o.account("anna", "staff")
	again := o.browser()
	again.atProvider(begin, "anna")
	again.expectBack(200, "")
	if p := o.last(); p.Role != Viewer {
		t.Errorf("without the group: %+v", p)
	}
	o.account("anna")
	again = o.browser()
	again.atProvider(begin, "anna")
	again.expectBack(403, "nothing gives you a role")
	o.guard.Use(configure(t, o.dir, strings.ReplaceAll(o.config("others"), "staff", "guests")))
	if _, page := b.get(o.url + "/runs"); !strings.Contains(page, "Log in to dprun") {
		t.Errorf("without a role the session goes on: %s", page)
	}

	// Without the provider who is logged in stays so.
	o.guard.Use(configure(t, o.dir, o.config("ops")))
	o.account("anna", "ops")
	b = o.browser()
	b.atProvider(begin, "anna")
	b.expectBack(200, "")
	late := o.browser()
	late.atProvider(begin, "anna")
	o.stop()
	late.expectBack(503, "cannot be asked who you are")
	if code, page := b.get(o.url + "/runs"); code != 200 || page != "" {
		t.Errorf("without the provider: %d %s", code, page)
	}
	o.provide(dir)
	b = o.browser()
	b.atProvider(begin, "anna")
	b.expectBack(200, "")

	log := string(need.Value(os.ReadFile(o.audit))(t))
	for _, secret := range []string{"code=", "state=", "the secret of the client", b.back.Query().Get("code")} {
		if strings.Contains(log, secret) {
			t.Errorf("the audit log holds %q", secret)
		}
	}
	if !strings.Contains(log, `"event":"login","name":"anna@bank.example"`) || !strings.Contains(log, "another login") {
		t.Errorf("the audit log lacks logins: %s", log)
	}
}

func TestWhatAProviderMustNotDo(t *testing.T) {
	t.Parallel()
	var answer http.HandlerFunc
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r) }))
	defer s.Close()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"another issuer": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"issuer":"https://evil.example"}`)
		}, "did not match"},
		"no JSON":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `<html>`) }, "discovery"},
		"not there": {http.NotFound, "404"},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example", http.StatusFound)
		}, "302"},
	} {
		answer = c.answer
		p := &provider{}
		if _, _, err := p.get(t.Context(), &OIDC{Issuer: s.URL}, time.Now()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAnIDTokenHasToBelongToTheLogin: a provider that signs whatever it is told to.
func TestAnIDTokenHasToBelongToTheLogin(t *testing.T) {
	t.Parallel()
	key := need.Value(rsa.GenerateKey(rand.Reader, 2048))(t)
	keys := &oidctest.Server{PublicKeys: []oidctest.PublicKey{{PublicKey: key.Public(), KeyID: "k", Algorithm: oidc.RS256}}}
	var id, info, token string
	var s *httptest.Server
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			fmt.Fprintf(w, `{"issuer":%[1]q,"authorization_endpoint":"%[1]s/auth","token_endpoint":"%[1]s/token","jwks_uri":"%[1]s/keys","userinfo_endpoint":"%[1]s/me"}`, s.URL)
		case "/token":
			fmt.Fprintf(w, `{"access_token":"a","token_type":"Bearer","id_token":%q%s}`, id, token)
		case "/me":
			_, _ = io.WriteString(w, info)
		default:
			keys.ServeHTTP(w, r)
		}
	}))
	defer s.Close()
	keys.SetIssuer(s.URL)
	d := newDesk(t, fmt.Sprintf("external_url = \"http://localhost:8420\"\noidc {\n  issuer    = %q\n  client_id = \"dprun\"\n  role \"viewer\" {\n    claim  = \"realm.groups\"\n    values = [\"staff\"]\n  }\n}\n", s.URL))
	redeem := func(claims map[string]any) (*person, error) {
		all := map[string]any{"iss": s.URL, "aud": "dprun", "sub": "7", "nonce": "n", "iat": d.now().Unix(), "exp": d.now().Add(time.Minute).Unix()}
		for name, v := range claims {
			if all[name] = v; v == nil {
				delete(all, name)
			}
		}
		id = oidctest.SignIDToken(key, "k", oidc.RS256, string(need.Value(json.Marshal(all))(t)))
		return d.guard.redeem(t.Context(), d.guard.config.Load(), underWay{Nonce: "n"}, "code")
	}
	info = `{"sub":"7","preferred_username":"anna\n","realm":{"groups":"staff"}}`
	who, err := redeem(map[string]any{"aud": []string{"dprun", "other"}, "azp": "dprun"})
	if err != nil {
		t.Fatal(err)
	}
	if p, is := who.resolve(d.guard.config.Load()); !is || p.Name != "anna " || p.Key != s.URL+" 7" || p.Role != Viewer {
		t.Errorf("who logs in is %+v, %v", p, is)
	}
	for name, c := range map[string]struct {
		claims map[string]any
		info   string
	}{
		"no subject":                {claims: map[string]any{"sub": ""}, info: `{"sub":""}`},
		"no nonce":                  {claims: map[string]any{"nonce": nil}},
		"another nonce":             {claims: map[string]any{"nonce": "m"}},
		"another audience":          {claims: map[string]any{"aud": "other"}},
		"made for another client":   {claims: map[string]any{"azp": "other"}},
		"several, for nobody":       {claims: map[string]any{"aud": []string{"dprun", "other"}}},
		"another issuer":            {claims: map[string]any{"iss": "https://evil.example"}},
		"has expired":               {claims: map[string]any{"exp": d.now().Add(-2 * skew).Unix()}},
		"no expiry":                 {claims: map[string]any{"exp": nil}},
		"still to come":             {claims: map[string]any{"iat": d.now().Add(2 * skew).Unix()}},
		"of another access token":   {claims: map[string]any{"at_hash": "x"}},
		"userinfo of somebody else": {info: `{"sub":"8","realm":{"groups":["staff"]}}`},
	} {
		info = `{"sub":"7"}`
		if c.info != "" {
			info = c.info
		}
		if who, err := redeem(c.claims); err == nil {
			t.Errorf("%s: %+v logs in", name, who)
		}
	}
	other := need.Value(rsa.GenerateKey(rand.Reader, 2048))(t)
	key, other = other, key
	if _, err := redeem(nil); err == nil {
		t.Error("a signature of another key counts")
	}
	key = other
	token = `,"id_token":""`
	if _, err := redeem(nil); err == nil {
		t.Error("no ID token at all is enough")
	}
}
