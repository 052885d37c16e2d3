package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestAFileWhereTheDirectoryShouldBeIsNamedAndNobodyIsToldToRemoveIt(t *testing.T) {
	t.Parallel()
	for name, below := range map[string]string{"in its place": "", "on the way to it": "a/b"} {
		for _, create := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", to be made"}[create], func(t *testing.T) {
				t.Parallel()
				stands := filepath.Join(t.TempDir(), "notes.txt")
				need.Done(t, os.WriteFile(stands, []byte("keep me"), 0o600))
				d := newFile(t, filepath.Join(stands, below), create)
				_, checked := d.Check(t.Context())
				_, stored := d.Store(t.Context(), request(t, "a", "x"), nil)
				_, listed := d.List(t.Context(), "")
				for call, err := range map[string]error{"check": checked, "store": stored, "list": listed} {
					wantFailure(t, err, failure.NotFound, failure.NoDirectory)
					f, ok := errors.AsType[*failure.Error](err)
					if !ok {
						continue
					}
					if want := stands + " is a file: name a directory"; f.Remedy != want {
						t.Errorf("%s: the remedy is %q, want %q", call, f.Remedy, want)
					}
				}
			})
		}
	}
}

func TestALinkThatLeadsOutIsNotToBeRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	need.Done(t, os.Symlink(t.TempDir(), filepath.Join(dir, "link")))
	d := newFile(t, dir, false)
	_, err := d.Store(t.Context(), request(t, "link/a", "x"), nil)
	f, ok := errors.AsType[*failure.Error](err)
	if !ok || strings.Contains(f.Remedy, "remove") || !strings.Contains(f.Remedy, "symbolic link") {
		t.Errorf("got %v", err)
	}
}
