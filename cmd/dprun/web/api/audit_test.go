package api

import (
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
	"github.com/dprun/dprun/testfixtures/need"
)

func TestTheAuditLogTellsWhatAMutationWasAbout(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, log := filepath.Join(dir, "serve.hcl"), filepath.Join(dir, "audit.log")
	need.Done(t, os.WriteFile(file, fmt.Appendf(nil, "hosts = [\"example.com\"]\ntoken \"t\" {\n  sha256 = \"%x\"\n  role   = \"admin\"\n}\n", sha256.Sum256([]byte("t"))), 0o600))
	audit := need.Value(access.OpenAudit(log, slog.Default()))(t)
	defer audit.Close()
	h := access.New(need.Value(access.ReadConfig(file))(t), audit, time.Now, slog.Default()).Handler(newDesk().api(t), nil)
	for _, c := range []struct{ method, path, body, run, reason, change string }{
		{"POST", Base + "/runs", `{"plan":"night","reason":"why","change":"CHG1"}`, "01JDNEW", "why", "CHG1"},
		{"POST", Base + "/runs/01JDRUN1/cancel", `{"reason":"why","change":"CHG1"}`, "01JDRUN1", "why", "CHG1"},
		{"POST", Base + "/pending/gw-1/acknowledge", `{"reason":"why","change":"CHG1"}`, "", "why", "CHG1"},
		{"POST", Base + "/hold", `{"reason":"why"}`, "", "why", ""},
		{"POST", Base + "/pause", `{"reason":"why","change":"CHG1"}`, "", "why", "CHG1"},
		{"POST", Base + "/pause/lift", `{"reason":"why","change":"CHG1"}`, "", "why", "CHG1"},
		{"POST", referenceBase + "night/execute", "", "01JDNEW", "asked for by the call of DPOD", ""},
	} {
		r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
		r.Header.Set("Authorization", "Bearer t")
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", "0123456789")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		lines := strings.Split(strings.TrimSpace(string(need.Value(os.ReadFile(log))(t))), "\n")
		var e access.Entry
		need.Done(t, json.Unmarshal([]byte(lines[len(lines)-1]), &e))
		if w.Code >= http.StatusBadRequest || e.Event != "answered" || e.Path != c.path || e.Status != w.Code || e.Run != c.run || e.Reason != c.reason || e.Change != c.change {
			t.Errorf("%s %s: %d %s: the log tells %+v", c.method, c.path, w.Code, w.Body, e)
		}
	}
}
