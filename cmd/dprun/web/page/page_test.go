package page

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/site"
)

var admin = access.Principal{Name: "anna@bank.example", Role: access.Admin}

// handler gives the pages of a site as somebody sees them.
func handler(t *testing.T, s *site.Site, who access.Principal) http.Handler {
	t.Helper()
	return as(t, Options{Desk: s, Reads: s, Open: func() (Fresh, error) { return s, nil }}, who)
}

// as gives the pages of something else.
func as(t *testing.T, o Options, who access.Principal) http.Handler {
	t.Helper()
	o.Now, o.Log = func() time.Time { return site.Now }, slog.New(slog.NewTextHandler(t.Output(), nil))
	h := need.Value(New(o))(t)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(access.With(r.Context(), who)))
	})
}

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	return getIn(context.Background(), h, path)
}

func getIn(ctx context.Context, h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", path, nil))
	return w
}

func post(h http.Handler, path string, fields url.Values) *httptest.ResponseRecorder {
	return postIn(context.Background(), h, path, fields)
}

func postIn(ctx context.Context, h http.Handler, path string, fields url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, "POST", path, strings.NewReader(fields.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestNamesAreTextOnEveryPage: whatever things are called, a page holds only the
// elements and attributes that its template has, no script of its own and nothing
// that turns the direction of writing around.
func TestNamesAreTextOnEveryPage(t *testing.T) {
	t.Parallel()
	for kind, n := range map[string]site.Names{"plain": site.Plain, "hostile": site.Hostile, "long": site.Long} {
		h := handler(t, &site.Site{Names: n, Rows: 110}, admin)
		pages := map[string]*httptest.ResponseRecorder{"diff": post(h, "/sets/01SETA/diff", url.Values{"with": {"01SETB"}})}
		for name, path := range n.Addresses() {
			pages[name] = get(h, path)
		}
		for path, w := range pages {
			if w.Code != 200 {
				t.Errorf("%s names, %s: status %d\n%s", kind, path, w.Code, w.Body)
			}
			sound(t, kind+" names, "+path, w)
		}
	}
}

// sound checks what holds for every page.
func sound(t *testing.T, of string, w *httptest.ResponseRecorder) {
	t.Helper()
	body := w.Body.String()
	if strings.Contains(body, "\u202e") {
		t.Errorf("%s: the direction of writing can be turned around", of)
	}
	tree := need.Value(html.Parse(strings.NewReader(body)))(t)
	scripts := 0
	var ids []string
	for n := range tree.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "script":
			scripts++
		case "img", "b", "style", "iframe", "object":
			t.Errorf("%s: an element %s", of, n.Data)
		}
		for _, a := range n.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on") || a.Key == "style":
				t.Errorf("%s: an attribute %s=%q", of, a.Key, a.Val)
			case a.Key == "href" || a.Key == "src" || a.Key == "action":
				if a.Val != "" && !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "#") {
					t.Errorf("%s: it leads to %q", of, a.Val)
				}
			case a.Key == "id":
				ids = append(ids, a.Val)
			}
		}
	}
	if scripts != 1 {
		t.Errorf("%s: %d scripts", of, scripts)
	}
	seen := map[string]bool{}
	for _, id := range ids {
		if seen[id] {
			t.Errorf("%s: the ID %q stands twice", of, id)
		}
		seen[id] = true
	}
}

// TestAnEmptySiteSaysThatInWords: every page of a server that has nothing.
func TestAnEmptySiteSaysThatInWords(t *testing.T) {
	t.Parallel()
	h := handler(t, &site.Site{Names: site.Plain, Empty: true}, admin)
	for path, want := range map[string]string{"/": "Nothing is quiesced because of us.", "/runs": "There are no runs.", "/sets": "There are no sets.", "/plans": "No plan is served.", "/schedules": "Nothing is due.",
		"/pending": "Nothing is left to undo", "/evidence": "There are no records yet.", "/nights": "No plan ran or was due", "/approvals": "Nothing waits for a second person.", "/device?device=x": "No run worked on it.", "/hold/release": "Quiesces are not on hold.", "/pause/lift": "Nothing is paused"} {
		w := get(h, path)
		if w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: status %d, without %q\n%s", path, w.Code, want, w.Body)
		}
		sound(t, path, w)
	}
}

// TestAPauseIsOneClickAndLiftingItAsksForAReason: and whoever is limited to some
// plans is offered neither, nor a hold.
func TestAPauseIsOneClickAndLiftingItAsksForAReason(t *testing.T) {
	t.Parallel()
	operator := access.Principal{Name: "otto", Role: access.Operator}
	none := &site.Site{Names: site.Plain, Empty: true}
	if body := get(handler(t, none, operator), "/").Body.String(); !strings.Contains(body, `action="/pause"`) || strings.Contains(body, `href="/pause/lift"`) {
		t.Errorf("without a pause:\n%s", body)
	}
	s := &site.Site{Names: site.Plain}
	h := handler(t, s, operator)
	if body := get(h, "/").Body.String(); strings.Contains(body, `action="/pause"`) || !strings.Contains(body, `href="/pause/lift"`) || !strings.Contains(body, "Nothing new is started: "+s.Plan) {
		t.Errorf("during a pause:\n%s", body)
	}
	limited := handler(t, s, access.Principal{Name: "lisa", Role: access.Admin, Plans: []string{s.Plan}})
	if body := get(limited, "/").Body.String(); strings.Contains(body, "/pause") || strings.Contains(body, "/hold") || strings.Contains(body, "/recover") {
		t.Errorf("who is limited is offered what concerns every gateway:\n%s", body)
	}
	said := url.Values{"name": {"start"}, "reason": {"the freeze is over"}, "change": {"CHG1"}}
	for _, path := range []string{"/pause", "/pause/lift", "/hold", "/hold/release", "/recover"} {
		if w := post(limited, path, said); w.Code != http.StatusNotFound {
			t.Errorf("%s by one who is limited: %d", path, w.Code)
		}
	}
	if w := post(h, "/pause/lift", url.Values{"name": {"start"}, "change": {"CHG1"}}); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "Say why") {
		t.Errorf("lifted without a reason: %d\n%s", w.Code, w.Body)
	}
	if w := post(h, "/hold/release", said); w.Code != http.StatusForbidden {
		t.Errorf("a hold released by an operator: %d", w.Code)
	}
	post(h, "/pause", nil)
	if w := post(h, "/pause/lift", said); w.Code != http.StatusSeeOther {
		t.Errorf("lifted: %d\n%s", w.Code, w.Body)
	}
	want := []any{runner.PauseRequest{By: "otto", Reason: oneClick}, runner.PauseRequest{Release: true, By: "otto", Reason: "the freeze is over", Change: "CHG1"}}
	if got := s.Asked(); !slices.Equal(got, want) {
		t.Errorf("asked %+v, want %+v", got, want)
	}
}

// TestTheOverviewSaysAfterACrashWhatIsBack: what was quiesced, when it was seen
// back, and that nobody had to do it. What is not finished is never told as done.
func TestTheOverviewSaysAfterACrashWhatIsBack(t *testing.T) {
	t.Parallel()
	s := &site.Site{Names: site.Plain}
	body := get(handler(t, s, admin), "/").Body.String()
	for _, want := range []string{"1 run had died, and was finished without a person, the last one 44m", "had died. It was finished without a person, <time datetime=\"2026-11-29T02:16:00Z\">",
		s.Device + " " + s.Domain + "</span> was quiesced <time datetime=\"2026-11-29T02:10:00Z\">", "and was seen back <time datetime=\"2026-11-29T02:15:00Z\">"} {
		if !strings.Contains(body, want) {
			t.Errorf("without %q:\n%s", want, body)
		}
	}
	old := report.RecoveredRun{Final: true, Ended: site.Now.Add(-25 * time.Hour)}
	for want, all := range map[string][]report.RecoveredRun{"": {old}, "2 runs had died, and are not finished yet.": {{}, old, {}}} {
		if got := broughtBack(all, site.Now); got != want {
			t.Errorf("%+v: %q, want %q", all, got, want)
		}
	}
}
