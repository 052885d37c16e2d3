package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plugins/webhook"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/sdk/script"
	"github.com/dprun/dprun/testfixtures/need"
)

// receiver keeps what it is posted, and answers from a list.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	got     []*http.Request
	bodies  []string
	answers []func(http.ResponseWriter, *http.Request)
}

func status(code int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func receive(t *testing.T, answers ...func(http.ResponseWriter, *http.Request)) *receiver {
	t.Helper()
	r := &receiver{answers: answers}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		n := len(r.got)
		r.got, r.bodies = append(r.got, q), append(r.bodies, string(body))
		r.mu.Unlock()
		if n < len(r.answers) {
			r.answers[n](w, q)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// count is how often it was posted to.
func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

func (r *receiver) config(t *testing.T, more map[string]cty.Value) map[string]cty.Value {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	need.Done(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw}), 0o600))
	set := map[string]cty.Value{"url": cty.StringVal(r.URL + "/hook"), "ca_file": cty.StringVal(ca)}
	for k, v := range more {
		set[k] = v
	}
	return set
}

func open(t *testing.T, set map[string]cty.Value) (sdk.Hook, error) {
	t.Helper()
	p, stop, err := conformance.Serve(webhook.Plugin())
	need.Done(t, err)
	t.Cleanup(stop)
	s := need.Value(p.Describe(t.Context()))(t)
	v := need.Value(s.Hooks[0].Config.ApplyDefaults(cty.ObjectVal(set)))(t)
	return p.ConfigureHook(t.Context(), "webhook", v)
}

func post(t *testing.T, set map[string]cty.Value) (*sdk.RunReport, error) {
	t.Helper()
	h, err := open(t, set)
	if err != nil {
		return nil, err
	}
	return h.Run(t.Context(), told(t), nil)
}

func told(t *testing.T) sdk.RunRequest {
	t.Helper()
	three := 3
	return sdk.RunRequest{Context: need.Value(json.Marshal(script.Context{Version: 1, Hook: "notify", Run: "01M84B", Plan: "nightly", Status: "PLAN_PARTLY_FAILED", Message: "it said \"no\"",
		Notice: &script.Notice{Event: script.Partial, ID: "01M84B-partial", ExitCode: &three, Counts: &script.Counts{Succeeded: 1, Failed: 1}}}))(t)}
}

func TestTheJSONOfTheRunIsPostedAndSigned(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]struct{ given, used string }{
		"text":   {"a-secret-signing-key", "a-secret-signing-key"},
		"base64": {"whsec_" + base64.StdEncoding.EncodeToString([]byte{1, 2, 3}), "\x01\x02\x03"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := receive(t)
			rep, err := post(t, r.config(t, map[string]cty.Value{"signing_key": cty.StringVal(key.given), "headers": cty.MapVal(map[string]cty.Value{"X-Team": cty.StringVal("gw")}),
				"secret_headers": cty.MapVal(map[string]cty.Value{"Authorization": cty.StringVal("Bearer a-secret-token\n")})}))
			if err != nil || !strings.Contains(rep.Tail, "answered 200 OK") {
				t.Fatalf("got %+v, %v", rep, err)
			}
			q, body := r.got[0], r.bodies[0]
			if body != string(told(t).Context) {
				t.Errorf("posted %s", body)
			}
			for header, want := range map[string]string{"Content-Type": "application/json", "X-Team": "gw", "Authorization": "Bearer a-secret-token",
				"Idempotency-Key": "01M84B-partial", "Webhook-Id": "01M84B-partial", "User-Agent": "dprun"} {
				if got := q.Header.Get(header); got != want {
					t.Errorf("%s is %q, want %q", header, got, want)
				}
			}
			mac := hmac.New(sha256.New, []byte(key.used))
			mac.Write([]byte("01M84B-partial." + q.Header.Get("Webhook-Timestamp") + "." + body))
			if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); q.Header.Get("Webhook-Signature") != want {
				t.Errorf("the signature is %q, want %q", q.Header.Get("Webhook-Signature"), want)
			}
		})
	}
}

func TestATemplateMakesTheBody(t *testing.T) {
	t.Parallel()
	r := receive(t)
	if _, err := post(t, r.config(t, map[string]cty.Value{"template": cty.StringVal(`{"text": {{json .Headline}}, "why": {{json .Message}}}`)})); err != nil {
		t.Fatal(err)
	}
	if want := `{"text": "PARTIAL nightly: 1 of 2 tasks succeeded, PLAN_PARTLY_FAILED, exit code 3", "why": "it said \"no\""}`; r.bodies[0] != want {
		t.Errorf("posted %s, want %s", r.bodies[0], want)
	}
	_, err := post(t, r.config(t, map[string]cty.Value{"template": cty.StringVal(`{"why": "{{.Message}}"}`)}))
	if f := failure.From(err); f == nil || f.Kind != failure.Precondition || !strings.Contains(f.Error(), "does not make JSON; write each text as {{json .Message}}") || r.count() != 1 {
		t.Errorf("got %v", err)
	}
}

// What has a signature or a password on it is for the server that was named.
func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	other := receive(t)
	r := receive(t, func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, other.URL, http.StatusPermanentRedirect)
	})
	_, err := post(t, r.config(t, map[string]cty.Value{"signing_key": cty.StringVal("a-secret-signing-key")}))
	if f := failure.From(err); f == nil || f.Kind != failure.Precondition || !strings.Contains(f.Error(), "a redirect is not followed") || other.count() != 0 || r.count() != 1 {
		t.Errorf("got %v, %d and %d posts", err, r.count(), other.count())
	}
}

func TestWhatIsSentAgainAndWhatIsNot(t *testing.T) {
	t.Parallel()
	cut := func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = c.Close()
		}
	}
	for name, tt := range map[string]struct {
		first      func(http.ResponseWriter, *http.Request)
		idempotent bool
		posts      int
		says       string // empty: it succeeds
	}{
		"busy":               {status(503), false, 2, ""},
		"too many":           {status(429), false, 2, ""},
		"an error, unsure":   {status(500), false, 1, "look there whether it was accepted"},
		"an error, any time": {status(500), true, 2, ""},
		"cut, unsure":        {cut, false, 1, "no whole answer"},
		"cut, any time":      {cut, true, 2, ""},
		"refused":            {status(422), true, 1, "it answered 422"},
		"denied":             {status(401), true, 1, "correct secret_headers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := receive(t, tt.first)
			_, err := post(t, r.config(t, map[string]cty.Value{"idempotent": cty.BoolVal(tt.idempotent)}))
			if (tt.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.says) || r.count() != tt.posts {
				t.Errorf("%d posts, %v; want %d, %q", r.count(), err, tt.posts, tt.says)
			}
			if tt.posts == 2 && r.got[0].Header.Get("Webhook-Id") != r.got[1].Header.Get("Webhook-Id") {
				t.Error("the second request has another ID")
			}
		})
	}
}

func TestAnErrorDoesNotTellASecretURL(t *testing.T) {
	t.Parallel()
	r := receive(t) // nobody trusts it
	_, err := post(t, map[string]cty.Value{"secret_url": cty.StringVal(r.URL + "/services/T000/a-secret-path")})
	if f := failure.From(err); f == nil || strings.Contains(f.Error(), "a-secret-path") || !strings.Contains(f.Error(), r.Listener.Addr().String()) {
		t.Errorf("got %v", err)
	}
}

func TestAServerOfAnotherAuthorityGetsNothing(t *testing.T) {
	t.Parallel()
	r := receive(t)
	set := r.config(t, nil)
	delete(set, "ca_file")
	if _, err := post(t, set); err == nil || !strings.Contains(err.Error(), "set ca_file") || r.count() != 0 {
		t.Errorf("got %v", err)
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	good := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(good.Close)
	silent := need.Value(net.Listen("tcp", "127.0.0.1:0"))(t) // the kernel takes the connection, and nobody answers
	t.Cleanup(func() { _ = silent.Close() })
	config := func(at string) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{"url": cty.StringVal(at), "timeout": cty.StringVal("2m"), "signing_key": cty.StringVal("a-secret-signing-key")})
	}
	for _, c := range conformance.Cases(conformance.Subject{
		Start: conformance.InProcess(webhook.Plugin()), Kind: schema.KindHook, Type: "webhook", Config: config(good.URL), Hangs: config("http://" + silent.Addr().String()),
	}) {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			c.Run(t.Context(), t)
		})
	}
}

func TestARequestIsBoundedInTime(t *testing.T) {
	t.Parallel()
	r := receive(t, func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() })
	begun := time.Now()
	_, err := post(t, r.config(t, map[string]cty.Value{"timeout": cty.StringVal("1s")}))
	if f := failure.From(err); f == nil || f.Kind != failure.Timeout || time.Since(begun) > time.Minute || r.count() != 1 {
		t.Errorf("got %v after %s", err, time.Since(begun))
	}
}

func TestWrongConfigurationsAreFound(t *testing.T) {
	t.Parallel()
	p, stop, err := conformance.Serve(webhook.Plugin())
	need.Done(t, err)
	t.Cleanup(stop)
	s := need.Value(p.Describe(t.Context()))(t)
	text, headers := cty.StringVal, func(name string) cty.Value { return cty.MapVal(map[string]cty.Value{name: cty.StringVal("x")}) }
	for _, tt := range []struct {
		summary string
		set     map[string]cty.Value
	}{
		{"", map[string]cty.Value{"url": text("https://example.com/hook"), "template": text(`{"text": {{json .Notice.Event}}, "first": {{json (index .Tasks 0).Status}}}`)}},
		{"", map[string]cty.Value{"url": text("http://localhost:9/hook")}},
		{"Not a usable URL", map[string]cty.Value{"url": text("http://example.com/hook")}},
		{"Not a usable URL", map[string]cty.Value{"url": text("http://127.example.com/hook")}},
		{"", map[string]cty.Value{"url": text("http://127.0.0.2:9/hook")}},
		{"", map[string]cty.Value{"url": text("http://[::1]:9/hook")}},
		{"", map[string]cty.Value{"url": text("http://example.com/hook"), "insecure_http": cty.True}},
		{"Not a usable URL", map[string]cty.Value{"url": text("example.com/hook")}},
		{"Password in the clear", map[string]cty.Value{"url": text("https://a:b@example.com/")}},
		{"Invalid template", map[string]cty.Value{"url": text("https://example.com/"), "template": text("{{.Nothing}}")}},
		{"Invalid template", map[string]cty.Value{"url": text("https://example.com/"), "template": text("{{json .Run")}},
		{"Secret in the clear", map[string]cty.Value{"url": text("https://example.com/"), "headers": headers("authorization")}},
		{"Set by dprun", map[string]cty.Value{"url": text("https://example.com/"), "headers": headers("webhook-id")}},
	} {
		v := need.Value(s.Hooks[0].Config.ApplyDefaults(cty.ObjectVal(tt.set)))(t)
		ds, err := p.ValidateConfig(context.Background(), schema.KindHook, "webhook", "", v)
		need.Done(t, err)
		if (tt.summary == "") != (len(ds) == 0) || tt.summary != "" && ds[0].Summary != tt.summary {
			t.Errorf("%v: want %q, got %v", tt.set, tt.summary, ds)
		}
	}
}
