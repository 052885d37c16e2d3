package staging

import (
	"github.com/dprun/dprun/testfixtures/need"

	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

func stage(t *testing.T, s *Staging, run, task, content string) []Sealed {
	t.Helper()
	d := capture(t, s, run, task, "persisted")
	sealed, err := d.Seal(t.Context(), []sdk.Artifact{put(t, d, "sub/a.zip", content)})
	need.Done(t, err)
	return sealed
}

func TestEveryAttemptHasADirectoryOfItsOwn(t *testing.T) {
	t.Parallel()
	s := open(t)
	seen := map[string]bool{}
	for _, task := range []string{"a/b", "a-b", "A-b", "../../etc", ".", "ü", strings.Repeat("x", 1000)} {
		for range 2 {
			for _, variant := range []string{"persisted", "running", "../x", "Persisted!"} {
				d := capture(t, s, "R", task, variant)
				if seen[strings.ToLower(d.Path())] || !strings.HasPrefix(d.Path(), s.dir+"/R/") {
					t.Errorf("%q %q has %s", task, variant, d.Path())
				}
				seen[strings.ToLower(d.Path())] = true
			}
		}
	}
}

func TestARunCannotBeNamedLikeAPath(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, run := range []string{"", "..", "a/b", ".hidden"} {
		if d, err := s.Capture(run, "task", "v"); err == nil {
			t.Errorf("Capture for run %q made %s", run, d.Path())
		}
	}
	if _, err := s.Capture("R", "", "v"); err == nil {
		t.Error("Capture for a task without a name")
	}
}

func TestListTellsWhatIsStaged(t *testing.T) {
	t.Parallel()
	s := open(t)
	stage(t, s, "R1", "x/fra/orders", "12345")
	stage(t, s, "R1", "x/fra/orders", "123")
	stage(t, s, "R2", "x/fra/billing", "1")
	got, err := s.List()
	need.Done(t, err)
	want := []Entry{{Run: "R1", Task: "x/fra/orders", Files: 2, Bytes: 8}, {Run: "R2", Task: "x/fra/billing", Files: 1, Bytes: 1}}
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(Entry{}, "Path", "Modified")); d != "" {
		t.Error(d)
	}
	for _, e := range got {
		if age := time.Since(e.Modified); age < -time.Minute || age > time.Minute {
			t.Errorf("%s was modified at %v", e.Task, e.Modified)
		}
	}
}

func TestRemoveTakesTheRunsDirectoryWithItsLastTask(t *testing.T) {
	t.Parallel()
	s := open(t)
	stage(t, s, "R", "a", "1")
	stage(t, s, "R", "b", "1")
	run := filepath.Join(s.dir, "R")
	need.Done(t, s.Remove("R", "a"))
	if entries, err := os.ReadDir(run); err != nil || len(entries) != 1 {
		t.Errorf("after the first: %v, %v", entries, err)
	}
	need.Done(t, s.Remove("R", "b"))
	need.Done(t, s.Remove("R", "b")) // nothing there is fine
	if _, err := os.Lstat(run); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the last: %v", err)
	}
}

func TestRemoveDoesNotDisturbTheNextCapture(t *testing.T) {
	t.Parallel()
	s := open(t)
	var all sync.WaitGroup
	for _, task := range []string{"a", "b", "c", "d"} {
		all.Go(func() {
			for range 50 {
				d, err := s.Capture("R", task, "persisted")
				if err != nil {
					t.Error(err)
					return
				}
				if err := errors.Join(d.Discard(), s.Remove("R", task)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func TestSweepRemovesWhatIsOldAndNotKept(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, task := range []string{"old", "old but kept", "new"} {
		stage(t, s, "R", task, "1")
	}
	need.Done(t, os.WriteFile(filepath.Join(s.dir, "R", "stray"), nil, 0o600))
	entries, err := s.List()
	need.Done(t, err)
	long := time.Now().Add(-8 * 24 * time.Hour)
	for _, e := range entries {
		if !strings.HasPrefix(e.Task, "old") {
			continue
		}
		need.Done(t, filepath.WalkDir(filepath.Join(s.dir, e.Path), func(p string, _ fs.DirEntry, err error) error {
			return errors.Join(err, os.Chtimes(p, long, long))
		}))
	}
	// A directory that is no task's is swept by its age as well.
	need.Done(t, os.MkdirAll(filepath.Join(s.dir, "R0", "cut"), 0o700))
	need.Done(t, os.Chtimes(filepath.Join(s.dir, "R0", "cut"), long, long))

	removed, err := s.Sweep(time.Now().Add(-7*24*time.Hour), func(e Entry) bool { return e.Task == "old but kept" })
	need.Done(t, err)
	var got []string
	for _, e := range removed {
		got = append(got, e.Run+" "+e.Task)
	}
	if d := cmp.Diff([]string{"R old", "R0 "}, got); d != "" {
		t.Error(d)
	}
	left, err := s.List()
	need.Done(t, err)
	got = nil
	for _, e := range left {
		got = append(got, e.Task)
	}
	if d := cmp.Diff([]string{"", "new", "old but kept"}, got, cmpopts.SortSlices(strings.Compare)); d != "" { // "" is the stray file
		t.Error(d)
	}
}

func TestPathStaysInTheStagingDirectory(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, name := range []string{"../x", "/etc/passwd", "a/../../x"} {
		if got, err := s.Path(name); err == nil {
			t.Errorf("Path(%q) = %s", name, got)
		}
	}
}

func TestFreeIsWhatTheFileSystemSays(t *testing.T) {
	t.Parallel()
	if free, err := open(t).Free(); err != nil || free <= 0 {
		t.Errorf("Free = %d, %v", free, err)
	}
}

func TestAFullDiskIsTold(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]failure.Kind{unix.ENOSPC: failure.NoSpace, unix.EDQUOT: failure.NoSpace, unix.EIO: failure.Internal} {
		got := fault(&fs.PathError{Op: "write", Path: "x", Err: err}, "make something")
		if got.Kind != want || got.Reason != failure.StagingIO || (got.Remedy != "") != (want == failure.NoSpace) {
			t.Errorf("%v is %+v", err, got)
		}
	}
}
