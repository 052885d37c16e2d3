package api

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

// TestWhatWaitsForASecondPersonIsAnsweredWithTheRequest and with the status 202, not as done.
func TestWhatWaitsForASecondPersonIsAnsweredWithTheRequest(t *testing.T) {
	t.Parallel()
	d := newDesk()
	h := d.api(t)
	d.waiting = &runner.Error{ExitCode: runner.ExitWaits, Err: &runner.Waits{Approval: report.Approval{ID: "01WAITS", Action: "start", State: "waiting", Since: began, Until: began}}}
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/runs", `{"plan":"night"}`}, {"POST", "/runs/01JDRUN1/cancel", `{}`}, {"POST", "/pending/gw-1/acknowledge", `{"reason":"x"}`}, {"DELETE", "/hold", ""},
	} {
		w := ask(t, h, &admin, c.method, Base+c.path, c.body, "Idempotency-Key", "0123456789")
		if c.path == "/runs/01JDRUN1/cancel" {
			if got := read[Cancelling](t, w, http.StatusAccepted); got.Waits == nil || got.Waits.ID != "01WAITS" {
				t.Errorf("%s: %+v", c.path, got)
			}
		} else if got := read[report.Approval](t, w, http.StatusAccepted); got.ID != "01WAITS" || w.Header().Get("Location") != Base+"/approvals" {
			t.Errorf("%s %s: %+v %v", c.method, c.path, got, w.Header())
		}
	}
	if w := ask(t, h, &admin, http.MethodPost, referenceBase+"night/execute", ""); read[ReferenceResult](t, w, http.StatusOK).ErrorCode != "PLAN_NOT_STARTED" {
		t.Errorf("the call of DPOD: %s", w.Body)
	}
}

func TestWhoMightDoItHimselfDecides(t *testing.T) {
	t.Parallel()
	d := newDesk()
	h := d.api(t)
	d.waits = []report.Approval{{ID: "s", Action: "start", Plan: "night", Plans: []string{"night"}, Who: "anna", State: "waiting"}, {ID: "r", Action: "release", Who: "anna", State: "waiting"},
		{ID: "o", Action: "start", Plan: "other", Plans: []string{"other"}, Who: "fra", State: "waiting"}}
	viewer, operator := access.Principal{Name: "v", Key: "v", Role: access.Viewer}, access.Principal{Name: "o", Key: "o", Role: access.Operator}
	night := access.Principal{Name: "n", Key: "n", Role: access.Admin, Plans: []string{"night"}}
	fra := access.Principal{Name: "f", Key: "fra", Role: access.Operator, Labels: map[string]string{"site": "fra"}}
	for _, c := range []struct {
		who      access.Principal
		id, what string
		status   int
	}{
		{viewer, "s", "approve", 403}, {viewer, "s", "refuse", 403}, {operator, "s", "approve", 200}, {operator, "r", "approve", 403}, {operator, "r", "refuse", 403}, {admin, "r", "approve", 200},
		{night, "s", "approve", 200}, {night, "r", "approve", 404}, {night, "o", "approve", 404}, {fra, "s", "approve", 404}, {fra, "o", "refuse", 200}, {fra, "o", "approve", 403}, {admin, "none", "approve", 404},
	} {
		before := len(d.did)
		w := ask(t, h, &c.who, http.MethodPost, Base+"/approvals/"+c.id+"/"+c.what, `{"reason":"seen"}`)
		if w.Code != c.status || (len(d.did) > before) != (c.status == 200) {
			t.Errorf("%s: %s %s: %d, want %d: %s", c.who.Name, c.what, c.id, w.Code, c.status, w.Body)
		}
	}
	if want := []string{"decide true s by o: seen", "decide true r by " + admin.Key + ": seen", "decide true s by n: seen", "decide false o by fra: seen"}; !slices.Equal(d.did, want) {
		t.Errorf("%q", d.did)
	}
	read[Problem](t, ask(t, h, &operator, http.MethodPost, Base+"/approvals/s/approve", `{}`), http.StatusUnprocessableEntity)
	for who, want := range map[*access.Principal]int{&viewer: 3, &night: 1, &fra: 1, &admin: 3} {
		if got := read[List[report.Approval]](t, ask(t, h, who, http.MethodGet, Base+"/approvals", ""), http.StatusOK); len(got.Items) != want {
			t.Errorf("%s sees %d, want %d", who.Name, len(got.Items), want)
		}
	}
	d.fail = &runner.Error{ExitCode: runner.ExitRunning, Err: report.SamePerson}
	if p := problem(nil, d.fail); p.Status != http.StatusForbidden {
		t.Errorf("the same person: %d", p.Status)
	}
}

// TestARequestNamesThePlansThatTheCallerMaySee and no others, even if it is his own.
func TestARequestNamesThePlansThatTheCallerMaySee(t *testing.T) {
	t.Parallel()
	d := newDesk()
	h := d.api(t)
	both := report.Approval{ID: "01WAITS", Action: "acknowledge", Target: "gw-1", Plans: []string{"night", "other"}, Who: "n", State: "waiting", Since: began, Until: began}
	d.waits, d.waiting = []report.Approval{both}, &runner.Error{ExitCode: runner.ExitWaits, Err: &runner.Waits{Approval: both}}
	night := access.Principal{Name: "n", Key: "n", Role: access.Admin, Plans: []string{"night"}}
	for who, want := range map[*access.Principal][]string{&night: {"night"}, &admin: {"night", "other"}} {
		for path, of := range map[string]func(*httptest.ResponseRecorder) report.Approval{
			"POST /pending/gw-1/acknowledge": func(w *httptest.ResponseRecorder) report.Approval {
				return read[report.Approval](t, w, http.StatusAccepted)
			},
			"POST /runs/01JDRUN1/cancel": func(w *httptest.ResponseRecorder) report.Approval {
				return *read[Cancelling](t, w, http.StatusAccepted).Waits
			},
			"GET /approvals": func(w *httptest.ResponseRecorder) report.Approval {
				return read[List[report.Approval]](t, w, http.StatusOK).Items[0]
			},
		} {
			method, path, _ := strings.Cut(path, " ")
			body := map[string]string{"POST": `{"reason":"x"}`}[method]
			if got := of(ask(t, h, who, method, Base+path, body)); got.ID != "01WAITS" || !slices.Equal(got.Plans, want) {
				t.Errorf("%s to %s: %+v, want the plans %v", path, who.Name, got, want)
			}
		}
	}
	d.waiting = nil
	if got := read[report.Approval](t, ask(t, h, &night, http.MethodPost, Base+"/approvals/01WAITS/refuse", `{"reason":"x"}`), http.StatusOK); !slices.Equal(got.Plans, []string{"night"}) {
		t.Errorf("withdrawn: %+v", got)
	}
	if !slices.Equal(both.Plans, []string{"night", "other"}) {
		t.Errorf("the request itself is changed: %v", both.Plans)
	}
}

// TestAnApprovalThatFailsIsNotAnsweredAsARequestThatIsNotThere.
func TestAnApprovalThatFailsIsNotAnsweredAsARequestThatIsNotThere(t *testing.T) {
	t.Parallel()
	d := newDesk()
	h := d.api(t)
	d.waits = []report.Approval{{ID: "s", Action: "start", Plan: "night", Plans: []string{"night"}, Who: "anna", State: "waiting"}}
	for exit, status := range map[int]int{runner.ExitUsage: http.StatusUnprocessableEntity, runner.ExitRunning: http.StatusConflict} {
		d.waiting = &runner.Error{ExitCode: exit, Err: errors.New("plan night is not served any more")}
		read[Problem](t, ask(t, h, &admin, http.MethodPost, Base+"/approvals/s/approve", `{"reason":"x"}`), status)
	}
	read[Problem](t, ask(t, h, &admin, http.MethodPost, Base+"/approvals/none/approve", `{"reason":"x"}`), http.StatusNotFound)
}

func TestAReleaseHasAReasonAndAChangeNumber(t *testing.T) {
	t.Parallel()
	d := newDesk()
	read[List[report.Stop]](t, ask(t, d.api(t), &admin, http.MethodDelete, Base+"/hold?reason=freeze%20is%20over&change=CHG1", ""), http.StatusOK)
	if want := []string{"hold false by " + admin.Name + ": freeze is over CHG1"}; !slices.Equal(d.did, want) {
		t.Errorf("%q", d.did)
	}
}
