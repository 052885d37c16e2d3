package nfs

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/dprun/dprun/plugins/nfs/nfsclient"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/ganesha"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestAFullServerLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	srv := ganesha.Start(t, ganesha.WithSize(8<<20))
	d := configured(t, exportConfig(srv))
	_, err := d.Store(t.Context(), staged(t, "d/big", bytesOf(16<<20, 1), sdk.VerifySent), nil)
	wantFailure(t, err, failure.NoSpace, failure.OutOfSpace)
	filled := false
	_, err = d.Store(t.Context(), staged(t, "d/big", bytesOf(7<<20, 1), sdk.VerifySent), func(int64) { // it fits until then
		if !filled {
			filled = true
			if _, err := d.Store(t.Context(), staged(t, "other", bytesOf(3<<20, 1), sdk.VerifySent), nil); err != nil {
				t.Error(err)
			}
		}
	})
	wantFailure(t, err, failure.NoSpace, failure.OutOfSpace)
	if err := d.Delete(t.Context(), "other"); err != nil {
		t.Error(err)
	}
	entries, err := d.tree.readDir(t.Context(), "d")
	if err != nil || len(entries) != 0 {
		t.Errorf("left behind: %+v, %v", entries, err)
	}
	report, err := d.Check(t.Context())
	if err != nil || report.Total != 8<<20 || report.Free < 7<<20 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestAReadOnlyServerIsNamedSo(t *testing.T) {
	t.Parallel()
	d := configured(t, exportConfig(ganesha.Start(t, ganesha.ReadOnly())))
	_, err := d.Check(t.Context())
	wantFailure(t, err, failure.Denied, failure.ReadOnly)
	_, err = d.Store(t.Context(), staged(t, "x", []byte("x"), sdk.VerifySent), nil)
	wantFailure(t, err, failure.Denied, failure.ReadOnly)
}

func TestADirectoryOfSomebodyElseIsDenied(t *testing.T) {
	t.Parallel()
	srv := ganesha.Start(t)
	need.Done(t, os.Chmod(srv.ExportDir, 0o755))
	c := exportConfig(srv)
	uid := 12345
	c.UID, c.GID = &uid, &uid
	_, err := configured(t, c).Check(t.Context())
	wantFailure(t, err, failure.Denied, failure.NoAccess)
}

// Servers do not tell a client that an export is missing from that it is not for it.
func TestAnUnknownExportIsDenied(t *testing.T) {
	t.Parallel()
	c := exportConfig(ganesha.Start(t))
	c.Export = "/nowhere"
	_, err := configured(t, c).Check(t.Context())
	wantFailure(t, err, failure.Denied, failure.NoAccess)
}

func TestAServerKilledWhileWritingPublishesNothing(t *testing.T) {
	t.Parallel()
	srv := ganesha.Start(t)
	d := configured(t, exportConfig(srv))
	killed := false
	_, err := d.Store(t.Context(), staged(t, "d/x", bytesOf(48<<20, 1), sdk.VerifySent), func(n int64) {
		if n > 8<<20 && !killed {
			killed = true
			srv.Kill()
		}
	})
	wantFailure(t, err, failure.Unavailable, failure.Unreachable)
	if _, err := os.Stat(filepath.Join(srv.ExportDir, "d/x")); err == nil {
		t.Error("a partial file stands under the final name")
	}
	need.Done(t, srv.Restart())
	if _, err := d.Store(t.Context(), staged(t, "d/x", bytesOf(48<<20, 1), sdk.VerifyReadBack), nil); err != nil {
		t.Errorf("storing again after the restart: %v", err)
	}
	if left := files(t, srv.ExportDir); len(left) != 1 {
		t.Errorf("there stand %q, want the file alone", left)
	}
}

func TestAServerThatRestartsWhileWritingIsSentTheFileAgain(t *testing.T) {
	t.Parallel()
	srv := ganesha.Start(t)
	d := configured(t, exportConfig(srv))
	time.Sleep(1100 * time.Millisecond) // the verifier is the start time in seconds
	tree := &restarting{exportTree: d.tree.(*exportTree), restart: srv.Restart}
	d.tree = tree
	content := bytesOf(3<<20, 1)
	need.Value(d.Store(t.Context(), staged(t, "x", content, sdk.VerifyReadBack), nil))(t)
	if tree.commits != 2 {
		t.Errorf("%d commits, want 2", tree.commits)
	}
	there, err := os.ReadFile(filepath.Join(srv.ExportDir, "x"))
	if err != nil || string(there) != string(content) {
		t.Errorf("other content than was stored (%v)", err)
	}
}

// restarting restarts the server before the first commit.
type restarting struct {
	*exportTree
	restart func() error
	commits int
}

func (r *restarting) create(ctx context.Context, name string) (output, error) {
	out, err := r.exportTree.create(ctx, name)
	return restartingFile{out, r}, err
}

type restartingFile struct {
	output
	r *restarting
}

func (f restartingFile) commit(ctx context.Context) error {
	f.r.commits++
	if f.r.commits == 1 {
		if err := f.r.restart(); err != nil {
			return err
		}
	}
	return f.output.commit(ctx)
}

func TestACopyThatChangedOnTheServerIsNotPublished(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		p.tree = corrupting{p.tree, p.dir}
		_, err := p.Store(t.Context(), staged(t, "x", bytesOf(100_000, 1), sdk.VerifyReadBack), nil)
		wantFailure(t, err, failure.Corrupt, failure.Mismatch)
		if left := files(t, p.dir); left != nil {
			t.Errorf("left behind: %v", left)
		}
	})
}

// corrupting flips a byte of a file on the server after its commit.
type corrupting struct {
	tree
	dir string
}

func (c corrupting) create(ctx context.Context, name string) (output, error) {
	out, err := c.tree.create(ctx, name)
	return corruptingFile{out, filepath.Join(c.dir, name)}, err
}

type corruptingFile struct {
	output
	path string
}

func (f corruptingFile) commit(ctx context.Context) error {
	if err := f.output.commit(ctx); err != nil {
		return err
	}
	b, err := os.ReadFile(f.path)
	if err != nil {
		return err
	}
	b[500] ^= 1
	file, err := os.OpenFile(f.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.Write(b)
	return err
}

func TestACancelledStoreEndsAtOnceAndCleansUp(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		_, err := p.Store(ctx, staged(t, "x", bytesOf(64<<20, 1), sdk.VerifySent), func(int64) { cancel() })
		wantFailure(t, err, failure.Cancelled, "")
		if took := time.Since(start); took > time.Minute {
			t.Errorf("it took %v", took)
		}
		if left := files(t, p.dir); left != nil {
			t.Errorf("left behind: %v", left)
		}
	})
}

func TestServersThatDoNotAnswerAreTold(t *testing.T) {
	t.Parallel()
	l := need.Value(net.Listen("tcp", "127.0.0.1:0"))(t)
	port := l.Addr().(*net.TCPAddr).Port
	c := Config{Server: "127.0.0.1", Export: "/e", NFSPort: port, MountPort: port, Timeout: 100 * time.Millisecond}
	_, err := configured(t, c).Check(t.Context()) // the kernel accepts, nobody reads
	wantFailure(t, err, failure.Timeout, failure.Unreachable)
	l.Close()
	_, err = configured(t, c).Check(t.Context())
	wantFailure(t, err, failure.Unavailable, failure.Unreachable)
}

func TestAPathThatIsNotALiveMountIsRefused(t *testing.T) {
	t.Parallel()
	c := Config{Mount: t.TempDir(), Timeout: 10 * time.Second}
	d := configured(t, c)
	_, err := d.Check(t.Context())
	wantFailure(t, err, failure.Precondition, failure.NotMounted)
	_, err = d.Store(t.Context(), staged(t, "x", []byte("x"), sdk.VerifySent), nil)
	wantFailure(t, err, failure.Precondition, failure.NotMounted)
	if left := files(t, c.Mount); left != nil {
		t.Errorf("written to the local disk: %v", left)
	}
}

func TestAStaleMountNeverHoldsTheCaller(t *testing.T) {
	t.Parallel()
	free := make(chan struct{})
	system := nfsHere()
	system.statFS = func(*os.File) (fileSystem, error) {
		<-free
		return fileSystem{}, io.EOF
	}
	tree := newMountedTree(t.TempDir(), 20*time.Millisecond, 0o600, system)
	d := openDestination(tree, "", 0o600, false, sdk.Env{})
	for range maxStuck + 3 {
		_, err := d.Check(t.Context())
		wantFailure(t, err, failure.Timeout, failure.Unreachable)
	}
	if n := tree.stuck.Load(); n != maxStuck {
		t.Errorf("%d operations wait, want %d at most", n, maxStuck)
	}
	close(free)
	for end := time.Now().Add(time.Minute); tree.stuck.Load() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("operations that came back are still counted")
		}
	}
}

func TestWhatCannotBeMadeDurableIsNotPublished(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"the server cannot":       nfsclient.ErrIO,
		"the server loses it all": nfsclient.ErrVerifierChanged,
		"a late error of fsync":   syscall.EIO,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			d := mountedAt(dir, "")
			d.tree = unsafe{d.tree, err}
			_, err := d.Store(t.Context(), staged(t, "x", []byte("x"), sdk.VerifySent), nil)
			wantFailure(t, err, failure.Unavailable, failure.NotDurable)
			if left := files(t, dir); left != nil {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// unsafe fails every commit.
type unsafe struct {
	tree
	err error
}

func (u unsafe) create(ctx context.Context, name string) (output, error) {
	out, err := u.tree.create(ctx, name)
	return unsafeFile{out, u.err}, err
}

type unsafeFile struct {
	output
	err error
}

func (f unsafeFile) commit(context.Context) error { return f.err }
