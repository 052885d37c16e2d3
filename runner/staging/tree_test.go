package staging

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/need"
)

func stageFlat(t *testing.T, s *Staging, run, task, variant string) *Dir {
	t.Helper()
	d := capture(t, s, run, task, variant)
	_, err := d.Seal(t.Context(), []sdk.Artifact{put(t, d, "a.zip", task)})
	need.Done(t, err)
	return d
}

func inside(t *testing.T, dir string) (names []string) {
	t.Helper()
	for _, e := range need.Value(os.ReadDir(dir))(t) {
		names = append(names, e.Name())
	}
	return names
}

func TestADoneTaskLeavesItsDirectoriesToTheNext(t *testing.T) {
	t.Parallel()
	s := open(t)
	first := []*Dir{stageFlat(t, s, "R", "a", "persisted"), stageFlat(t, s, "R", "a", "running")}
	var was []fs.FileInfo
	for _, d := range first {
		was = append(was, need.Value(os.Stat(d.Path()))(t))
		need.Done(t, os.WriteFile(filepath.Join(d.Path(), "late"), nil, 0o600)) // by the plugin, after the seal
	}
	need.Done(t, s.Remove("R", "a"))
	for i, variant := range []string{"persisted", "running"} {
		d := capture(t, s, "R", "b", variant)
		if d.task == first[i].task || !os.SameFile(was[i], need.Value(os.Stat(d.Path()))(t)) {
			t.Errorf("%s: %s is not the directory of the task before", variant, d.Path())
		}
		if names := inside(t, d.Path()); len(names) != 0 {
			t.Errorf("%s has %v", d.Path(), names)
		}
		need.Value(d.Seal(t.Context(), []sdk.Artifact{put(t, d, "b.zip", "b")}))(t)
	}
	if _, err := os.Lstat(filepath.Join(s.dir, first[0].task)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the task before: %v", err)
	}
	if again := capture(t, s, "R", "b", "persisted"); strings.HasSuffix(again.Path(), "-1") {
		t.Errorf("the next attempt is %s", again.Path())
	}
}

func TestWhatWasGivenUpIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, s *Staging){
		"discarded":      func(t *testing.T, s *Staging) { need.Done(t, capture(t, s, "R", "a", "persisted").Discard()) },
		"not sealed":     func(t *testing.T, s *Staging) { capture(t, s, "R", "a", "persisted") },
		"with directory": func(t *testing.T, s *Staging) { stage(t, s, "R", "a", "1") },
		"sealed, then discarded": func(t *testing.T, s *Staging) {
			need.Done(t, stageFlat(t, s, "R", "a", "persisted").Discard())
		},
		"a directory made after the seal": func(t *testing.T, s *Staging) {
			need.Done(t, os.Mkdir(filepath.Join(stageFlat(t, s, "R", "a", "persisted").Path(), "late"), 0o700))
		},
		"of another process": func(t *testing.T, s *Staging) {
			need.Done(t, os.MkdirAll(filepath.Join(s.dir, "R", taskName("a")), 0o700))
			stageFlat(t, s, "R", "a", "persisted")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			spoil(t, s)
			need.Done(t, s.Remove("R", "a"))
			if entries := need.Value(s.List())(t); len(entries) != 0 {
				t.Errorf("kept %v", entries)
			}
			d := stageFlat(t, s, "R", "b", "persisted")
			if !d.made {
				t.Errorf("%s is used again", d.Path())
			}
		})
	}
}

func TestEndRunRemovesWhatHoldsNoFile(t *testing.T) {
	t.Parallel()
	s := open(t)
	stageFlat(t, s, "R", "done", "persisted")
	_, done, err := s.Write("R", "done", []byte("manifest"))
	need.Done(t, err)
	done(true)
	need.Done(t, capture(t, s, "R", "failed", "persisted").Discard())
	kept := stageFlat(t, s, "R", "kept", "persisted")
	other := stageFlat(t, s, "S", "done", "persisted")
	need.Done(t, s.Remove("R", "done"))
	need.Done(t, s.EndRun("R"))
	if names := inside(t, filepath.Join(s.dir, "R")); len(names) != 1 || names[0] != filepath.Base(kept.task) {
		t.Errorf("after the end: %v", names)
	}
	if names := inside(t, kept.Path()); len(names) != 1 {
		t.Errorf("kept %v", names)
	}
	need.Done(t, s.Remove("R", "kept"))
	need.Done(t, s.EndRun("R"))
	need.Done(t, s.EndRun("R")) // nothing there is fine
	if names := inside(t, s.dir); len(names) != 1 || len(inside(t, other.Path())) != 1 {
		t.Errorf("after the end: %v", names)
	}
	if d := stageFlat(t, s, "R", "a", "persisted"); !d.made {
		t.Errorf("%s is used again", d.Path())
	}
}

func TestOnlyAFewTreesAreKept(t *testing.T) {
	t.Parallel()
	s := open(t)
	for i := range maxSpare + 3 {
		stageFlat(t, s, "R", fmt.Sprint(i), "persisted")
	}
	for i := range maxSpare + 3 {
		need.Done(t, s.Remove("R", fmt.Sprint(i)))
	}
	if names := inside(t, filepath.Join(s.dir, "R")); len(names) != maxSpare || len(s.spare["R"]) != maxSpare || len(s.trees) != 0 {
		t.Errorf("%d are kept", len(names))
	}
}

func TestAFileBesideTheCapturesIsWrittenAgain(t *testing.T) {
	t.Parallel()
	s := open(t)
	write := func(task, body string) (string, func(bool)) {
		t.Helper()
		file, done, err := s.Write("R", task, []byte(body))
		need.Done(t, err)
		if got := need.Value(os.ReadFile(file))(t); string(got) != body {
			t.Errorf("%s has %q, want %q", file, got, body)
		}
		return file, done
	}
	stageFlat(t, s, "R", "a", "persisted")
	first, firstDone := write("a", "a longer one")
	second, secondDone := write("a", "another") // while the first is read
	if first == second {
		t.Error("two at once have one file")
	}
	secondDone(false)
	if _, err := os.Lstat(second); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("one that may still be read: %v", err)
	}
	firstDone(true)
	was := need.Value(os.Stat(first))(t)
	if entries := need.Value(s.List())(t); len(entries) != 1 || entries[0].Files != 1 || entries[0].Bytes != 1 {
		t.Errorf("staged %+v", entries)
	}
	need.Done(t, s.Remove("R", "a"))
	stageFlat(t, s, "R", "b", "persisted")
	if third, _ := write("b", "short"); !os.SameFile(was, need.Value(os.Stat(third))(t)) {
		t.Error("the file was not used again")
	}
}

// A task that is captured anew after it was done keeps its directories from all others.
func TestATaskThatGoesOnAfterItWasDoneSharesNothing(t *testing.T) {
	t.Parallel()
	s := open(t)
	stageFlat(t, s, "R", "a", "persisted")
	need.Done(t, s.Remove("R", "a"))
	again := stageFlat(t, s, "R", "a", "persisted")
	other := stageFlat(t, s, "R", "b", "persisted")
	for task, d := range map[string]*Dir{"a": again, "b": other} {
		if got := string(need.Value(os.ReadFile(filepath.Join(d.Path(), "a.zip")))(t)); got != task {
			t.Errorf("the file of task %s holds %q", task, got)
		}
	}
}

func TestRemovingATaskTwiceIsFine(t *testing.T) {
	t.Parallel()
	s := open(t)
	stageFlat(t, s, "R", "a", "persisted")
	need.Done(t, s.Remove("R", "a"))
	need.Done(t, s.Remove("R", "a"))
	stageFlat(t, s, "R", "a", "persisted")
	for _, task := range []string{"b", "c"} {
		d := stageFlat(t, s, "R", task, "persisted")
		if got := string(need.Value(os.ReadFile(filepath.Join(d.Path(), "a.zip")))(t)); got != task {
			t.Errorf("the file of task %s holds %q", task, got)
		}
	}
	need.Value(os.Stat(filepath.Join(s.dir, "R", taskName("a"), "persisted-1", "a.zip")))(t)
}
