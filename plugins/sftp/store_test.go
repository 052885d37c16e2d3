package sftp

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	pkgsftp "github.com/pkg/sftp"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/sshd"
)

func TestStorePublishesTheWholeFileOnly(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{})
	d := open(t, configFor(t, s))
	want := map[string]string{}
	for _, verify := range []sdk.Verify{sdk.VerifyReadBack, sdk.VerifySent} {
		for _, size := range []int{0, 1, maxWindowPacket, maxWindowPacket + 1, 9_000_000} {
			r := request(t, fmt.Sprintf("site/gw 1/%s/%d.zip", verify, size), size)
			r.Verify = verify
			var seen int64
			got, err := d.Store(within(t, testLimit), r, func(n int64) { seen = n })
			if err != nil {
				t.Fatalf("%s: %v\n%s", r.Path, err, s.Log())
			}
			if diff := cmp.Diff(&sdk.StoreReport{
				Location: s.URL() + "/" + r.Path, Size: r.Size, SHA256: r.SHA256, Verified: verify, Durable: true, ModeKept: true,
			}, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", r.Path, diff)
			}
			if seen != r.Size {
				t.Errorf("%s: progress ended at %d of %d", r.Path, seen, r.Size)
			}
			want[r.Path] = r.SHA256
		}
	}
	if diff := cmp.Diff(want, files(t, s.Dir)); diff != "" {
		t.Errorf("on the server (-want +got):\n%s", diff)
	}
	st, err := os.Stat(filepath.Join(s.Dir, "site/gw 1/sent/1.zip"))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", st.Mode(), err)
	}
	st, err = os.Stat(filepath.Join(s.Dir, "site"))
	if err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("directory's mode %v, %v; want 0700", st.Mode(), err)
	}
}

func TestStoreMeetsAFinalNameThatIsTaken(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
	d := open(t, configFor(t, s))
	r := request(t, "a/file", 300_000)
	need.Value(d.Store(within(t, testLimit), r, nil))(t)
	before := files(t, s.Dir)

	got, err := d.Store(within(t, testLimit), r, nil)
	if err != nil || !got.Existed || !got.Durable || got.Verified != sdk.VerifyReadBack {
		t.Errorf("the same again: %+v, %v; want a durable copy that existed", got, err)
	}
	other := request(t, "another content", 300_000)
	other.Path = r.Path
	_, err = d.Store(within(t, testLimit), other, nil)
	if f := wantFailure(t, err, failure.Exists, failure.Occupied); !strings.HasPrefix(f.Remedy, "find out whose it is") {
		t.Errorf("the first advice is %q", f.Remedy)
	}

	below := request(t, "a/file/below", 1)
	_, err = d.Store(within(t, testLimit), below, nil)
	if f := wantFailure(t, err, failure.Exists, failure.Occupied); !strings.HasPrefix(f.Remedy, "change the destination's `path`") {
		t.Errorf("the first advice is %q", f.Remedy)
	}

	if diff := cmp.Diff(before, files(t, s.Dir)); diff != "" {
		t.Errorf("the server's files changed:\n%s", diff)
	}
}

func TestStoreDoesNotReplaceWhatAppearsWhileItSends(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
	d := open(t, configFor(t, s))
	for name, c := range map[string]struct {
		same    bool
		existed bool
	}{"same": {same: true, existed: true}, "other": {}} {
		r := request(t, name, 10_000_000)
		content := need.Value(os.ReadFile(r.Source))(t)
		if !c.same {
			content = []byte("somebody else's")
		}
		got, err := d.Store(within(t, testLimit), r, func(int64) {
			if err := os.WriteFile(filepath.Join(s.Dir, name), content, 0o644); err != nil {
				t.Error(err)
			}
		})
		if c.same {
			if err != nil || !got.Existed {
				t.Errorf("%s: %+v, %v; want a copy that existed", name, got, err)
			}
		} else {
			wantFailure(t, err, failure.Exists, failure.Occupied)
		}
		if b, err := os.ReadFile(filepath.Join(s.Dir, name)); err != nil || string(b) != string(content) {
			t.Errorf("%s: what stood there was replaced, %v", name, err)
		}
	}
	if got := files(t, s.Dir); len(got) != 2 {
		t.Errorf("left behind: %v", got)
	}
}

func TestStoreRunsBeyondItsConnections(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
	c := configFor(t, s)
	c.Connections = 3
	d := open(t, c)
	want := map[string]string{}
	var wg sync.WaitGroup
	for i := range 12 {
		r := request(t, fmt.Sprintf("deep/er/%d", i), 400_000)
		want[r.Path] = r.SHA256
		wg.Go(func() {
			if _, err := d.Store(within(t, testLimit), r, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(want, files(t, s.Dir)); diff != "" {
		t.Errorf("on the server (-want +got):\n%s", diff)
	}
	if n := strings.Count(s.Log(), "Accepted publickey"); n == 0 || n > 3 {
		t.Errorf("%d logins, want at most 3", n)
	}
}

func TestStoreRefusesASourceThatIsNotTheCapturedOne(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
	d := open(t, configFor(t, s))
	good := request(t, "file", 600_000)
	for name, change := range map[string]func(*sdk.StoreRequest){
		"wrong hash, read back": func(r *sdk.StoreRequest) { r.SHA256 = strings.Repeat("0", 64) },
		"wrong hash, sent":      func(r *sdk.StoreRequest) { r.SHA256 = strings.Repeat("0", 64); r.Verify = sdk.VerifySent },
		"too long":              func(r *sdk.StoreRequest) { r.Size-- },
		"too short":             func(r *sdk.StoreRequest) { r.Size++ },
		"missing":               func(r *sdk.StoreRequest) { r.Source += "x" },
		"a directory":           func(r *sdk.StoreRequest) { r.Source = filepath.Dir(r.Source) },
	} {
		r := good
		change(&r)
		_, err := d.Store(within(t, testLimit), r, nil)
		if f := wantFailure(t, err, failure.Corrupt, failure.SourceIO); f.Message == "" {
			t.Errorf("%s: no message", name)
		}
	}
	if got := files(t, s.Dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

func TestStoreTellsWhatTheServerDoesNotAllow(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
	locked := filepath.Join(s.Dir, "locked")
	need.Done(t, os.Mkdir(locked, 0o555))
	for name, c := range map[string]struct {
		directory string
		kind      failure.Kind
		reason    failure.Reason
		say       string
	}{
		"no directory":         {filepath.Join(s.Dir, "nowhere"), failure.NotFound, failure.NoDirectory, "make it on the server"},
		"no write permission":  {locked, failure.Denied, failure.NoAccess, "write permission"},
		"a file, not a folder": {s.PrivateKey, failure.NotFound, failure.NoDirectory, "correct `directory`"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := configFor(t, s)
			config.Directory = c.directory
			d := open(t, config)
			for _, path := range []string{"file", "new/directory/file"} {
				_, err := d.Store(within(t, testLimit), request(t, path, 10), nil)
				if f := wantFailure(t, err, c.kind, c.reason); !strings.Contains(f.Remedy, c.say) {
					t.Errorf("%s: remedy %q does not say %q", path, f.Remedy, c.say)
				}
			}
			_, err := d.Check(within(t, testLimit))
			wantFailure(t, err, c.kind, c.reason)
		})
	}
}

func TestStoreAsksTheFileSystemWhyAWriteFailed(t *testing.T) {
	t.Parallel()
	roomy := pkgsftp.StatVFS{Frsize: 4096, Bsize: 4096, Blocks: 1 << 20, Bavail: 1 << 19, Files: 100, Favail: 50}
	with := func(change func(*pkgsftp.StatVFS)) *pkgsftp.StatVFS {
		v := roomy
		change(&v)
		return &v
	}
	for name, c := range map[string]struct {
		files  *diskFiles
		size   int
		kind   failure.Kind
		reason failure.Reason
	}{
		"too big to try":    {&diskFiles{vfs: with(func(v *pkgsftp.StatVFS) { v.Bavail = 1 })}, 10_000, failure.NoSpace, failure.OutOfSpace},
		"full while sent":   {&diskFiles{vfs: with(func(v *pkgsftp.StatVFS) { v.Bavail = 8 }), writeErr: syscall.ENOSPC}, 10_000, failure.NoSpace, failure.OutOfSpace},
		"out of inodes":     {&diskFiles{vfs: with(func(v *pkgsftp.StatVFS) { v.Favail = 0 }), writeErr: syscall.ENOSPC}, 10_000, failure.NoSpace, failure.OutOfSpace},
		"read-only":         {&diskFiles{vfs: with(func(v *pkgsftp.StatVFS) { v.Flag = readOnlyFlag }), writeErr: syscall.EROFS}, 10_000, failure.Denied, failure.ReadOnly},
		"permission":        {&diskFiles{vfs: &roomy, writeErr: pkgsftp.ErrSSHFxPermissionDenied}, 10_000, failure.Denied, failure.NoAccess},
		"room, yet a fault": {&diskFiles{vfs: &roomy, writeErr: syscall.EDQUOT}, 10_000, failure.NoSpace, failure.OutOfSpace},
		"no statvfs":        {&diskFiles{writeErr: syscall.ENOSPC}, 10_000, failure.NoSpace, failure.OutOfSpace},
		"flipped bit":       {&diskFiles{vfs: &roomy, flip: true}, 900_000, failure.Corrupt, failure.Mismatch},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startFake(t, &fakeServer{password: fakePassword, files: c.files})
			d := open(t, s.config())
			_, err := d.Store(within(t, testLimit), request(t, "dir/file", c.size), nil)
			wantFailure(t, err, c.kind, c.reason)
			if got := files(t, s.dir); len(got) != 0 {
				t.Errorf("left behind: %v", got)
			}
			_ = d.Close()
		})
	}
}

func TestStoreOnAServerWithoutFsyncIsNotDurable(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]*diskFiles{"rename": {}, "posix-rename only": {quirks: "renamerefused"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startFake(t, &fakeServer{password: fakePassword, files: f})
			d := open(t, s.config())
			r := request(t, "file", 700_000)
			got, err := d.Store(within(t, testLimit), r, nil)
			if err != nil || got.Durable {
				t.Fatalf("got %+v, %v; want a copy that is not durable", got, err)
			}
			if diff := cmp.Diff(map[string]string{"file": r.SHA256}, files(t, s.dir)); diff != "" {
				t.Errorf("on the server (-want +got):\n%s", diff)
			}
			report, err := d.Check(within(t, testLimit))
			if err != nil || report.Free != -1 || report.Total != -1 || !strings.Contains(report.Warnings[0], "not durable") {
				t.Errorf("check: %+v, %v; want unknown room and a warning", report, err)
			}
			_ = d.Close()
		})
	}
}

func TestStoreOnAnOpenSSHThatDeniesExtensions(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}, Deny: []string{"fsync", "statvfs", "posix-rename"}})
	d := open(t, configFor(t, s))
	r := request(t, "dir/file", 700_000)
	for _, existed := range []bool{false, true} {
		got, err := d.Store(within(t, testLimit), r, nil)
		if err != nil || got.Durable || got.Existed != existed {
			t.Fatalf("got %+v, %v; want a copy that is not durable, existed %v", got, err, existed)
		}
	}
	if diff := cmp.Diff(map[string]string{"dir/file": r.SHA256}, files(t, s.Dir)); diff != "" {
		t.Errorf("on the server (-want +got):\n%s", diff)
	}
	report, err := d.Check(within(t, testLimit))
	if err != nil || report.Free != -1 || report.Total != -1 || len(report.Warnings) != 1 {
		t.Errorf("check: %+v, %v; want unknown room and a warning", report, err)
	}
}

// TestCheckAndStoreAgreeOnWhatIsDurable: most servers flush files only.
func TestCheckAndStoreAgreeOnWhatIsDurable(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
	for mode, durable := range map[os.FileMode]bool{0o333: false, 0o777: true} {
		if err := os.Chmod(s.Dir, mode); err != nil { // 0333: it cannot be opened, and so not flushed
			t.Fatal(err)
		}
		d := open(t, configFor(t, s))
		checked := need.Value(d.Check(within(t, testLimit)))(t)
		got, err := d.Store(within(t, testLimit), request(t, mode.String(), 10), nil)
		if err != nil || got.Durable != durable || strings.Contains(strings.Join(checked.Warnings, "\n"), "not durable") == durable {
			t.Errorf("mode %s: got %+v, %v, and before that the warnings %q; want durable %v", mode, got, err, checked.Warnings, durable)
		}
	}
}

func TestCheckLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
	need.Done(t, os.Mkdir(filepath.Join(s.Dir, "sub"), 0o777))
	need.Done(t, os.Chmod(filepath.Join(s.Dir, "sub"), 0o777))
	c := configFor(t, s)
	c.Directory = "sub" // relative to where the login starts
	d := open(t, c)
	got := need.Value(d.Check(within(t, testLimit)))(t)
	if got.Free <= 0 || got.Total < got.Free || got.Location != s.URL()+"/sub" || len(got.Warnings) != 0 {
		t.Errorf("report %+v", got)
	}
	if got := files(t, s.Dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

func TestCallsAfterCloseFail(t *testing.T) {
	t.Parallel()
	s := sshd.Start(t, sshd.Options{HostKeys: []string{sshd.ED25519}})
	d := open(t, configFor(t, s))
	need.Done(t, d.Close())
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	if _, err := d.Check(ctx); err == nil {
		t.Error("a closed destination answered")
	}
}
