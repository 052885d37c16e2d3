package nfs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/ganesha"
	"github.com/dprun/dprun/testfixtures/need"
)

// place is a destination under test and its directory on the local disk.
type place struct {
	*destination
	dir string
}

func exportConfig(s *ganesha.Server) Config {
	return Config{
		Server: s.Host, Export: s.Export, NFSPort: s.NFSPort, MountPort: s.MountPort,
		WriteSize: 256 << 10, Timeout: 20 * time.Second,
	}
}

func configured(t testing.TB, c Config) *destination {
	t.Helper()
	if c.FileMode == "" { // the schema's default
		c.FileMode = "0600"
	}
	d, err := newDestination(c, sdk.Env{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// nfsHere says of every directory that it is on NFS: no kernel mount can be had
// in a test.
func nfsHere() mountSystem {
	s := hostSystem()
	real := s.statFS
	s.statFS = func(f *os.File) (fileSystem, error) {
		fs, err := real(f)
		fs.nfs = true
		return fs, err
	}
	s.fsType = func(string) (string, error) { return "nfs4", nil }
	return s
}

func mountedAt(dir, base string) *destination {
	return openDestination(newMountedTree(dir, 10*time.Second, 0o600, nfsHere()), base, 0o600, false, sdk.Env{})
}

// places are both ways to reach a server.
func places(t *testing.T) map[string]place {
	t.Helper()
	srv := ganesha.Start(t)
	mounted := t.TempDir()
	return map[string]place{
		"export": {configured(t, exportConfig(srv)), srv.ExportDir},
		"mount":  {mountedAt(mounted, ""), mounted},
	}
}

func bytesOf(n int64, seed byte) []byte {
	b, err := io.ReadAll(io.LimitReader(rand.NewChaCha8([32]byte{seed}), n))
	if err != nil {
		panic(err) // a generator does not fail
	}
	return b
}

// staged writes a file to be stored under name and returns the request.
func staged(t testing.TB, name string, content []byte, verify sdk.Verify) sdk.StoreRequest {
	t.Helper()
	f := need.Value(os.CreateTemp(t.TempDir(), "staged"))(t)
	need.Value(io.Copy(f, bytes.NewReader(content)))(t)
	need.Done(t, f.Close())
	sum := sha256.Sum256(content)
	return sdk.StoreRequest{
		Source: f.Name(), Path: name, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]), Verify: verify, Owner: "run/task",
	}
}

func wantFailure(t *testing.T, err error, kind failure.Kind, reason failure.Reason) {
	t.Helper()
	var f *failure.Error
	if !errors.As(err, &f) || f.Kind != kind || f.Reason != reason {
		t.Errorf("got %+v, want %s/%s", err, kind, reason)
	}
}

// files lists the regular files below dir.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			rel, _ := filepath.Rel(dir, p)
			out = append(out, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
