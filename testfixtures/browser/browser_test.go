// Package browser looks at the pages with a real browser: one Chromium for all
// tests, with axe-core to judge what people with impairments can use.
package browser

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/cmd/dprun/web/page"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/site"
)

// patience bounds every wait: it is reached only when a test fails.
const patience = 4 * time.Minute

var chromium struct {
	once sync.Once
	ctx  context.Context
	err  error
	end  []func()
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, end := range chromium.end {
		end()
	}
	os.Exit(code)
}

// start starts the browser, for all tests. A name under .test is this host.
func start() {
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("chromium"), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"), chromedp.WSURLReadTimeout(patience))
	if os.Getuid() == 0 {
		opts = append(opts, chromedp.NoSandbox)
	}
	alloc, end := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, cancel := chromedp.NewContext(alloc)
	chromium.end = []func(){cancel, end}
	chromium.ctx, chromium.err = ctx, chromedp.Do(ctx)
}

// tab is a window of a browser without cookies of others.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func newTab(t *testing.T) *tab {
	t.Helper()
	chromium.once.Do(start)
	if chromium.err != nil {
		t.Fatalf("start Debian's chromium: %v (make deps installs it)", chromium.err)
	}
	ctx, cancel := chromedp.NewContext(chromium.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(func(ev any) {
		if e, is := ev.(*runtime.EventExceptionThrown); is {
			t.Errorf("the page's script fails: %+v", e.ExceptionDetails)
		}
		if e, is := ev.(*log.EventEntryAdded); is && e.Entry.Source == log.EntrySourceSecurity {
			t.Errorf("the browser refuses something: %s", e.Entry.Text)
		}
	}))
	t.Cleanup(cancel)
	ctx, stop := context.WithTimeout(ctx, 5*patience) // the machine may be busy with other tests
	t.Cleanup(stop)
	b := &tab{t, ctx}
	return b
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// eval gives what an expression is in the page.
func eval[T any](b *tab, js string) (v T) {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// await waits until an expression is true.
func (b *tab) await(what, js string) {
	b.t.Helper()
	for end := time.Now().Add(patience / 2); ; time.Sleep(50 * time.Millisecond) {
		if is, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+js+")")); err == nil && is { // a page that is just loaded has nothing to ask
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("waited in vain: %s; the page is\n%s", what, eval[string](b, "document.body.innerText"))
		}
	}
}

// look sets the size of the window, and light or dark.
func (b *tab) look(width, height int64, scheme string) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, height))
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// scripts switches the page's own script on or off, from the next page on.
func (b *tab) scripts(on bool) {
	b.t.Helper()
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
}

func call[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.t.Fatal(err)
	}
}

// axe is the text of axe-core, as its lock file pins it.
var axe = sync.OnceValues(func() (string, error) {
	lock, err := os.ReadFile("axe/package-lock.json")
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(lock)
	dir := filepath.Join(cache, "dprun-tests", "axe-"+hex.EncodeToString(sum[:8]))
	file := filepath.Join(dir, "node_modules", "axe-core", "axe.min.js")
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		work := dir + fmt.Sprintf(".%d", os.Getpid())
		if err := errors.Join(os.MkdirAll(work, 0o700), os.CopyFS(work, os.DirFS("axe"))); err != nil {
			return "", err
		}
		defer os.RemoveAll(work) //nolint:errcheck // it is in a cache
		c := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error")
		c.Dir = work
		if out, err := c.CombinedOutput(); err != nil {
			return "", fmt.Errorf("npm ci: %w\n%s", err, out)
		}
		if err := os.Rename(work, dir); err != nil && !errors.Is(err, os.ErrExist) {
			return "", err
		}
	}
	b, err := os.ReadFile(file)
	return string(b), err
})

// judge reports what axe-core finds serious or critical.
func (b *tab) judge(of string) {
	b.t.Helper()
	text := need.Value(axe())(b.t)
	if !eval[bool](b, "!!window.axe") {
		eval[int](b, text+";0")
	}
	found := eval[string](b, `axe.run(document, {preload: false, resultTypes: ["violations"]}).then(r => JSON.stringify({rules: r.passes.length,
		found: r.violations.filter(v => v.impact === "serious" || v.impact === "critical").map(v => v.id + ": " + v.nodes.slice(0, 3).map(n => n.html + " " + n.failureSummary).join(" | "))}))`)
	var r struct {
		Rules int
		Found []string
	}
	need.Done(b.t, json.Unmarshal([]byte(found), &r))
	if r.Rules < 10 {
		b.t.Errorf("%s: axe-core looked at %d rules only", of, r.Rules)
	}
	for _, f := range r.Found {
		b.t.Errorf("%s: %s", of, f)
	}
}

// tokens are what people log in with, by their role.
var tokens = map[access.Role]string{access.Viewer: "token-of-a-viewer", access.Operator: "token-of-an-operator", access.Admin: "token-of-an-admin"}

// configuration is a server's configuration that knows the tokens.
func configuration(more string) string {
	text := "limits {\n  requests_per_second = 1000\n  logins_per_minute = 1000\n}\n" + more
	for role, token := range tokens {
		text += fmt.Sprintf("token %q {\n  sha256 = \"%x\"\n  role = %q\n}\n", role, sha256.Sum256([]byte(token)), role)
	}
	return text
}

// pages serves the pages of a site in process, behind the guard of a server.
func pages(t *testing.T, s *site.Site) *httptest.Server {
	t.Helper()
	to := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	file := filepath.Join(t.TempDir(), "serve.hcl")
	need.Done(t, os.WriteFile(file, []byte(configuration("")), 0o600))
	guard := access.New(need.Value(access.ReadConfig(file))(t), need.Value(access.OpenAudit("", to))(t), time.Now, to)
	h := need.Value(page.New(page.Options{Desk: s, Reads: s, Open: func() (page.Fresh, error) { return s, nil }, Now: func() time.Time { return site.Now }, Log: to}))(t)
	srv := httptest.NewServer(guard.Handler(h, map[string]http.Handler{"GET " + page.StaticPath: h}))
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	return srv
}

// login logs in as somebody of a role, by the form.
func (b *tab) login(url string, role access.Role) {
	b.t.Helper()
	b.do(chromedp.Navigate(url+"/login"), chromedp.SendKeys(chromedp.CSS("#token"), tokens[role]+"\r"))
	b.await("logged in", `document.querySelector(".who")?.innerText.includes("`+string(role)+`")`)
}

// TestEveryPageCanBeUsedByEverybody: nothing serious on any page, wide and narrow, dark and
// light, without its script, which changes nothing that is there; and nothing is cut off at 360 pixels.
func TestEveryPageCanBeUsedByEverybody(t *testing.T) {
	t.Parallel()
	srv, b := pages(t, &site.Site{Names: site.Plain}), newTab(t)
	b.do(chromedp.Navigate(srv.URL + "/login"))
	b.judge("login")
	b.login(srv.URL, access.Admin)
	for name, path := range site.Plain.Addresses() {
		b.scripts(false)
		b.do(chromedp.Navigate(srv.URL + path))
		b.scripts(true) // axe-core is one
		widths := []int64{1920, 360}
		if len(name)%2 == 0 { // half of the pages are dark where the others are light
			slices.Reverse(widths)
		}
		for i, scheme := range []string{"light", "dark"} {
			of := fmt.Sprintf("%s, %d px, %s", name, widths[i], scheme)
			b.look(widths[i], 1080, scheme)
			if w := eval[int64](b, "document.documentElement.scrollWidth"); w > widths[i] {
				t.Errorf("%s: it is %d pixels wide", of, w)
			}
			b.judge(of)
		}
	}
}

// TestTheFiveAnswersAreSeenAtOnce: without scrolling, on a wide screen and on a phone.
func TestTheFiveAnswersAreSeenAtOnce(t *testing.T) {
	t.Parallel()
	for _, s := range []*site.Site{{Names: site.Plain}, {Names: site.Plain, Empty: true}} {
		srv, b := pages(t, s), newTab(t)
		b.login(srv.URL, access.Operator)
		for _, size := range [][2]int64{{1920, 1080}, {360, 800}} {
			b.look(size[0], size[1], "light")
			b.do(chromedp.Navigate(srv.URL))
			if n := eval[int](b, "document.querySelectorAll('.glance > li').length"); n != 5 {
				t.Fatalf("%d answers", n)
			}
			if bottom := eval[float64](b, "Math.max(...[...document.querySelectorAll('.glance > li')].map(e => e.getBoundingClientRect().bottom))"); bottom > float64(size[1]) {
				t.Errorf("at %v with nothing: %v the last answer ends at %.0f", size, s.Empty, bottom)
			}
		}
	}
}

// goodIsShown says whether the page shows anything as good that nobody doubts.
const goodIsShown = `[...document.querySelectorAll(".tone.good")].some(e => !getComputedStyle(e).textDecorationLine.includes("line-through"))`

// TestAPageThatIsNotRenewedIsNotShownAsGood: with a script as soon as the stream is
// lost, without one when it is old.
func TestAPageThatIsNotRenewedIsNotShownAsGood(t *testing.T) {
	t.Parallel()
	srv, b := pages(t, &site.Site{Names: site.Plain, Empty: true}), newTab(t)
	b.login(srv.URL, access.Viewer)
	b.do(chromedp.Navigate(srv.URL))
	b.await("the stream is open", `document.querySelectorAll(".tone.good").length > 0 && `+goodIsShown)
	if eval[bool](b, `document.body.classList.contains("lost")`) {
		t.Error("the page doubts at once")
	}
	srv.CloseClientConnections()
	srv.Listener.Close()
	b.await("the page says that it lost the server", `document.body.classList.contains("lost") && !document.getElementById("lost").hidden && document.getElementById("lost").innerText.includes("may no longer be so")`)
	if eval[bool](b, goodIsShown) {
		t.Error("something is shown as good after the stream was lost")
	}

	srv, b = pages(t, &site.Site{Names: site.Plain, Empty: true}), newTab(t)
	b.login(srv.URL, access.Viewer)
	b.scripts(false)
	b.do(chromedp.Navigate(srv.URL))
	old := `getComputedStyle(document.querySelector(".aged")).visibility === "visible"`
	if eval[bool](b, old) || !eval[bool](b, goodIsShown) {
		t.Error("a page is old at once")
	}
	eval[int](b, `document.getAnimations().map(a => a.finish()).length`)
	if !eval[bool](b, old) || eval[bool](b, goodIsShown) {
		t.Error("an old page does not say so")
	}
}

// TestAPageGoesByKeyboard: everything that can be clicked is reached by the tab key
// and is seen when it is, and a form is sent without a mouse.
func TestAPageGoesByKeyboard(t *testing.T) {
	t.Parallel()
	s := &site.Site{Names: site.Plain}
	srv, b := pages(t, s), newTab(t)
	b.login(srv.URL, access.Admin)
	all := eval[int](b, `[...document.querySelectorAll("a[href], button, summary, input, select, [tabindex='0']")].filter(e => e.checkVisibility({visibilityProperty: true})).length`)
	reached := map[string]bool{}
	for range all {
		b.do(chromedp.KeyEvent("\t"))
		at := eval[struct {
			Text string
			N    int
			Seen bool
		}](b, `(e => ({text: e.innerText, n: [...document.querySelectorAll("*")].indexOf(e), seen: getComputedStyle(e).outlineStyle !== "none" && getComputedStyle(e).outlineWidth !== "0px"}))(document.activeElement)`)
		if !at.Seen {
			t.Errorf("%q is not seen to have the focus", at.Text)
		}
		reached[fmt.Sprint(at.N)] = true
	}
	if len(reached) != all {
		t.Errorf("%d of %d things are reached", len(reached), all)
	}
	b.do(chromedp.Navigate(srv.URL+site.Plain.Addresses()["cancel"]), chromedp.Focus(chromedp.CSS("#name")), chromedp.KeyEvent(site.Plain.Plan), chromedp.KeyEvent("\t"), chromedp.KeyEvent("it hangs"),
		chromedp.KeyEvent("\t"), chromedp.KeyEvent("CHG-7"), chromedp.KeyEvent("\t"), chromedp.KeyEvent("\r"))
	b.await("the form is sent", `location.pathname === "/runs/01RUNNING" && location.search === "?done=cancel"`)
	if got := fmt.Sprintf("%+v", s.Asked()); !strings.Contains(got, "{Run:01RUNNING By:token admin Who:token:admin Reason:it hangs Change:CHG-7}") {
		t.Errorf("asked for %s", got)
	}
}
