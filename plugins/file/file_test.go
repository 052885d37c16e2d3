package file_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plugins/file"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/client"
	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/need"
)

func serve(t *testing.T) *client.Plugin {
	t.Helper()
	p, stop, err := conformance.Serve(file.Plugin())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return p
}

func open(ctx context.Context, p *client.Plugin, dir string, create bool) (sdk.Destination, error) {
	return p.ConfigureDestination(ctx, "file", cty.ObjectVal(map[string]cty.Value{"directory": cty.StringVal(dir), "create_directory": cty.BoolVal(create), "require_mode": cty.False}))
}

// able is what the destination can do.
type able interface {
	sdk.Destination
	sdk.Sweeper
	sdk.Reader
	sdk.Lister
	sdk.Deleter
}

func newFile(t *testing.T, dir string, create bool) able {
	t.Helper()
	d := need.Value(open(t.Context(), serve(t), dir, create))(t)
	return d.(able)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	t.Cleanup(func() { // somebody else's backups may stand beside it
		if left := need.Value(os.ReadDir(dir))(t); len(left) != 1 || left[0].Name() != "dprun-conformance" {
			t.Errorf("the suite leaves %v", left)
		}
		_ = filepath.WalkDir(dir, func(name string, d os.DirEntry, _ error) error {
			if !d.IsDir() {
				t.Errorf("the suite leaves the file %s", name)
			}
			return nil
		})
	})
	for _, c := range conformance.Cases(conformance.Subject{
		Start: conformance.InProcess(file.Plugin()), Kind: schema.KindDestination, Type: "file",
		Config: cty.ObjectVal(map[string]cty.Value{"directory": cty.StringVal(dir)}),
	}) {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			c.Run(t.Context(), t)
		})
	}
}

func request(t *testing.T, path, content string) sdk.StoreRequest {
	t.Helper()
	src := filepath.Join(t.TempDir(), "source")
	need.Done(t, os.WriteFile(src, []byte(content), 0o600))
	sum := sha256.Sum256([]byte(content))
	return sdk.StoreRequest{Source: src, Path: path, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]), Owner: "me"}
}

func wantFailure(t *testing.T, err error, kind failure.Kind, reason failure.Reason) {
	t.Helper()
	if f, ok := errors.AsType[*failure.Error](err); !ok || f.Kind != kind || f.Reason != reason {
		t.Errorf("got %v, want %s/%s", err, kind, reason)
	}
}

func TestAMissingDirectoryIsNotMadeUnlessAskedFor(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "not", "mounted")
	d := newFile(t, dir, false)
	_, err := d.Check(t.Context())
	wantFailure(t, err, failure.NotFound, failure.NoDirectory)
	_, err = d.Store(t.Context(), request(t, "a", "x"), nil)
	wantFailure(t, err, failure.NotFound, failure.NoDirectory)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("the directory was made")
	}
	if _, err := newFile(t, dir, true).Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSymbolicLinksDoNotLeadOut(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	need.Done(t, os.Symlink(outside, filepath.Join(dir, "link")))
	need.Done(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600))
	d := newFile(t, dir, false)
	_, err := d.Store(t.Context(), request(t, "link/a", "x"), nil)
	wantFailure(t, err, failure.Denied, failure.NoAccess)
	_, err = d.Fetch(t.Context(), sdk.FetchRequest{Path: "link/secret", File: filepath.Join(t.TempDir(), "f")}, nil)
	wantFailure(t, err, failure.Denied, failure.NoAccess)
	if err := d.Delete(t.Context(), "link/secret"); err == nil {
		t.Error("a file outside was deleted")
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 1 {
		t.Errorf("outside there are %v", entries)
	}
}

func TestStoredFilesAreForTheirOwnerOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	need.Value(newFile(t, dir, false).Store(t.Context(), request(t, "a/b", "x"), nil))(t)
	for name, want := range map[string]os.FileMode{"a": 0o700, "a/b": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, "a"))
	if err != nil || len(entries) != 1 {
		t.Errorf("there are %v, %v", entries, err)
	}
}

// A file that stands there already is not ours to change: its mode is told.
func TestAnotherModeIsToldOrRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := request(t, "a", "x")
	need.Done(t, os.WriteFile(filepath.Join(dir, "a"), []byte("x"), 0o644))
	got, err := newFile(t, dir, false).Store(t.Context(), r, nil)
	if err != nil || got.ModeKept || len(got.Warnings) != 1 || !strings.HasPrefix(got.Warnings[0], "files have mode 0644, not 0600: ") {
		t.Errorf("%+v, %v", got, err)
	}
	strict, err := serve(t).ConfigureDestination(t.Context(), "file", cty.ObjectVal(map[string]cty.Value{
		"directory": cty.StringVal(dir), "create_directory": cty.False, "require_mode": cty.True}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = strict.Store(t.Context(), r, nil)
	wantFailure(t, err, failure.Precondition, failure.ModeNotKept)
	r.Path = "b"
	if got, err = strict.Store(t.Context(), r, nil); err != nil || !got.ModeKept || got.Warnings != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestACheckTriesWhatAStoreDoes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := newFile(t, dir, false)
	rep, err := d.Check(t.Context())
	if err != nil || len(rep.Warnings) > 0 || rep.WriteOnly != "" || rep.Free <= 0 {
		t.Errorf("%+v, %v", rep, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestSweepRemovesOldTemporaryFilesOfItsOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const mine, other = ".dprun-me-0123456789abcdef.part", ".dprun-me-2-0123456789abcdef.part"
	for _, name := range []string{mine, "sub/" + mine, other, ".dprun-other", ".dprun-me-x.part", "x.part"} {
		path := filepath.Join(dir, name)
		need.Done(t, errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)))
	}
	d := newFile(t, dir, false)
	sweep := func(r sdk.SweepRequest) string {
		rep := need.Value(d.Sweep(t.Context(), r))(t)
		return strings.Join(rep.Removed, " ")
	}
	if got := sweep(sdk.SweepRequest{OlderThan: time.Hour}); got != "" {
		t.Errorf("removed the young %q", got)
	}
	if got := sweep(sdk.SweepRequest{Owner: "me", Prefix: "sub"}); got != "sub/"+mine {
		t.Errorf("removed %q", got)
	}
	if got := sweep(sdk.SweepRequest{Owner: "me"}); got != mine {
		t.Errorf("removed %q", got)
	}
	if got := sweep(sdk.SweepRequest{}); got != other {
		t.Errorf("removed %q", got)
	}
}

func TestARelativeDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	p := serve(t)
	v := cty.ObjectVal(map[string]cty.Value{"directory": cty.StringVal("relative"), "create_directory": cty.False, "require_mode": cty.False})
	ds, err := p.ValidateConfig(t.Context(), schema.KindDestination, "file", "", v)
	if err != nil || len(ds) != 1 || ds[0].Path[0] != "directory" {
		t.Errorf("got %v, %v", ds, err)
	}
}

func TestADirectoryThatIsToBeMadeIsMadeByTheFirstStoreOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	d := newFile(t, dir, true)
	r, err := d.Check(t.Context())
	if err != nil || r.Free <= 0 || len(r.Warnings) != 1 {
		t.Errorf("check: %+v, %v", r, err)
	}
	if found, err := d.List(t.Context(), ""); err != nil || len(found) != 0 {
		t.Errorf("list: %v, %v", found, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("looking made the directory: %v", err)
	}
	src := filepath.Join(t.TempDir(), "x")
	need.Done(t, os.WriteFile(src, []byte("x"), 0o600))
	sum := sha256.Sum256([]byte("x"))
	need.Value(d.Store(t.Context(), sdk.StoreRequest{Source: src, Path: "x", Size: 1, SHA256: hex.EncodeToString(sum[:]), Verify: sdk.VerifyReadBack, Owner: "t"}, func(int64) {}))(t)
	if _, err := os.Stat(filepath.Join(dir, "x")); err != nil {
		t.Error(err)
	}
}
