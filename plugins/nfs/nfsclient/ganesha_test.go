package nfsclient_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plugins/nfs/nfsclient"
	"github.com/dprun/dprun/testfixtures/ganesha"
	"github.com/dprun/dprun/testfixtures/need"
)

// content is n bytes that no compression or accident reproduces.
func content(n int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{1, 2, 3}), n)
}

func mountServer(t testing.TB, s *ganesha.Server, change func(*nfsclient.Options)) *nfsclient.FS {
	t.Helper()
	o := nfsclient.Options{Server: s.Host, Export: s.Export, NFSPort: s.NFSPort, MountPort: s.MountPort}
	if change != nil {
		change(&o)
	}
	f := need.Value(nfsclient.Mount(t.Context(), o))(t)
	t.Cleanup(func() { f.Close() })
	return f
}

func TestARealServerKeepsWhatIsCommitted(t *testing.T) {
	t.Parallel()
	const size = 64<<20 + 12345
	srv := ganesha.Start(t)
	f := mountServer(t, srv, nil)
	ctx := t.Context()

	need.Done(t, f.MkdirAll(ctx, "gw1/2026/orders"))
	if err := f.MkdirAll(ctx, "gw1/2026/orders"); err != nil {
		t.Fatalf("making a directory that exists: %v", err)
	}
	file := need.Value(f.Create(ctx, "gw1/2026/orders/.part"))(t)
	sent := sha256.New()
	n, err := file.WriteFrom(ctx, io.TeeReader(content(size), sent))
	if err != nil || n != size {
		t.Fatalf("wrote %d bytes: %v", n, err)
	}
	need.Done(t, file.Commit(ctx))
	if _, err := f.Create(ctx, "gw1/2026/orders/.part"); !errors.Is(err, nfsclient.ErrExist) || !errors.Is(err, fs.ErrExist) {
		t.Errorf("creating what exists: %v", err)
	}
	space, err := f.StatFS(ctx, "gw1")
	if err != nil || space.Total == 0 || space.Available == 0 || space.Available > space.Total {
		t.Errorf("space %+v: %v", space, err)
	}
	need.Done(t, f.Link(ctx, "gw1/2026/orders/.part", "gw1/2026/orders/linked"))
	if err := f.Link(ctx, "gw1/2026/orders/.part", "gw1/2026/orders/linked"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a link to a name that is taken: %v", err)
	}
	need.Done(t, f.Remove(ctx, "gw1/2026/orders/linked"))
	need.Done(t, f.Rename(ctx, "gw1/2026/orders/.part", "gw1/2026/orders/export.zip"))
	again := need.Value(f.Open(ctx, "gw1/2026/orders/export.zip"))(t)
	read := sha256.New()
	if n, err := again.WriteTo(ctx, read); err != nil || n != size {
		t.Fatalf("read %d bytes: %v", n, err)
	}
	if !bytes.Equal(sent.Sum(nil), read.Sum(nil)) {
		t.Error("what was read is not what was written")
	}
	local, err := os.Stat(filepath.Join(srv.ExportDir, "gw1/2026/orders/export.zip"))
	if err != nil || local.Size() != size {
		t.Errorf("on the server's disk: %v, %v", local, err)
	}
	entries := need.Value(f.ReadDir(ctx, "gw1/2026/orders"))(t)
	if len(entries) != 1 || entries[0].Name != "export.zip" || entries[0].Attr.Size != size || !entries[0].Attr.IsRegular() {
		t.Errorf("listed %+v", entries)
	}
	need.Done(t, f.Remove(ctx, "gw1/2026/orders/export.zip"))
	if _, err := f.Stat(ctx, "gw1/2026/orders/export.zip"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat of what was removed: %v", err)
	}
	if err := f.RemoveDir(ctx, "gw1"); !errors.Is(err, nfsclient.ErrNotEmpty) {
		t.Errorf("removing a directory that is not empty: %v", err)
	}
	if err := f.RemoveDir(ctx, "gw1/2026/orders"); err != nil {
		t.Error(err)
	}
}

func TestARealServerListsLargeDirectoriesWhole(t *testing.T) {
	t.Parallel()
	srv := ganesha.Start(t)
	f := mountServer(t, srv, nil)
	want := map[string]bool{}
	for i := range 700 {
		name := string(rune('a'+i%26)) + "-" + time.Unix(int64(i), 0).UTC().Format("150405") + "-a-name-of-some-length.zip"
		want[name] = true
		need.Done(t, os.WriteFile(filepath.Join(srv.ExportDir, name), nil, 0o600))
	}
	entries := need.Value(f.ReadDir(t.Context(), ""))(t)
	got := map[string]bool{}
	for _, e := range entries {
		got[e.Name] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAFullServerSaysNoSpace(t *testing.T) {
	t.Parallel()
	f := mountServer(t, ganesha.Start(t, ganesha.WithSize(8<<20)), nil)
	file := need.Value(f.Create(t.Context(), "big"))(t)
	if _, err := file.WriteFrom(t.Context(), content(32<<20)); !errors.Is(err, nfsclient.ErrNoSpc) {
		t.Errorf("writing more than there is room for: %v", err)
	}
	space, err := f.StatFS(t.Context(), "")
	if err != nil || space.Total != 8<<20 {
		t.Errorf("space %+v: %v", space, err)
	}
}

func TestAReadOnlyExportSaysSo(t *testing.T) {
	t.Parallel()
	f := mountServer(t, ganesha.Start(t, ganesha.ReadOnly()), nil)
	if _, err := f.Create(t.Context(), "x"); !errors.Is(err, nfsclient.ErrROFS) {
		t.Errorf("creating on a read-only export: %v", err)
	}
}

func TestARestartBetweenWriteAndCommitIsNoticed(t *testing.T) {
	t.Parallel()
	srv := ganesha.Start(t)
	f := mountServer(t, srv, nil)
	ctx := t.Context()
	file := need.Value(f.Create(ctx, "x"))(t)
	need.Value(file.WriteFrom(ctx, content(3<<20)))(t)
	// Ganesha's verifier is its start time in seconds.
	time.Sleep(1100 * time.Millisecond)
	need.Done(t, srv.Restart())
	if err := file.Commit(ctx); !errors.Is(err, nfsclient.ErrVerifierChanged) {
		t.Fatalf("commit after a restart: %v", err)
	}
	file.Rewind()
	need.Value(file.WriteFrom(ctx, content(3<<20)))(t)
	if err := file.Commit(ctx); err != nil {
		t.Fatalf("commit after writing again: %v", err)
	}
}

func TestAServerKilledWhileWritingEndsTheCall(t *testing.T) {
	t.Parallel()
	srv := ganesha.Start(t)
	f := mountServer(t, srv, nil)
	file := need.Value(f.Create(t.Context(), "x"))(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var sent int64
	_, err := file.WriteFrom(ctx, readerFunc(func(p []byte) (int, error) {
		if sent += int64(len(p)); sent > 8<<20 {
			srv.Kill()
		}
		return len(p), nil
	}))
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("writing to a killed server: %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
