package remote

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/testfixtures/need"
)

// tokenFile holds a token.
func tokenFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	need.Done(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// to is a client of a server that answers so.
func to(t *testing.T, answer http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return need.Value(New(Options{Server: s.URL + "/", TokenFile: tokenFile(t, "secret\n")}))(t)
}

func TestWhatTheTokenIsNotSentTo(t *testing.T) {
	t.Parallel()
	good := tokenFile(t, "secret\n")
	for server, says := range map[string]string{
		"dprun.bank.example":         "write it such as https://",
		"ftp://dprun.bank.example":   "write it such as https://",
		"https://":                   "write it such as https://",
		"http://dprun.bank.example":  "without TLS to another machine; write https://dprun.bank.example",
		"http://127.0.0.1.example":   "without TLS",
		"https://anna@bank.example":  "holds a user name",
		"https://anna:pw@bank.xx":    "holds a user name",
		"https://bank.example/?a=b":  "leave out what stands after the path",
		"https://bank.example/#frag": "leave out what stands after the path",
	} {
		if _, err := New(Options{Server: server, TokenFile: good}); err == nil || !strings.Contains(err.Error(), says) || runner.CodeOf(err) != runner.ExitUsage || strings.Contains(err.Error(), "pw") {
			t.Errorf("%s: %v", server, err)
		}
	}
	for _, server := range []string{"https://dprun.bank.example:8443/at", "http://127.0.0.1:8420", "http://localhost:8420", "http://[::1]:8420"} {
		if _, err := New(Options{Server: server, TokenFile: good}); err != nil {
			t.Errorf("%s: %v", server, err)
		}
	}
	for what, path := range map[string]string{"no file": "", "a file that is not there": filepath.Join(t.TempDir(), "x"), "an empty file": tokenFile(t, " \n"), "two tokens": tokenFile(t, "a b\n"),
		"two lines": tokenFile(t, "a\nb\n"), "a long file": tokenFile(t, strings.Repeat("a", tokenAtMost+1))} {
		if _, err := New(Options{Server: "https://bank.example", TokenFile: path}); err == nil || runner.CodeOf(err) != runner.ExitUsage {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAServerOfAnotherAuthorityNeedsItsCertificate(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		fmt.Fprint(w, `{"items":[]}`)
	}))
	t.Cleanup(s.Close)
	s.Config.ErrorLog = nil
	token := tokenFile(t, "secret")
	ask := func(ca string) error {
		c, err := New(Options{Server: s.URL, TokenFile: token, CAFile: ca})
		if err != nil {
			return err
		}
		for _, err := range c.Runs(t.Context(), runner.RunsRequest{}) {
			return err
		}
		return nil
	}
	if err := ask(""); err == nil || !strings.Contains(err.Error(), "--server-ca FILE") {
		t.Errorf("without: %v", err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	need.Done(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	if err := ask(ca); err != nil {
		t.Errorf("with: %v", err)
	}
	if err := ask(token); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("with another file: %v", err)
	}
}

// What a server answers instead, and what a person is told.
func TestWhatIsNoAnswer(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		status       int
		kind, body   string
		code         int
		says, saysNo string
	}{
		"elsewhere":        {302, "text/html", "", 1, `it sends elsewhere, to "https://evil.example/"`, ""},
		"no token":         {401, "application/problem+json", `{"detail":"no","exit_code":64}`, 1, "does not accept the token of ", ""},
		"not allowed":      {403, "application/problem+json", `{"detail":"This needs the role operator.","exit_code":64}`, 64, "list the runs at server http://127.0.0.1", ""},
		"a use case":       {404, "application/problem+json", `{"detail":"find run \"X\": not found","exit_code":64,"action":"x"}`, 64, `find run "X": not found`, "server"},
		"a fault":          {422, "application/problem+json", `{"detail":"no","exit_code":64,"faults":[{"place":"query.limit","message":"too much"}]}`, 64, "no (query.limit: too much)", ""},
		"running":          {409, "application/problem+json", `{"detail":"it runs","exit_code":12}`, 12, "it runs", ""},
		"its own fault":    {500, "application/problem+json", `{"detail":"Something went wrong.","exit_code":70,"id":"abc","action":"Look for the ID"}`, 70, "Something went wrong. Look for the ID. The server's log has it as abc", ""},
		"another version":  {404, "text/plain", "404 page not found", 1, "this one knows /api/v1", ""},
		"a proxy":          {502, "text/html", "<html>", 1, "it answers 502 Bad Gateway", "html"},
		"garbled":          {200, "application/json", `{"items":[`, 1, "its answer cannot be read", ""},
		"something else":   {200, "application/json", `[]`, 1, "its answer cannot be read", ""},
		"a garbled reason": {409, "application/problem+json", `{`, 1, "it answers 409 Conflict", ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			client := to(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", c.kind)
				w.Header().Set("Location", "https://evil.example/")
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			})
			for _, err := range client.Runs(t.Context(), runner.RunsRequest{}) {
				if err == nil || runner.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) || c.saysNo != "" && strings.Contains(err.Error(), c.saysNo) || strings.Contains(err.Error(), "secret") {
					t.Errorf("%d: %v", runner.CodeOf(err), err)
				}
			}
		})
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	client := need.Value(New(Options{Server: gone.URL, TokenFile: tokenFile(t, "secret")}))(t)
	if _, err := client.Owed(t.Context()); err == nil || !strings.Contains(err.Error(), "refused; see that `dprun serve` runs there") || !passing(err) {
		t.Errorf("nobody there: %v", err)
	}
}

// TestAnAnswerWithoutWhatWasAskedForIsNone: it does not say that nothing is owed, or that all has a backup.
func TestAnAnswerWithoutWhatWasAskedForIsNone(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `null`, `{"owed":null,"items":null,"exit_code":null,"run":null}`} {
		client := to(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/plans") && body == `{}` {
				fmt.Fprint(w, `{"items":[{"plan":"p","file":"/p.hcl"}]}`)
				return
			}
			fmt.Fprint(w, body)
		})
		_, owed := client.Owed(t.Context())
		_, recovered := client.Recover(t.Context())
		_, _, covered := client.Coverage(t.Context(), CoverageRequest{PlanRef: PlanRef{Name: "p"}})
		_, shown := client.Run(t.Context(), "latest")
		var listed error
		for _, err := range client.Backups(t.Context(), runner.BackupsRequest{}) {
			listed = err
		}
		for what, err := range map[string]error{"owed": owed, "recover": recovered, "coverage": covered, "run": shown, "backups": listed} {
			if err == nil || !strings.Contains(err.Error(), "its answer cannot be read: it has no") {
				t.Errorf("%s of %s: %v", what, body, err)
			}
		}
	}
}

func TestAListIsReadToItsEndOrItsLimit(t *testing.T) {
	t.Parallel()
	var asked []string
	client := to(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		p := page[report.Run]{Next: map[string]string{"": "c1", "c1": "c2", "loop": "loop"}[r.FormValue("cursor")]}
		if r.FormValue("plan") == "loop" {
			p.Next = "loop"
		}
		for i := range 2 {
			p.Items = append(p.Items, report.Run{ID: fmt.Sprint(r.FormValue("cursor"), i)})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"items": p.Items, "next": p.Next})
	})
	list := func(q runner.RunsRequest) (ids string, failed error) {
		for run, err := range client.Runs(t.Context(), q) {
			if failed = err; err == nil {
				ids += run.ID + " "
			}
		}
		return ids, failed
	}
	if all, err := list(runner.RunsRequest{Plan: "a"}); all != "0 1 c10 c11 c20 c21 " || err != nil {
		t.Errorf("all: %s, %v", all, err)
	}
	if some, err := list(runner.RunsRequest{Limit: 3}); some != "0 1 c10 " || err != nil {
		t.Errorf("three: %s, %v", some, err)
	}
	if want := "limit=500&plan=a cursor=c1&limit=500&plan=a cursor=c2&limit=500&plan=a limit=3 cursor=c1&limit=1"; strings.Join(asked, " ") != want {
		t.Errorf("asked %q, want %q", asked, want)
	}
	if _, err := list(runner.RunsRequest{Plan: "loop"}); err == nil || !strings.Contains(err.Error(), "the same part of the list again") {
		t.Errorf("a list without end: %v", err)
	}
}

func TestAPlanIsFoundByItsNameOrItsFile(t *testing.T) {
	t.Parallel()
	client := to(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"items":[{"plan":"nightly","file":"/p/a.hcl"},{"plan":"weekly","file":"/p/a.hcl"},{"plan":"weekly","file":"/p/b.hcl"},{"file":"/p/broken.hcl"}]}`)
	})
	for name, c := range map[string]struct {
		ref         PlanRef
		found, says string
	}{
		"a name":             {PlanRef{Name: "nightly"}, "nightly /p/a.hcl", ""},
		"a file":             {PlanRef{Name: "/p/b.hcl"}, "weekly /p/b.hcl", ""},
		"a file and a name":  {PlanRef{Name: "/p/a.hcl", Plan: "weekly"}, "weekly /p/a.hcl", ""},
		"a file of two":      {PlanRef{Name: "/p/a.hcl"}, "", "--plan where it holds several"},
		"a name of two":      {PlanRef{Name: "weekly"}, "", "serves 2 plans"},
		"a slip":             {PlanRef{Name: "nightli"}, "", `did you mean "nightly"?`},
		"a file of here":     {PlanRef{Name: "plan.hcl"}, "", "without --server runs a file of this machine"},
		"one that is broken": {PlanRef{Name: "/p/broken.hcl"}, "", "serves no plan"},
	} {
		p, err := client.plan(t.Context(), c.ref)
		if c.found != "" && (err != nil || p.Plan+" "+p.File != c.found) || c.found == "" && (err == nil || runner.CodeOf(err) != runner.ExitUsage || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %s %s, %v", name, p.Plan, p.File, err)
		}
	}
}
