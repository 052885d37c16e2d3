package api

import (
	"net/http"
	"slices"
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
