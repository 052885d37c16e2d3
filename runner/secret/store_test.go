package secret

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	plansecret "github.com/dprun/dprun/plan/secret"
	"github.com/dprun/dprun/runner/redact"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestSecretsAreReadFromTheirReferencesAndKnownToTheRedactor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	need.Done(t, os.WriteFile(filepath.Join(dir, "pw"), []byte("from-file\n"), 0o600))
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

func command(script string) plansecret.Ref {
	return plansecret.Ref{Kind: plansecret.KindCommand, Args: []string{"/bin/sh", "-c", script}}
}

func TestWhatIsEmptyIsNoSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"empty": "", "line": "\n", "blanks": "  \r\n", "mark": "\xef\xbb\xbf\n"} {
		need.Done(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	s := New(dir, []string{"EMPTY=", "BLANK= "}, &redact.Redactor{})
	for ref, want := range map[string]string{"file empty": "is empty; write the secret into it", "file line": "is empty", "file blanks": "is empty", "file mark": "is empty",
		"env EMPTY": "environment variable EMPTY is set and holds nothing", "env BLANK": "holds nothing", "file none": "no such file or directory; write the secret into it"} {
		kind, name, _ := strings.Cut(ref, " ")
		v, err := s.ReadSecret(plansecret.Ref{Kind: plansecret.Kind(kind), Args: []string{name}})
		if err == nil || v != "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v; want %q", ref, v, err, want)
		}
	}
	if v, err := s.ReadSecret(command("echo")); err == nil || v != "" {
		t.Errorf("a command that prints a line end: %q, %v", v, err)
	}
}

func TestOddBeginningsAndEndsAreDoubtedWithoutTheValue(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][]string{
		"s3cret": nil, "\xef\xbb\xbfs3cret": {"begins with a byte order mark (save the file as UTF-8 without one)"}, "s3cret ": {"ends with a blank"},
		"\ts3cret": {"begins with a blank"}, "s3cret\n": {"ends with a line end"}, "s3cret\r": {"ends with a line end"}, "s3cret\nsecond": {"has more than one line"},
		"\xff\xfes\x003\x00": {"is UTF-16 text (save the file as UTF-8)"}, "s3cr\xe9t": {"holds bytes that are not UTF-8"},
		"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----": nil,
	} {
		if got := doubts(value); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
	s := New(t.TempDir(), []string{"PW=s3cret "}, &redact.Redactor{})
	ref := plansecret.Ref{Kind: plansecret.KindEnv, Args: []string{"PW"}}
	if got := s.Doubts(ref); got != nil {
		t.Errorf("doubts about what was not read: %q", got)
	}
	if _, err := s.ReadSecret(ref); err != nil || !slices.Equal(s.Doubts(ref), []string{"ends with a blank"}) {
		t.Errorf("%v, %q", err, s.Doubts(ref))
	}
}

func TestFilesThatOthersMayReadAreNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"own": 0o600, "group": 0o640, "others": 0o604, "changed": 0o660} {
		path := filepath.Join(dir, name)
		need.Done(t, os.WriteFile(path, []byte("s3cret"), 0o600))
		need.Done(t, os.Chmod(path, mode))
	}
	s := New(dir, nil, &redact.Redactor{})
	for _, name := range []string{"own", "group", "others", "changed"} {
		need.Value(s.ReadSecret(plansecret.Ref{Kind: plansecret.KindFile, Args: []string{name}}))(t)
	}
	if got, want := s.Open(), []string{filepath.Join(dir, "changed"), filepath.Join(dir, "others")}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestACommandMayLeaveAProcessBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := New(dir, os.Environ(), &redact.Redactor{})
	got, err := s.ReadSecret(command("sleep 600 & echo $! > left; echo s3cret"))
	if err != nil || got != "s3cret" {
		t.Fatalf("%q, %v", got, err)
	}
	pid := need.Value(os.ReadFile(filepath.Join(dir, "left")))(t)
	stat := filepath.Join("/proc", strings.TrimSpace(string(pid)), "stat")
	for until := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile(stat)
		if err != nil || strings.Contains(string(b), ") Z ") { // ended, or waits for init to notice
			return
		}
		if time.Now().After(until) {
			t.Fatalf("the process that the command left is still there: %s", b)
		}
	}
}

// Each of these commands waits for all others: one after the other they never end.
func TestSecretsAreReadSideBySide(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := New(dir, os.Environ(), &redact.Redactor{})
	var refs []plansecret.Ref
	for i := range together {
		refs = append(refs, command(fmt.Sprintf("touch here-%d; while [ $(ls | grep -c here) -lt %d ]; do sleep 0.05; done; echo secret-%d", i, together, i)))
	}
	need.Done(t, s.Prefetch(t.Context(), refs))
	r := s.Reader()
	for i, ref := range refs {
		if got, err := r.ReadSecret(ref); err != nil || got != fmt.Sprintf("secret-%d", i) {
			t.Errorf("%d: %q, %v", i, got, err)
		}
	}
}

func TestReadingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := New(dir, os.Environ(), &redact.Redactor{})
	ctx, cancel := context.WithCancelCause(t.Context())
	var asking sync.WaitGroup
	asking.Go(func() {
		for { // until a command has begun
			if _, err := os.Stat(filepath.Join(dir, "begun")); err == nil {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		cancel(errors.New("enough"))
	})
	refs := []plansecret.Ref{command("touch begun; sleep 600")}
	for range 3 * together {
		refs = append(refs, command(fmt.Sprintf("sleep 600; echo %d", len(refs))))
	}
	if err := s.Prefetch(ctx, refs); err == nil || err.Error() != "enough" {
		t.Errorf("%v, want enough", err)
	}
	asking.Wait()
}

func TestAReaderReadsWhatWasAskedForUntilThePlanIsLoaded(t *testing.T) {
	t.Parallel()
	s := New(t.TempDir(), []string{"A=first", "B=second"}, &redact.Redactor{})
	a, b := plansecret.Ref{Kind: plansecret.KindEnv, Args: []string{"A"}}, plansecret.Ref{Kind: plansecret.KindEnv, Args: []string{"B"}}
	none := plansecret.Ref{Kind: plansecret.KindEnv, Args: []string{"NONE"}}
	need.Done(t, s.Prefetch(t.Context(), []plansecret.Ref{a, none}))
	if lacks := s.Lacks([]plansecret.Ref{a, b}); len(lacks) != 1 || lacks[0].Args[0] != "B" {
		t.Errorf("lacks %v", lacks)
	}
	r := s.Reader()
	if v, err := r.ReadSecret(a); err != nil || v != "first" {
		t.Errorf("%q, %v", v, err)
	}
	if _, err := r.ReadSecret(b); !errors.Is(err, plansecret.ErrNotRead) {
		t.Errorf("%v, want ErrNotRead", err)
	}
	if _, err := r.ReadSecret(none); err == nil || errors.Is(err, plansecret.ErrNotRead) {
		t.Errorf("%v, want that it is not set", err)
	}
	r.Loaded()
	if v, err := r.ReadSecret(b); err != nil || v != "second" {
		t.Errorf("%q, %v", v, err)
	}
}
