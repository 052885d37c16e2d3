package page

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/testfixtures/site"
)

// grave are the forms that are never one click, with what has to be typed.
var grave = map[string]struct {
	path, name string
	least      access.Role
}{
	"start":       {at("/plan/run", "file", site.Plain.File, "plan", site.Plain.Plan), site.Plain.Plan, access.Operator},
	"cancel":      {"/runs/01RUNNING/cancel", site.Plain.Plan, access.Operator},
	"acknowledge": {at("/pending/acknowledge", "target", site.Plain.Device), site.Plain.Device, access.Operator},
	"release":     {"/hold/release", "release", access.Admin},
	"approve":     {"/approvals/01WAITS/approve", site.Plain.Plan, access.Operator},
}

func TestWhatIsNeverOneClickAsksForNameReasonAndChange(t *testing.T) {
	t.Parallel()
	for of, g := range grave {
		full := url.Values{"name": {g.name}, "reason": {"it hangs"}, "change": {"CHG-1"}, "key": {"k"}}
		for _, left := range []string{"name", "reason", "change"} {
			s, fields := &site.Site{Names: site.Plain}, url.Values{}
			for k, v := range full {
				fields[k] = v
			}
			fields.Set(left, " ")
			if w := post(handler(t, s, admin), g.path, fields); w.Code != http.StatusUnprocessableEntity || len(s.Asked()) != 0 || !strings.Contains(w.Body.String(), "Nothing was done.") {
				t.Errorf("%s without a %s: %d, asked for %v", of, left, w.Code, s.Asked())
			}
		}
		s := &site.Site{Names: site.Plain}
		if w := post(handler(t, s, admin), g.path, full); w.Code != http.StatusSeeOther || len(s.Asked()) != 1 {
			t.Errorf("%s: %d, asked for %v", of, w.Code, s.Asked())
		}
		s.Fail(&runner.Error{ExitCode: runner.ExitRunning, Err: errors.New("a run of it is under way")})
		if w := post(handler(t, s, admin), g.path, full); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "a run of it is under way") || !strings.Contains(w.Body.String(), "it hangs") {
			t.Errorf("%s that is refused: %d\n%s", of, w.Code, w.Body)
		}
	}
}

func TestOneClick(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/recover", "/hold"} {
		s := &site.Site{Names: site.Plain}
		if w := post(handler(t, s, access.Principal{Name: "o", Role: access.Operator}), path, nil); w.Code != http.StatusSeeOther || len(s.Asked()) != 1 {
			t.Errorf("%s: %d, asked for %v", path, w.Code, s.Asked())
		}
		if w := get(handler(t, s, admin), path); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("a link to %s: %d", path, w.Code)
		}
	}
}

// TestLesserRolesGetNothingDone: on no path, also where nothing offers it to them.
func TestLesserRolesGetNothingDone(t *testing.T) {
	t.Parallel()
	below := map[access.Role]access.Role{access.Viewer: "", access.Operator: access.Viewer, access.Admin: access.Operator}
	for pattern, route := range (&pages{}).routes() {
		method, path, _ := strings.Cut(pattern, " ")
		path = strings.NewReplacer("{$}", "", "{run}", "01RUNNING", "{set}", "01SETA", "{id}", "01WAITS").Replace(path)
		s := &site.Site{Names: site.Plain}
		w := httptest.NewRecorder()
		handler(t, s, access.Principal{Name: "x", Role: below[route.least]}).ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if w.Code != http.StatusForbidden || len(s.Asked()) != 0 {
			t.Errorf("%s as %q: %d, asked for %v", pattern, below[route.least], w.Code, s.Asked())
		}
		if method == http.MethodPost && route.least == access.Viewer {
			t.Errorf("%s: a viewer may change something", pattern)
		}
	}
}

// TestLimitsHoldOnEveryPage: who may see other plans alone, or devices of another
// site alone, finds no name of this one on any page, and gets nothing done.
func TestLimitsHoldOnEveryPage(t *testing.T) {
	t.Parallel()
	n := site.Names{Device: "hidden-gw", Domain: "hidden-domain", Plan: "hidden-plan", File: "/hidden-file.hcl"}
	for limit, who := range map[string]access.Principal{
		"plans":  {Name: "x", Role: access.Admin, Plans: []string{"mine-*"}},
		"labels": {Name: "x", Role: access.Admin, Labels: map[string]string{"site": "ber"}},
	} {
		s := &site.Site{Names: n}
		h := handler(t, s, who)
		for name, path := range n.Addresses() {
			if name == "overview" || name == "done" || name == "release" { // what they show is narrowed by the use case; a hold is for everybody
				continue
			}
			body := get(h, path).Body.String()
			u, _ := url.Parse(path)
			for _, own := range u.Query() { // what he has asked with himself
				body = strings.ReplaceAll(strings.ReplaceAll(body, own[0], ""), url.QueryEscape(own[0]), "")
			}
			if i := strings.Index(body, "hidden-"); i >= 0 && name != "pending" {
				t.Errorf("limited to %s, %s: …%s…", limit, name, body[max(0, i-80):min(len(body), i+80)])
			}
		}
		for _, path := range []string{"/runs/01RUNNING/cancel", at("/plan/run", "file", n.File, "plan", n.Plan), at("/pending/acknowledge", "target", n.Device), "/approvals/01WAITS/approve", "/approvals/01RELEASE/approve", "/approvals/01WAITS/refuse"} {
			if w := post(h, path, url.Values{"name": {n.Plan}, "reason": {"r"}, "change": {"c"}}); w.Code != http.StatusNotFound || len(s.Asked()) != 0 {
				t.Errorf("limited to %s, %s: %d, asked for %v", limit, path, w.Code, s.Asked())
			}
		}
	}
}
