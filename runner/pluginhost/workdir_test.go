package pluginhost

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/dprun/dprun/testfixtures/need"
)

// A script's secrets are files below its host's directory; nobody is left to
// remove them when the host was killed.
func TestWhatAKilledHostLeftIsSweptAtOnce(t *testing.T) {
	t.Parallel()
	base := need.Value(os.MkdirTemp("", "sweep-"))(t)
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	living := need.Value(newWorkDir(base))(t)
	left := filepath.Join(base, hostPrefix+"left", "plugin-exec", "tmp", "script-1")
	for _, dir := range []string{left, filepath.Join(base, "somebody-elses"), filepath.Join(living.path, "script-2")} {
		need.Done(t, os.MkdirAll(dir, 0o700))
		need.Done(t, os.WriteFile(filepath.Join(dir, "TOKEN"), []byte("s3cret"), 0o600))
	}
	Sweep(base)
	if _, err := os.Stat(filepath.Join(base, hostPrefix+"left")); !os.IsNotExist(err) {
		t.Errorf("the secret that a killed host left is still there: %v", err)
	}
	for _, kept := range []string{filepath.Join(living.path, "script-2", "TOKEN"), filepath.Join(base, "somebody-elses", "TOKEN")} {
		if _, err := os.Stat(kept); err != nil {
			t.Error(err)
		}
	}
	if err := living.remove(); err != nil {
		t.Error(err)
	}
}

func TestASweepTakesNoDirectoryOfALivingHost(t *testing.T) {
	t.Parallel()
	base := need.Value(os.MkdirTemp("", "sweep-"))(t)
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				w, err := newWorkDir(base) // which sweeps
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(w.path, "socket"), nil, 0o600); err != nil {
					t.Error(err)
				}
				Sweep(base)
				if _, err := os.Stat(filepath.Join(w.path, "socket")); err != nil {
					t.Error(err)
				}
				if err := w.remove(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}
