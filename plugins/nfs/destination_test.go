package nfs

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/store"
	"github.com/dprun/dprun/testfixtures/need"
)

// each runs a test for both ways to reach a server.
func each(t *testing.T, f func(t *testing.T, p place)) {
	t.Helper()
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) { f(t, p) })
	}
}

func TestAStoredFileIsWholeUnderItsNameAlone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		content := bytesOf(5<<20+17, 1)
		for _, verify := range []sdk.Verify{sdk.VerifyReadBack, sdk.VerifySent} {
			name := "gw1/orders/" + string(verify) + ".zip"
			r := staged(t, name, content, verify)
			var last int64
			got, err := p.Store(t.Context(), r, func(n int64) { last = n })
			if err != nil {
				t.Fatal(err)
			}
			want := &sdk.StoreReport{Location: p.tree.location(name), Size: r.Size, SHA256: r.SHA256, Verified: verify, Durable: true, ModeKept: true}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if last != r.Size {
				t.Errorf("progress ended at %d of %d", last, r.Size)
			}
			there, err := os.ReadFile(filepath.Join(p.dir, name))
			if err != nil || !bytes.Equal(there, content) {
				t.Errorf("%s: other content than was stored (%v)", name, err)
			}
		}
		want := []string{"gw1/orders/read_back.zip", "gw1/orders/sent.zip"}
		if diff := cmp.Diff(want, files(t, p.dir)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAnEmptyFileIsStored(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		need.Value(p.Store(t.Context(), staged(t, "empty", nil, sdk.VerifyReadBack), nil))(t)
		there, err := p.List(t.Context(), "")
		if err != nil || len(there) != 1 || there[0].Path != "empty" || there[0].Size != 0 {
			t.Errorf("%+v, %v", there, err)
		}
	})
}

func TestAnExistingNameIsNeverReplaced(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		first, other := bytesOf(1000, 1), bytesOf(1000, 2)
		need.Value(p.Store(t.Context(), staged(t, "x", first, sdk.VerifySent), nil))(t)
		got, err := p.Store(t.Context(), staged(t, "x", first, sdk.VerifySent), nil)
		if err != nil || !got.Existed {
			t.Errorf("storing the same again: %+v, %v", got, err)
		}
		_, err = p.Store(t.Context(), staged(t, "x", other, sdk.VerifySent), nil)
		wantFailure(t, err, failure.Exists, failure.Occupied)
		there, err := os.ReadFile(filepath.Join(p.dir, "x"))
		if err != nil || !bytes.Equal(there, first) {
			t.Errorf("what stood there is gone (%v)", err)
		}
		if diff := cmp.Diff([]string{"x"}, files(t, p.dir)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAChangedStagedFileIsNotPublished(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		r := staged(t, "d/x", bytesOf(100_000, 1), sdk.VerifySent)
		need.Done(t, os.WriteFile(r.Source, bytesOf(100_000, 2), 0o600))
		_, err := p.Store(t.Context(), r, nil)
		wantFailure(t, err, failure.Corrupt, failure.SourceIO)
		if left := files(t, p.dir); left != nil {
			t.Errorf("left behind: %v", left)
		}
	})
}

func TestCheckTellsRoomAndLeavesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		got := need.Value(p.Check(t.Context()))(t)
		if got.Free <= 0 || got.Total < got.Free || got.Location != p.tree.location("") {
			t.Errorf("%+v", got)
		}
		if left := files(t, p.dir); left != nil {
			t.Errorf("left behind: %v", left)
		}
	})
}

func TestAMissingDirectoryIsNotMade(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		d := openDestination(p.tree, "not/there", 0o600, false, sdk.Env{})
		_, err := d.Check(t.Context())
		wantFailure(t, err, failure.NotFound, failure.NoDirectory)
		_, err = d.Store(t.Context(), staged(t, "x", []byte("x"), sdk.VerifySent), nil)
		wantFailure(t, err, failure.NotFound, failure.NoDirectory)
		_, err = d.Fetch(t.Context(), sdk.FetchRequest{Path: "x", File: filepath.Join(t.TempDir(), "x")}, nil)
		wantFailure(t, err, failure.NotFound, failure.NoDirectory)
		_, err = d.List(t.Context(), "")
		wantFailure(t, err, failure.NotFound, failure.NoDirectory)
		if _, err := os.Stat(filepath.Join(p.dir, "not")); err == nil {
			t.Error("it was made")
		}
	})
}

func TestObjectsAreListedFetchedAndDeleted(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		ctx := t.Context()
		for _, name := range []string{"b/2", "a/x/1", "a/2"} {
			need.Value(p.Store(ctx, staged(t, name, []byte(name), sdk.VerifySent), nil))(t)
		}
		names := func(prefix string) (out []string) {
			objects := need.Value(p.List(ctx, prefix))(t)
			for _, o := range objects {
				out = append(out, o.Path)
			}
			return out
		}
		if diff := cmp.Diff([]string{"a/2", "a/x/1", "b/2"}, names("")); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"a/2", "a/x/1"}, names("a")); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string(nil), names("nowhere"), cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
		local := filepath.Join(t.TempDir(), "fetched")
		r, err := p.Fetch(ctx, sdk.FetchRequest{Path: "a/x/1", File: local}, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := staged(t, "", []byte("a/x/1"), "")
		if diff := cmp.Diff(&sdk.FetchReport{Size: want.Size, SHA256: want.SHA256}, r); diff != "" {
			t.Error(diff)
		}
		if got, err := os.ReadFile(local); err != nil || string(got) != "a/x/1" {
			t.Errorf("fetched %q, %v", got, err)
		}
		_, err = p.Fetch(ctx, sdk.FetchRequest{Path: "a/x/1", File: local}, nil)
		wantFailure(t, err, failure.Internal, failure.StagingIO)
		_, err = p.Fetch(ctx, sdk.FetchRequest{Path: "a/none", File: local + "2"}, nil)
		wantFailure(t, err, failure.NotFound, failure.NoSuchFile)
		for range 2 {
			if err := p.Delete(ctx, "a/x/1"); err != nil {
				t.Error(err)
			}
		}
		_, err = p.Fetch(ctx, sdk.FetchRequest{Path: "a/x/1", File: local + "3"}, nil)
		wantFailure(t, err, failure.NotFound, failure.NoSuchFile)
		_, err = p.Fetch(ctx, sdk.FetchRequest{Path: "a", File: local + "3"}, nil)
		wantFailure(t, err, failure.NotFound, failure.NoSuchFile)
	})
}

func TestASweepTakesOldTemporaryFilesOfItsOwnerOnly(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		old, young, foreign, final := store.TempName("run/task"), store.TempName("run/task"), store.TempName("other"), "notes.part"
		for _, name := range []string{old, young, foreign, final} {
			path := filepath.Join(p.dir, "d", name)
			need.Done(t, os.MkdirAll(filepath.Dir(path), 0o755))
			need.Done(t, os.WriteFile(path, nil, 0o644))
			if name != young {
				age := time.Now().Add(-2 * time.Hour)
				need.Done(t, os.Chtimes(path, age, age))
			}
		}
		got, err := p.Sweep(t.Context(), sdk.SweepRequest{Owner: "run/task", OlderThan: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"d/" + old}, got.Removed); diff != "" {
			t.Error(diff)
		}
		if n := len(files(t, p.dir)); n != 3 {
			t.Errorf("%d files are left, want 3", n)
		}
		objects, err := p.List(t.Context(), "")
		if err != nil || len(objects) != 1 || objects[0].Path != "d/"+final {
			t.Errorf("listed %+v, %v", objects, err)
		}
	})
}

func TestNamesThatLeaveTheDirectoryAreRefused(t *testing.T) {
	t.Parallel()
	d := mountedAt(t.TempDir(), "")
	for _, name := range []string{"", ".", "../x", "/x", "a/../x", "a//b", "a\nb", `a\b`, "d/" + store.TempName("x")} {
		_, err := d.Store(t.Context(), staged(t, name, nil, sdk.VerifySent), nil)
		wantFailure(t, err, failure.Precondition, failure.BadConfig)
	}
}

func TestNobodyIsToldToRemoveWhatStandsInTheWay(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		need.Value(p.Store(t.Context(), staged(t, "a", []byte("keep me"), sdk.VerifySent), nil))(t)
		for name, want := range map[string]string{"a/b": "change the destination's `path`", "a": "find out whose it is"} {
			_, err := p.Store(t.Context(), staged(t, name, []byte("other"), sdk.VerifySent), nil)
			f, ok := errors.AsType[*failure.Error](err)
			if !ok || strings.Contains(f.Remedy, "remove") || !strings.Contains(f.Remedy, want) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
}

func TestAMountThatIsAFileIsNamedSo(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "notes.txt")
	need.Done(t, os.WriteFile(file, []byte("keep me"), 0o600))
	_, err := mountedAt(file, "").Check(t.Context())
	wantFailure(t, err, failure.NotFound, failure.NoDirectory)
}
