package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
)

func TestAStartNeedsAKeyAndTellsTheUseCaseWhoAskedForWhat(t *testing.T) {
	t.Parallel()
	d := newDesk()
	h := d.api(t)
	read[Problem](t, ask(t, h, &admin, http.MethodPost, Base+"/runs", `{"plan":"night"}`), http.StatusUnprocessableEntity)
	w := ask(t, h, &admin, http.MethodPost, Base+"/runs", `{"plan":"night","only":["device=gw-1"],"reason":"upgrade","change":"CHG1"}`, "Idempotency-Key", "0123456789")
	st := read[report.Started](t, w, http.StatusAccepted)
	if st.Run != "01JDNEW" || w.Header().Get("Location") != Base+"/runs/01JDNEW" {
		t.Errorf("%+v %v", st, w.Header())
	}
	ask(t, h, &admin, http.MethodPost, Base+"/runs", `{"change":"CHG1", "reason":"upgrade","only":["device=gw-1"],"plan":"night"}`, "Idempotency-Key", "0123456789")
	ask(t, h, &admin, http.MethodPost, Base+"/runs", `{"plan":"night","reason":"other"}`, "Idempotency-Key", "0123456789")
	if len(d.started) != 3 {
		t.Fatalf("%d starts, want 3: %+v", len(d.started), d.started)
	}
	first, same, other := d.started[0], d.started[1], d.started[2]
	if first.By != admin.Name || first.File != "/plans/night.hcl" || first.Reason != "upgrade" || first.Change != "CHG1" || !slices.Equal(first.Only, []string{"device=gw-1"}) {
		t.Errorf("%+v", first)
	}
	if first.Digest != same.Digest || first.Digest == other.Digest || first.Key != other.Key {
		t.Errorf("digests %s %s %s, keys %s %s", first.Digest, same.Digest, other.Digest, first.Key, other.Key)
	}
}

func TestARefusedRequestIsAnsweredByItsKind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
	}{
		{&runner.Error{ExitCode: runner.ExitUsage, Err: report.OtherRequest}, http.StatusUnprocessableEntity},
		{&runner.Error{ExitCode: runner.ExitRunning, Err: report.NotReady}, http.StatusServiceUnavailable},
		{&runner.Error{ExitCode: runner.ExitRunning, Err: fmt.Errorf("plan night is already running: %w", report.Runs)}, http.StatusConflict},
	} {
		if p := problem(nil, c.err); p.Status != c.status || strings.HasSuffix(p.Detail, ": runs") {
			t.Errorf("%v: %d, want %d", c.err, p.Status, c.status)
		}
	}
}

func TestWhoIsLimitedTouchesNothingThatHeDoesNotSeeAllOf(t *testing.T) {
	t.Parallel()
	d := newDesk()
	h := d.api(t)
	night := access.Principal{Name: "n", Key: "n", Role: access.Admin, Plans: []string{"night"}}
	fra := access.Principal{Name: "f", Key: "f", Role: access.Admin, Labels: map[string]string{"site": "fra"}}
	for _, c := range []struct {
		who          access.Principal
		method, path string
		body         string
		status       int
	}{
		{night, "POST", "/runs", `{"plan":"other"}`, 404},
		{night, "POST", "/runs", `{"plan":"night"}`, 202},
		{fra, "POST", "/runs", `{"plan":"night"}`, 404},
		{night, "POST", "/runs/01JDRUN2/cancel", `{}`, 404},
		{night, "POST", "/runs/01JDRUN1/cancel", `{}`, 202},
		{night, "POST", "/runs/01JDNEW/cancel", `{}`, 202}, // it has not begun
		{fra, "POST", "/runs/01JDRUN3/cancel", `{}`, 404},
		{night, "POST", "/recover", "", 403},
		{fra, "POST", "/hold", `{"reason":"x"}`, 403},
		{night, "DELETE", "/hold", "", 403},
		{night, "POST", "/pause", `{"reason":"x"}`, 403},
		{fra, "POST", "/pause/lift", `{"reason":"x"}`, 403},
		{night, "POST", "/pending/gw-3/acknowledge", `{"reason":"x"}`, 404},
		{night, "POST", "/pending/journal/acknowledge", `{"reason":"x"}`, 404},
		{night, "POST", "/pending/gw-1/acknowledge", `{"reason":"x"}`, 200},
		{fra, "POST", "/pending/gw-2/acknowledge", `{"reason":"x"}`, 404},
		{fra, "POST", "/pending/gw-1/acknowledge", `{"reason":"x"}`, 200},
		{admin, "POST", "/pending/journal/acknowledge", `{"reason":"x"}`, 200},
		{night, "GET", "/plans/other", "", 404},
		{night, "GET", "/plans/other/coverage", "", 404},
		{fra, "POST", "/plans/night/preview", "", 404},
		{fra, "GET", "/plans/night/preview", "", 200},
	} {
		if w := ask(t, h, &c.who, c.method, Base+c.path, c.body, "Idempotency-Key", "0123456789"); w.Code != c.status {
			t.Errorf("%s: %s %s: %d, want %d: %s", c.who.Name, c.method, c.path, w.Code, c.status, w.Body)
		}
	}
	if len(d.started) != 1 || len(d.cancelled) != 2 || len(d.did) != 3 {
		t.Errorf("done: %v %v %v", d.started, d.cancelled, d.did)
	}
	c := read[Covered](t, ask(t, h, &fra, http.MethodGet, Base+"/plans/night/coverage", ""), http.StatusOK)
	if len(c.Subjects) != 1 || c.Fresh != 1 || c.None != 0 || c.ExitCode != 0 {
		t.Errorf("%+v", c)
	}
}

func TestAPlanThatIsNotValidIsAnsweredWithItsDiagnostics(t *testing.T) {
	t.Parallel()
	h := newDesk().api(t)
	p := read[Problem](t, ask(t, h, &admin, http.MethodGet, Base+"/plans/night/preview?only=device=x", ""), http.StatusUnprocessableEntity)
	if p.ExitCode != runner.ExitInvalid || len(p.Diagnostics) != 1 {
		t.Errorf("%+v", p)
	}
}

func TestTheCallsOfDPODAreAnsweredInItsWords(t *testing.T) {
	t.Parallel()
	h := newDesk().api(t)
	list := ask(t, h, &admin, http.MethodGet, "/op/api/v1/backupplan/", "").Body.String()
	if !strings.Contains(list, `{"name":"night","description":"/plans/night.hcl","URI":"/op/api/v1/backupplan/night/execute","lastUpdateTime":0}`) {
		t.Error(list)
	}
	for name, want := range map[string]string{
		"night":   `{"resultCode":"SUCCESS","resultErrorCode":"SUCCESS","resultMessage":"Backup plan added to execution queue"}`,
		"unknown": `{"resultCode":"ERROR","resultErrorCode":"PLAN_NOT_FOUND","resultMessage":"There is no such plan."}`,
	} {
		w := ask(t, h, &admin, http.MethodPost, "/op/api/v1/backupplan/"+name+"/execute", "")
		if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != want {
			t.Errorf("%s: %d %s", name, w.Code, got)
		}
	}
	viewer := access.Principal{Name: "v", Key: "v", Role: access.Viewer}
	if w := ask(t, h, &viewer, http.MethodPost, "/op/api/v1/backupplan/night/execute", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("a viewer: %d", w.Code)
	}
	if w := ask(t, h, &admin, http.MethodGet, "/op/api/v1/backupplan/night", ""); w.Code != http.StatusNotFound {
		t.Errorf("below the list: %d", w.Code)
	}
}

func TestAPauseIsAskedForAndLiftedWithAReason(t *testing.T) {
	t.Parallel()
	d := newDesk()
	h := d.api(t)
	operator := access.Principal{Name: "otto", Key: "o", Role: access.Operator}
	for _, path := range []string{"/pause", "/pause/lift"} {
		read[Problem](t, ask(t, h, &operator, http.MethodPost, Base+path, `{"change":"CHG1"}`), http.StatusUnprocessableEntity)
	}
	on := read[List[report.Pause]](t, ask(t, h, &operator, http.MethodPost, Base+"/pause", `{"reason":"a freeze","change":"CHG1"}`), http.StatusOK)
	if len(on.Items) != 1 || on.Items[0].By != "otto" || on.Items[0].Reason != "a freeze" || on.Items[0].Change != "CHG1" {
		t.Errorf("%+v", on)
	}
	off := read[List[report.Pause]](t, ask(t, h, &operator, http.MethodPost, Base+"/pause/lift", `{"reason":"it is over","change":"CHG1"}`), http.StatusOK)
	if want := []string{"pause true by otto: a freeze CHG1", "pause false by otto: it is over CHG1"}; len(off.Items) != 0 || !slices.Equal(d.did, want) {
		t.Errorf("%+v, %q", off, d.did)
	}
	d.fail = &runner.Error{ExitCode: runner.ExitUsage, Err: fmt.Errorf("nothing is paused")}
	if w := ask(t, h, &operator, http.MethodPost, Base+"/pause/lift", `{"reason":"again"}`); w.Code < 400 || w.Code >= 500 {
		t.Errorf("lifted without a pause: %d %s", w.Code, w.Body)
	}
}

func TestOnlyAnAdministratorLiftsAHold(t *testing.T) {
	t.Parallel()
	d := newDesk()
	h, operator := d.api(t), access.Principal{Name: "o", Key: "o", Role: access.Operator}
	if w := ask(t, h, &operator, http.MethodDelete, Base+"/hold", ""); w.Code != http.StatusForbidden || len(d.did) != 0 {
		t.Errorf("an operator: %d, done: %v", w.Code, d.did)
	}
	if w := ask(t, h, &operator, http.MethodPost, Base+"/hold", `{"reason":"freeze"}`); w.Code != http.StatusOK {
		t.Errorf("an operator who holds: %d", w.Code)
	}
	if w := ask(t, h, &admin, http.MethodDelete, Base+"/hold", ""); w.Code != http.StatusOK {
		t.Errorf("an administrator: %d", w.Code)
	}
}
