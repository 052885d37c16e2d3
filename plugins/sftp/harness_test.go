package sftp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/sshd"
)

// testLimit bounds calls that must not hang.
const testLimit = time.Minute

// configFor is the configuration for a server, with the key that it accepts.
func configFor(t testing.TB, s *sshd.Server) Config {
	t.Helper()
	key := need.Value(os.ReadFile(s.PrivateKey))(t)
	return Config{
		Host: s.Host, Port: s.Port, Username: s.User, PrivateKey: string(key), KnownHosts: s.KnownHosts,
		Directory: s.Dir, ConnectTimeout: 10 * time.Second, FileMode: "0600", Connections: 4, StallTimeout: time.Minute,
	}
}

// open makes a destination that ends with the test.
func open(t testing.TB, c Config) *destination {
	t.Helper()
	d, err := newDestination(c, sdk.Env{}, "", defaultTiming)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// on runs f on a session.
func on(t testing.TB, d *destination, f func(*session) error) error {
	t.Helper()
	ctx := within(t, testLimit)
	x := need.Value(d.acquire(ctx))(t)
	defer x.release()
	return x.on(ctx, "", f)
}

// request makes a local file of size bytes and the request to store it.
func request(t testing.TB, name string, size int) sdk.StoreRequest {
	t.Helper()
	data := make([]byte, size)
	r := rand.NewChaCha8(sha256.Sum256([]byte(name)))
	_, _ = r.Read(data)
	local := filepath.Join(t.TempDir(), "staged")
	need.Done(t, os.WriteFile(local, data, 0o600))
	sum := sha256.Sum256(data)
	return sdk.StoreRequest{
		Source: local, Path: name, Size: int64(size), SHA256: hex.EncodeToString(sum[:]),
		Verify: sdk.VerifyReadBack, Owner: "run-1/task-1",
	}
}

// files lists every file below dir with the hash of its content.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		rel, err := filepath.Rel(dir, p)
		out[filepath.ToSlash(rel)] = hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// wantFailure checks the class of a failure and that it tells what to do.
func wantFailure(t testing.TB, err error, kind failure.Kind, reason failure.Reason) *failure.Error {
	t.Helper()
	var f *failure.Error
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a failure %s/%s", err, kind, reason)
	}
	if f.Kind != kind || f.Reason != reason {
		t.Fatalf("got %s/%s (%v), want %s/%s", f.Kind, f.Reason, f, kind, reason)
	}
	return f
}

// within bounds a call that must not hang.
func within(t testing.TB, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits for something that other goroutines or processes bring about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}
