package nfs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plugins/nfs/nfsclient"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/need"
)

// stubborn is a tree that does not do everything.
type stubborn struct {
	tree
	mode    fs.FileMode // of every file; zero: the one asked for
	refuses string      // the operation that it refuses
}

func (s *stubborn) refuse(operation string) error {
	if s.refuses == operation {
		return nfsclient.ErrAcces
	}
	return nil
}

func (s *stubborn) info(i info, err error) (info, error) {
	if s.mode != 0 && i.regular {
		i.mode = s.mode
	}
	return i, err
}

func (s *stubborn) stat(ctx context.Context, name string) (info, error) {
	return s.info(s.tree.stat(ctx, name))
}

func (s *stubborn) mkdirAll(ctx context.Context, dir string) error {
	if err := s.refuse("mkdir"); err != nil {
		return err
	}
	return s.tree.mkdirAll(ctx, dir)
}

func (s *stubborn) create(ctx context.Context, name string) (output, error) {
	if err := s.refuse("create"); err != nil {
		return nil, err
	}
	out, err := s.tree.create(ctx, name)
	return stubbornFile{out, s}, err
}

func (s *stubborn) link(ctx context.Context, from, to string) error {
	if err := errors.Join(s.refuse("rename"), s.refuse("link")); err != nil {
		return err
	}
	return s.tree.link(ctx, from, to)
}

func (s *stubborn) publish(ctx context.Context, from, to string) error {
	if err := s.refuse("rename"); err != nil {
		return err
	}
	return s.tree.publish(ctx, from, to)
}

type stubbornFile struct {
	output
	s *stubborn
}

func (f stubbornFile) stat(ctx context.Context) (info, error) { return f.s.info(f.output.stat(ctx)) }

func (f stubbornFile) setMode(ctx context.Context) error {
	return f.s.refuse("chmod")
}

func (f stubbornFile) commit(ctx context.Context) error {
	if err := f.s.refuse("commit"); err != nil {
		return err
	}
	return f.output.commit(ctx)
}

func stubbornAt(dir string, s *stubborn, required bool) *destination {
	s.tree = newMountedTree(dir, 10*time.Second, 0o600, nfsHere())
	return openDestination(s, "", 0o600, required, sdk.Env{})
}

func TestAModeThatTheServerDoesNotKeepIsToldBeforeAndAfter(t *testing.T) {
	t.Parallel()
	const want = "files have mode 0644 on the server, not 0600: look at the export's squashing and ACLs, or set file_mode to what the server gives"
	dir := t.TempDir()
	d := stubbornAt(dir, &stubborn{mode: 0o644, refuses: "chmod"}, false)
	checked := need.Value(d.Check(t.Context()))(t)
	if diff := cmp.Diff([]string{want}, checked.Warnings); diff != "" {
		t.Error(diff)
	}
	for _, existed := range []bool{false, true} {
		got := need.Value(d.Store(t.Context(), staged(t, "a/x", []byte("x"), sdk.VerifyReadBack), nil))(t)
		if got.ModeKept || got.Existed != existed || len(got.Warnings) != 1 || got.Warnings[0] != want {
			t.Errorf("%+v", got)
		}
	}

	dir = t.TempDir()
	d = stubbornAt(dir, &stubborn{mode: 0o644}, true)
	_, err := d.Check(t.Context())
	wantFailure(t, err, failure.Precondition, failure.ModeNotKept)
	_, err = d.Store(t.Context(), staged(t, "x", []byte("x"), sdk.VerifyReadBack), nil)
	wantFailure(t, err, failure.Precondition, failure.ModeNotKept)
	if left := files(t, dir); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

func TestAModeThatIsNotGrantedAtOnceIsAskedForAgain(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		got, err := p.Store(t.Context(), staged(t, "a/x", []byte("x"), sdk.VerifyReadBack), nil)
		if err != nil || !got.ModeKept || got.Warnings != nil {
			t.Fatalf("%+v, %v", got, err)
		}
		for name, want := range map[string]fs.FileMode{"a": 0o700, "a/x": 0o600} {
			i, err := os.Stat(filepath.Join(p.dir, name))
			if err != nil || i.Mode().Perm() != want {
				t.Errorf("%s: %v, %v", name, i.Mode(), err)
			}
		}
	})
}

func TestAServerWithoutLinksIsStoredToByARename(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := stubbornAt(dir, &stubborn{refuses: "link"}, false)
	for _, content := range []string{"x", "x"} {
		if got, err := d.Store(t.Context(), staged(t, "a/x", []byte(content), sdk.VerifyReadBack), nil); err != nil || got.SHA256 == "" {
			t.Errorf("%+v, %v", got, err)
		}
	}
	_, err := d.Store(t.Context(), staged(t, "a/x", []byte("y"), sdk.VerifyReadBack), nil)
	wantFailure(t, err, failure.Exists, failure.Occupied)
	if diff := cmp.Diff([]string{"a/x"}, files(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestACheckFindsWhatAStoreCannotDo(t *testing.T) {
	t.Parallel()
	for refused, said := range map[string]string{
		"mkdir": "make a directory", "create": "make a file", "commit": "make it durable", "rename": "rename a file",
	} {
		t.Run(refused, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, err := stubbornAt(dir, &stubborn{refuses: refused}, false).Check(t.Context())
			wantFailure(t, err, failure.Denied, failure.NoAccess)
			if err == nil || !strings.Contains(err.Error(), said) {
				t.Errorf("%v does not say %q", err, said)
			}
			if left := files(t, dir); left != nil {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}
