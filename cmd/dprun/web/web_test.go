package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/dprun/dprun/testfixtures/need"
)

// service is a server that is well, or is not.
type service struct {
	Service
	live, ready bool
}

func (s service) Ready() (string, bool, bool) { return "scheduler: ok\n", s.live, s.ready }

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
		{"POST", "/readyz", service{}, 405, "Method Not Allowed\n"},
		{"GET", "/", service{}, 404, "404 page not found\n"},
		{"GET", "/metrics", service{}, 404, "404 page not found\n"},
	} {
		w := httptest.NewRecorder()
		Options{}.handler(c.s).ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if text := w.Body.String(); w.Code != c.code || text != c.text {
			t.Errorf("%s %s: %d %q", c.method, c.path, w.Code, text)
		}
	}
}

// TestMetricsNeedAToken, one whose hash stands in the file now.
func TestMetricsNeedAToken(t *testing.T) {
	t.Parallel()
	m := metrics{tokens: filepath.Join(t.TempDir(), "tokens"), write: func(w io.Writer) error { _, err := io.WriteString(w, "dprun_up 1\n"); return err }}
	get := func(authorization string) (int, string) {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil)
		r.Header.Set("Authorization", authorization)
		m.answer(w, r)
		return w.Code, w.Body.String()
	}
	if code, _ := get("Bearer secret"); code != http.StatusUnauthorized {
		t.Errorf("without a file: %d", code)
	}
	// Of "other" and of "secret".
	need.Done(t, os.WriteFile(m.tokens, []byte("d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa\n2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b  -\n"), 0o600))
	for authorization, want := range map[string]int{"Bearer secret": 200, "Bearer other": 200, "Bearer secre": 401, "Bearer ": 401, "": 401, "Basic secret": 401,
		"Bearer 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b": 401} {
		code, text := get(authorization)
		if code != want || (code == 200) != (text == "dprun_up 1\n") {
			t.Errorf("%q: %d %q, want %d", authorization, code, text, want)
		}
	}
	need.Done(t, os.WriteFile(m.tokens, nil, 0o600))
	if code, _ := get("Bearer secret"); code != http.StatusUnauthorized {
		t.Errorf("a token that was taken back: %d", code)
	}
}
