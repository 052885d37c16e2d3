package browser

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

const realPlan = `
device "datapower" "gw" {
  config {
    host     = "%s"
    port     = %d
    username = "%s"
    password = secret_file("gw.pw")
    tls { ca_file = "%s" }
  }
}
destination "file" "local" {
  min_free = "1%%"
  config { directory = "%s" }
}
script "exec" "rejoin" {
  config { command = ["false"] }
}
plan "domain" {
  destinations = [destination.file.local]
  activity "export_domain" "x" {
    devices         = ["*"]
    domains         = ["app01"]
    quiesce         = "domain"
    after_unquiesce = script.exec.rejoin
  }
}
`

// program is a real dprun serve beside a simulated gateway.
type program struct {
	t     *testing.T
	fleet *dpsim.Fleet
	url   string
	out   *output
}

// output collects what the server prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func serve(t *testing.T) *program {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "dprun")
	build := exec.Command("go", "build", "-o", file, "github.com/dprun/dprun/cmd/dprun")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build dprun: %v\n%s", err, out)
	}
	p := &program{t: t, out: &output{}, fleet: need.Value(dpsim.Start(context.Background(), dpsim.Scenario{Devices: []dpsim.Device{
		{Name: "gw", AppDomains: 1, Timings: &dpsim.Timings{Quiesce: "200ms", Unquiesce: "200ms"}}}}))(t)}
	t.Cleanup(p.fleet.Close)
	gw := p.fleet.Device("gw")
	for _, d := range []string{"plans", "backups", "state"} {
		need.Done(t, os.Mkdir(filepath.Join(dir, d), 0o700))
	}
	for name, text := range map[string]string{"plans/gw.pw": gw.Password, "plans/night.hcl": fmt.Sprintf(realPlan, gw.Host, gw.Port, gw.Username, gw.CAFile, filepath.Join(dir, "backups")),
		"serve.hcl": configuration("listen = \"127.0.0.1:0\"\n")} {
		need.Done(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	c := exec.Command(file, "serve", "--plans", filepath.Join(dir, "plans"), "--config", filepath.Join(dir, "serve.hcl"))
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "DPRUN_STATE_DIR=" + filepath.Join(dir, "state")}
	c.Stdout, c.Stderr = p.out, p.out
	need.Done(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
		if t.Failed() {
			t.Log(p.out)
		}
	})
	address := regexp.MustCompile(`address=(127\.0\.0\.1:\d+)`)
	p.await("the server listens", func() bool {
		if m := address.FindStringSubmatch(p.out.String()); m != nil {
			p.url = "http://" + m[1]
		}
		return p.url != ""
	})
	p.await("the server is ready", func() bool {
		r, err := http.Get(p.url + "/readyz")
		if err != nil {
			return false
		}
		defer r.Body.Close() //nolint:errcheck // it was read as far as it matters
		return r.StatusCode == http.StatusOK
	})
	return p
}

func (p *program) await(what string, holds func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience / 2); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("waited in vain: %s\n%s", what, p.out)
		}
	}
}

// ask fills in what is never one click, and sends it.
func (b *tab) ask(name string) {
	b.t.Helper()
	b.do(chromedp.SendKeys(chromedp.CSS("#name"), name), chromedp.SendKeys(chromedp.CSS("#reason"), "a test"), chromedp.SendKeys(chromedp.CSS("#change"), "CHG-1\r"))
}

// begin starts the plan, from the list of plans on.
func (b *tab) begin(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url + "/plans"))
	b.follow("domain")
	b.follow("Run it now …")
	b.await("what is quiesced is said before", `document.body.innerText.includes("out of service")`)
	b.ask("domain")
	b.await("the run's page", `location.pathname.startsWith("/runs/")`)
}

// follow follows a link by its text.
func (b *tab) follow(text string) {
	b.t.Helper()
	link := fmt.Sprintf(`[...document.querySelectorAll("main a")].find(a => a.innerText.trim() === %q)`, text)
	b.await("a link "+text, link)
	before := eval[string](b, "location.href")
	eval[bool](b, "("+link+".click(), true)")
	b.await("the page behind "+text, fmt.Sprintf("location.href !== %q && document.readyState === 'complete'", before))
}

// TestAPersonAtNight logs in, starts a run, sees by itself what becomes of it,
// cancels it, and acknowledges what another one owes. Somebody with less rights,
// another site and another host get nothing done.
func TestAPersonAtNight(t *testing.T) {
	t.Parallel()
	p, b := serve(t), newTab(t)
	b.do(chromedp.Navigate(p.url + "/plans"))
	b.await("the login", `location.pathname === "/login"`)
	b.do(chromedp.SendKeys(chromedp.CSS("#token"), "wrong\r"))
	b.await("a wrong token is refused", `document.querySelector("[role=alert]")?.innerText.includes("not known")`)
	b.do(chromedp.SendKeys(chromedp.CSS("#token"), tokens[access.Operator]+"\r"))
	b.await("logged in, and where he wanted to go", `location.pathname === "/plans" && document.querySelector(".who")?.innerText.includes("operator")`)

	hang := dpsim.Fault{Kind: "hang", Operation: "do-export"}
	need.Done(t, p.fleet.AddFault(hang))
	b.begin(p.url)
	b.await("the page follows the run", `document.body.innerText.includes("EXECUTION_EXPORT_DOMAIN_PERSISTED_STARTED")`)
	run := eval[string](b, "location.href")
	b.do(chromedp.Navigate(p.url))
	b.await("what is down is said", `document.querySelector(".glance").innerText.includes("1 device or domain is quiesced by a run at work")`)
	b.do(chromedp.Navigate(run))
	b.follow("Cancel this run …")
	b.await("what it keeps quiesced is said before", `document.body.innerText.includes("domain app01 of device gw may still be quiesced")`)
	b.ask("another name")
	b.await("a wrong name is refused", `document.querySelector(".wrong")?.innerText.includes("Nothing was done")`)
	eval[bool](b, `(document.getElementById("name").value = "", true)`)
	b.do(chromedp.SendKeys(chromedp.CSS("#name"), "domain\r"))
	b.await("the run has ended, without loading the page again", `document.body.innerText.includes("PLAN_CANCELED_BY_USER") || document.body.innerText.includes("PLAN_LEFT_TRAFFIC_LED_AWAY")`)

	b.do(chromedp.Navigate(p.url))
	b.await("what is owed is on the first page", `document.querySelector("#down").innerText.includes("after_unquiesce")`)
	b.do(chromedp.Navigate(p.url + "/pending"))
	b.follow("It is done by hand: acknowledge …")
	b.ask("gw")
	b.await("nothing is owed any more", `location.pathname === "/pending" && document.body.innerText.includes("Nothing is left to undo")`)

	viewer := newTab(t)
	viewer.login(p.url, access.Viewer)
	if eval[int](viewer, `document.querySelectorAll("main button").length`) != 0 {
		t.Error("a viewer is offered something")
	}
	if code := eval[int](viewer, `fetch("/recover", {method: "POST"}).then(r => r.status)`); code != http.StatusForbidden {
		t.Errorf("a viewer who brings back gets %d", code)
	}

	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `<!doctype html><form method="post" action="%s/hold"><button>x</button></form><script>document.forms[0].submit()</script>`, p.url)
	}))
	t.Cleanup(evil.Close)
	port := evil.URL[strings.LastIndex(evil.URL, ":"):]
	b.do(chromedp.Navigate("http://evil.test" + port))
	b.await("a forged form is refused", `location.pathname === "/hold" && document.body.innerText.includes("another site")`)
	b.do(chromedp.Navigate(strings.Replace(p.url, "127.0.0.1", "evil.test", 1)))
	b.await("a foreign host is refused", `document.body.innerText.includes("not known by the name")`)
	b.do(chromedp.Navigate(p.url + "/pending"))
	if !eval[bool](b, `document.body.innerText.includes("Nothing forbids quiesces")`) {
		t.Error("the forged form has done something")
	}
}
