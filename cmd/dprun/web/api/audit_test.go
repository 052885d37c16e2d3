package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/testfixtures/need"
)

// audited is an API behind a guard that lets in whoever has the token t, and the file of its audit log.
func audited(t *testing.T, behind http.Handler) (h http.Handler, log string) {
	t.Helper()
	dir := t.TempDir()
	file, log := filepath.Join(dir, "serve.hcl"), filepath.Join(dir, "audit.log")
	need.Done(t, os.WriteFile(file, fmt.Appendf(nil, "hosts = [\"example.com\"]\ntoken \"t\" {\n  sha256 = \"%x\"\n  role   = \"admin\"\n}\n", sha256.Sum256([]byte("t"))), 0o600))
	audit := need.Value(access.OpenAudit(log, slog.Default()))(t)
	t.Cleanup(audit.Close)
	return access.New(need.Value(access.ReadConfig(file))(t), audit, time.Now, slog.Default()).Handler(behind, nil), log
}

// lastOf is the last line of an audit log.
func lastOf(t *testing.T, log string) (e access.Entry) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(string(need.Value(os.ReadFile(log))(t))), "\n")
	need.Done(t, json.Unmarshal([]byte(lines[len(lines)-1]), &e))
	return e
}

// slow is a desk that starts a run after whoever asked for it has gone.
type slow struct {
	*desk
	asked, gone chan struct{}
}

func (s slow) Start(ctx context.Context, q runner.StartRequest) (report.Started, error) {
	close(s.asked)
	<-s.gone
	return s.desk.Start(ctx, q)
}

func TestTheAuditLogCallsNothingDoneOfWhichNobodyKnows(t *testing.T) {
	t.Parallel()
	s := slow{newDesk(), make(chan struct{}), make(chan struct{})}
	h, log := audited(t, need.Value(New(Options{Reads: s, Desk: s}))(t))
	ctx, leave := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, Base+"/runs", strings.NewReader(`{"plan":"night"}`))
	for k, v := range map[string]string{"Authorization": "Bearer t", "Content-Type": "application/json", "Idempotency-Key": "0123456789"} {
		r.Header.Set(k, v)
	}
	go func() {
		<-s.asked
		leave()
	}()
	h.ServeHTTP(httptest.NewRecorder(), r)
	close(s.gone)
	if e := lastOf(t, log); e.Event != "answered" || e.Status != http.StatusServiceUnavailable {
		t.Errorf("a start that goes on: %+v", e)
	}
}

func TestTheAuditLogTellsWhatAMutationWasAbout(t *testing.T) {
	t.Parallel()
	d := newDesk()
	d.waits = []report.Approval{{ID: "01WAITS", Action: report.ActionStart, Plan: "night", Plans: []string{"night"}, Change: "CHG1"}}
	h, log := audited(t, d.api(t))
	for _, c := range []struct{ method, path, body, run, reason, change string }{
		{"POST", Base + "/runs", `{"plan":"night","reason":"why","change":"CHG1"}`, "01JDNEW", "why", "CHG1"},
		{"POST", Base + "/runs/01JDRUN1/cancel", `{"reason":"why","change":"CHG1"}`, "01JDRUN1", "why", "CHG1"},
		{"POST", Base + "/pending/gw-1/acknowledge", `{"reason":"why","change":"CHG1"}`, "", "why", "CHG1"},
		{"POST", Base + "/hold", `{"reason":"why"}`, "", "why", ""},
		{"DELETE", Base + "/hold?reason=why&change=CHG1", "", "", "why", "CHG1"},
		{"POST", Base + "/pause", `{"reason":"why","change":"CHG1"}`, "", "why", "CHG1"},
		{"POST", Base + "/pause/lift", `{"reason":"why","change":"CHG1"}`, "", "why", "CHG1"},
		{"POST", Base + "/approvals/01WAITS/approve", `{"reason":"why"}`, "01JDNEW", "why", "CHG1"},
		{"POST", referenceBase + "night/execute", "", "01JDNEW", "asked for by the call of DPOD", ""},
	} {
		r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
		r.Header.Set("Authorization", "Bearer t")
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", "0123456789")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if e := lastOf(t, log); w.Code >= http.StatusBadRequest || e.Event != "answered" || e.Path != r.URL.Path || e.Status != w.Code || e.Run != c.run || e.Reason != c.reason || e.Change != c.change {
			t.Errorf("%s %s: %d %s: the log tells %+v", c.method, c.path, w.Code, w.Body, e)
		}
	}
}
