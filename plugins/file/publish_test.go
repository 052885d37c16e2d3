package file

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/dprun/dprun/testfixtures/need"
)

// NFS and some FUSE file systems cannot rename without replacing, and some have no
// hard links: a name that is taken stays whose it is all the same.
func TestATakenNameIsKeptWhateverTheFileSystemCanDo(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]error{"it can": nil, "of the file system": syscall.EINVAL, "of the kernel": syscall.ENOSYS, "of a filter": syscall.EPERM} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDestination(t.TempDir(), false, false, slog.New(slog.DiscardHandler))
			if fails != nil {
				d.renameNew = func(*os.File, string, string) error { return &os.LinkError{Err: fails} }
			}
			opened, release, err := d.open(t.Context())
			need.Done(t, err)
			defer release()
			need.Done(t, opened.Mkdir(t.Context(), "a/b"))
			for file, want := range map[string]error{"a/b/free": nil, "a/b/taken": fs.ErrExist} {
				temp := file + ".part"
				need.Done(t, os.WriteFile(filepath.Join(d.directory, temp), []byte("new"), 0o600))
				if want != nil {
					need.Done(t, os.WriteFile(filepath.Join(d.directory, file), []byte("old"), 0o600))
				}
				if err := opened.Publish(t.Context(), temp, file); !errors.Is(err, want) {
					t.Errorf("%s: %v, want %v", file, err, want)
				}
				_, left := os.Lstat(filepath.Join(d.directory, temp))
				content := string(need.Value(os.ReadFile(filepath.Join(d.directory, file)))(t))
				if want == nil && (content != "new" || !errors.Is(left, fs.ErrNotExist)) || want != nil && (content != "old" || left != nil) {
					t.Errorf("%s: has %q, the temporary one %v", file, content, left)
				}
			}
		})
	}
}

// What an earlier store left is removed before the directory is made again that
// somebody has taken away meanwhile.
func TestNothingIsRemovedFromADirectoryThatIsStillToBeMade(t *testing.T) {
	t.Parallel()
	d := newDestination(filepath.Join(t.TempDir(), "gone"), true, false, slog.New(slog.DiscardHandler))
	opened, release, err := d.open(t.Context())
	need.Done(t, err)
	defer release()
	if err := opened.Remove(t.Context(), "a/left.part"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
