package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/serve"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestADirectoryOfPlansHoldsFilesAndDirectories(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		need.Done(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		need.Done(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	look := func() (string, []string) {
		print, sources, err := lookAt(dir)
		need.Done(t, err)
		for i := range sources {
			sources[i] = need.Value(filepath.Rel(dir, sources[i]))(t)
		}
		return print, sources
	}
	empty, _ := look()
	for _, name := range []string{"a.hcl", "b.dprunvars.hcl", "devices.csv", ".hidden.hcl", ".git/c.hcl", "both/d.hcl", "both/e.hcl", "both/deeper/f.hcl", "none/g.csv"} {
		write(name, "x")
	}
	before, sources := look()
	if d := cmp.Diff([]string{"a.hcl", "both"}, sources); d != "" || before == empty {
		t.Error(d)
	}
	for _, name := range []string{"devices.csv", "both/e.hcl"} {
		write(name, "longer")
		after, _ := look()
		if after == before {
			t.Errorf("a change of %s is not seen", name)
		}
		before = after
	}
	write(".git/c.hcl", "longer")
	if after, _ := look(); after != before {
		t.Error("what is hidden counts")
	}
	if _, _, err := lookAt(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a directory that is not there is empty")
	}
}

// A source that cannot be looked at now is not one that somebody has removed.
func TestASourceThatCannotBeLookedAtIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"sub", "other", ".git"} {
		need.Done(t, os.Mkdir(filepath.Join(dir, name), 0o700))
	}
	for _, name := range []string{"a.hcl", "sub/d.hcl", "notes.txt", ".b.hcl"} {
		need.Done(t, os.Symlink(filepath.Base(name), filepath.Join(dir, name))) // a loop
	}
	need.Done(t, os.Symlink("nowhere", filepath.Join(dir, "gone.hcl")))
	l := walk{dir: dir}
	need.Done(t, filepath.WalkDir(dir, l.visit))
	for _, e := range need.Value(os.ReadDir(dir))(t) {
		if e.IsDir() && e.Name() != "sub" {
			if err := l.visit(filepath.Join(dir, e.Name()), e, fs.ErrPermission); err != nil && !errors.Is(err, fs.SkipDir) {
				t.Error(err)
			}
		}
	}
	if d := cmp.Diff([]string{dir + "/a.hcl", dir + "/sub", dir + "/other"}, l.sources); d != "" {
		t.Error(d)
	}

	s := &served{r: opened(t, 1)[0], q: ServeRequest{Plans: dir}, good: map[string][]serve.Plan{dir + "/a.hcl": {{Scheduled: plain}}}, told: map[string]map[journal.Scheduled]servedPlan{}}
	c := s.Read(true)
	if len(c.Plans) != 1 || len(c.Broken) != 2 || !c.Broken[0].LastGood || c.Broken[1].LastGood {
		t.Errorf("%+v", c)
	}
}

func TestAPlanThatIsNotKnownMaySayFourEyes(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	dir := filepath.Join(t.TempDir(), "plans")
	p := &served{r: r, q: ServeRequest{Plans: dir}, broken: map[string]journal.BrokenPlan{}}
	s := &Service{r: r, plans: p}
	check := func(state string, want bool) {
		t.Helper()
		_, _, second := s.acknowledged(t.Context(), "gw-1")
		if s.fourEyes() != want || second != want {
			t.Errorf("%s: a release takes two: %t; an acknowledgement: %t", state, s.fourEyes(), second)
		}
	}
	p.Read(true)
	check("the first read has failed", true)
	need.Done(t, os.Mkdir(dir, 0o700))
	p.Read(true)
	check("there is no plan", false)
	need.Done(t, os.WriteFile(filepath.Join(dir, "a.hcl"), []byte("not valid"), 0o600))
	p.Read(true)
	check("a plan has no last good version", true)
	p.good[filepath.Join(dir, "a.hcl")] = []serve.Plan{{Scheduled: plain}}
	p.told[filepath.Join(dir, "a.hcl")] = map[journal.Scheduled]servedPlan{plain: {report: report.ServedPlan{Plan: "plain", Devices: map[string]map[string]string{"gw-1": nil}}}}
	p.Read(true)
	check("the last good version is known", false)
	delete(p.good, filepath.Join(dir, "a.hcl"))
	p.Read(true)
	check("a plan with the device is known, and another one is not", true)
}

// It does not depend on what is on the disk now.
func TestASnapshotIsWhatWasReadFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "a.hcl")
	need.Done(t, os.WriteFile(name, []byte("first"), 0o600))
	s := newSnapshot(dir)
	read := func() string {
		entries := need.Value(fs.ReadDir(s, "."))(t)
		info := need.Value(fs.Stat(s, "a.hcl"))(t)
		text := need.Value(fs.ReadFile(s, "a.hcl"))(t)
		if len(entries) != 1 || info.Size() != int64(len(text)) {
			t.Errorf("%v, %d bytes", entries, info.Size())
		}
		_, err := fs.ReadFile(s, "b.hcl")
		if err == nil {
			t.Error("b.hcl was not there")
		}
		return string(text)
	}
	_ = read()
	need.Done(t, os.WriteFile(name, []byte("second"), 0o600))
	need.Done(t, os.WriteFile(filepath.Join(dir, "b.hcl"), nil, 0o600))
	if got := read(); got != "first" {
		t.Errorf("read %q", got)
	}
}

// It also holds nothing that may be a secret.
func TestACopyOfASnapshotIsWhatWasRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := &served{r: opened(t, 1)[0]}
	read := func(of fs.FS) string {
		var names []string
		for _, e := range need.Value(fs.ReadDir(of, "."))(t) {
			names = append(names, e.Name())
		}
		if _, err := fs.Stat(of, "none"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("none: %v", err)
		}
		info := need.Value(fs.Stat(of, "a.hcl"))(t)
		text := need.Value(fs.ReadFile(of, "a.hcl"))(t)
		return fmt.Sprint(names, info.Size(), info.Mode(), info.IsDir(), string(text))
	}
	need.Done(t, os.WriteFile(filepath.Join(dir, "a.hcl"), []byte("valid"), 0o600))
	valid := newSnapshot(dir)
	want := read(valid)
	if s.recall(dir, dir) != nil {
		t.Error("a copy before one was made")
	}
	s.keep(dir, valid, []string{"secret"})
	need.Done(t, os.WriteFile(filepath.Join(dir, "a.hcl"), []byte("broken"), 0o640))
	need.Done(t, os.WriteFile(filepath.Join(dir, "b.hcl"), nil, 0o600))
	if got := read(s.recall(dir, dir)); got != want {
		t.Errorf("recalled %s, was %s", got, want)
	}
	file := s.keptFile(dir)
	text := need.Value(os.ReadFile(file))(t)
	need.Done(t, os.WriteFile(file, append(text, ' '), 0o600))
	if s.recall(dir, dir) != nil {
		t.Error("a damaged copy is used")
	}
	secret := newSnapshot(dir)
	_ = read(secret)
	s.keep(dir, secret, []string{"brok"})
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a copy with a secret is kept, or the one before: %v", err)
	}
	vars := newSnapshot(dir)
	need.Done(t, os.WriteFile(filepath.Join(dir, "a.dprunvars.hcl"), []byte("x = 1"), 0o600))
	need.Value(fs.ReadFile(vars, "a.dprunvars.hcl"))(t)
	s.keep(dir, vars, nil)
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a copy of variables is kept: %v", err)
	}
}

// Otherwise a plan that is due would leave out a domain that is in service a
// moment later.
func TestAServerWaitsForWhatGuardsBringBack(t *testing.T) {
	t.Parallel()
	rs := opened(t, 2)
	run := dead(t, rs[0], "p")
	owe(t, rs[0], run, "gw", "app")
	held := recovering(t, rs[0], run)
	waited := func(signals <-chan string) <-chan struct{} {
		done := make(chan struct{})
		go func() {
			_, _ = rs[1].recoverTelling(signals, unwatched{})
			close(done)
		}()
		return done
	}
	signals := make(chan string, 1)
	for _, end := range []func(){func() { signals <- "SIGTERM" }, func() { need.Done(t, held.Release()) }} {
		done := waited(signals)
		select {
		case <-done:
			t.Error("it goes on while another process brings the domain back")
		case <-time.After(time.Second): // a recovery alone looks for a quarter of that
		}
		end()
		<-done
	}
	if n, _ := attempts(t, rs[1], run); n != 1 {
		t.Errorf("%d attempts, want 1: the recovery that was left to it", n)
	}
}

// TestTheCopyOfASourceThatIsGoneGoes: also of one that went while no server ran.
func TestTheCopyOfASourceThatIsGoneGoes(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	dir := t.TempDir()
	s := &served{r: r, q: ServeRequest{Plans: dir}}
	gone, there := filepath.Join(dir, "gone.hcl"), filepath.Join(dir, "there.hcl")
	for _, path := range []string{gone, there} {
		s.keep(path, newSnapshot(dir), nil)
	}
	need.Done(t, os.WriteFile(there, []byte("not valid"), 0o600))
	s.Read(true)
	if s.recall(gone, dir) != nil || s.recall(there, dir) == nil {
		t.Error("the copy of a source that is gone is kept, or that of one that is there is not")
	}
	need.Done(t, os.Remove(there)) // as while a share is not mounted
	s.Read(true)
	if s.recall(there, dir) == nil {
		t.Error("a directory without any plan loses the copies")
	}
}
