package secret

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	plansecret "github.com/dprun/dprun/plan/secret"
	"github.com/dprun/dprun/runner/redact"
)

func TestSecretsAreReadFromTheirReferencesAndKnownToTheRedactor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pw"), []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	counter := filepath.Join(dir, "count")
	var r redact.Redactor
	s := New(dir, []string{"GW=old", "GW=from-env", "PATH=" + os.Getenv("PATH")}, &r)
	for _, c := range []struct {
		ref  plansecret.Ref
		want string
	}{
		{plansecret.Ref{Kind: plansecret.KindEnv, Args: []string{"GW"}}, "from-env"},
		{plansecret.Ref{Kind: plansecret.KindFile, Args: []string{"pw"}}, "from-file"},
		{plansecret.Ref{Kind: plansecret.KindCommand, Args: []string{"cat", "pw"}}, "from-file"}, // relative to the plan
		{plansecret.Ref{Kind: plansecret.KindCommand, Args: []string{"sh", "-c", "echo x >> " + counter + "; echo from-command"}}, "from-command"},
	} {
		for range 2 {
			got, err := s.ReadSecret(c.ref)
			if err != nil || got != c.want {
				t.Errorf("%s: %q, %v; want %q", c.ref, got, err, c.want)
			}
		}
		if shown := r.Redact("password is " + c.want + "!"); strings.Contains(shown, c.want) {
			t.Errorf("%s is shown: %q", c.ref, shown)
		}
	}
	if b, _ := os.ReadFile(counter); string(b) != "x\n" {
		t.Errorf("the command ran %d times, want once", strings.Count(string(b), "x"))
	}
}

func TestWhatCannotBeReadIsAnErrorWithoutAValue(t *testing.T) {
	t.Parallel()
	s := New(t.TempDir(), nil, &redact.Redactor{})
	for _, ref := range []plansecret.Ref{
		{Kind: plansecret.KindEnv, Args: []string{"MISSING"}},
		{Kind: plansecret.KindFile, Args: []string{"missing"}},
		{Kind: plansecret.KindCommand, Args: []string{"/bin/sh", "-c", "echo hush-hush; exit 3"}},
		{Kind: plansecret.KindVariable, Args: []string{"pw"}},
	} {
		v, err := s.ReadSecret(ref)
		if err == nil || v != "" {
			t.Errorf("%s: %q, %v; want an error", ref, v, err)
		} else if strings.Contains(err.Error(), "hush-hush") {
			t.Errorf("%s: the error shows what the command printed: %v", ref, err)
		}
	}
}

func TestCommandsThatDifferInAnArgumentAreDifferentSecrets(t *testing.T) {
	t.Parallel()
	s := New(t.TempDir(), nil, &redact.Redactor{})
	for _, want := range []string{"first", "second"} {
		got, err := s.ReadSecret(plansecret.Ref{Kind: plansecret.KindCommand, Args: []string{"/bin/echo", want}})
		if err != nil || got != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
}
