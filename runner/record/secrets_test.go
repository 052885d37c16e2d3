package record

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	plansecret "github.com/dprun/dprun/plan/secret"
	"github.com/dprun/dprun/runner/redact"
	"github.com/dprun/dprun/testfixtures/need"
)

// A plan may have been checked out for one run only: what does not need its
// directory is read all the same.
func TestSecretsAreReadWhereThePlanWasIfItIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	need.Done(t, os.WriteFile(filepath.Join(dir, "pw"), []byte("from the plan"), 0o600))
	gone := filepath.Join(dir, "gone")
	for name, c := range map[string]struct {
		dir  string
		argv []string
		want string
	}{
		"relative":              {dir, []string{"/bin/cat", "pw"}, "from the plan"},
		"of no matter where":    {gone, []string{"/bin/echo", "anywhere"}, "anywhere"},
		"relative and gone":     {gone, []string{"/bin/cat", "pw"}, ""},
		"of an older version's": {"", []string{"pwd"}, "/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said strings.Builder
			x := NewSecrets(os.Environ(), &redact.Redactor{}, slog.New(slog.NewTextHandler(&said, nil)))
			for range 2 {
				got, err := x.in(c.dir).ReadSecret(plansecret.Ref{Kind: plansecret.KindCommand, Args: c.argv})
				if got != c.want || (err == nil) != (c.want != "") {
					t.Errorf("got %q, %v", got, err)
				}
			}
			if n := strings.Count(said.String(), "is gone"); n > 1 || (n == 1) != (c.dir == gone) {
				t.Errorf("said: %s", said.String())
			}
		})
	}
}
