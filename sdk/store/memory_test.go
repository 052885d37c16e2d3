package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/store"
)

// memory is a destination in memory whose operations can be made to fail.
type memory struct {
	mu     sync.Mutex
	files  map[string][]byte
	dirs   map[string]bool
	free   int64
	mode   fs.FileMode
	before func(op, name string) error // asked before every operation
	after  func(op, name string) error // after every one that went well
	sends  int                         // how often Put reads the file
}

func newMemory() *memory {
	return &memory{files: map[string][]byte{}, dirs: map[string]bool{"": true}, free: 1 << 40, mode: 0o600, sends: 1}
}

func (m *memory) do(op, name string, f func() error) error {
	if m.before != nil {
		if err := m.before(op, name); err != nil {
			return err
		}
	}
	m.mu.Lock()
	err := f()
	m.mu.Unlock()
	if err == nil && m.after != nil {
		err = m.after(op, name)
	}
	return err
}

func (m *memory) Location(name string) string { return "mem://" + name }

func (m *memory) Mkdir(_ context.Context, dir string) error {
	return m.do("mkdir", dir, func() error {
		if !m.dirs[""] {
			return fs.ErrNotExist
		}
		for ; dir != "" && dir != "."; dir = path.Dir(dir) {
			if _, taken := m.files[dir]; taken {
				return store.InTheWay(m.Location(dir))
			}
			m.dirs[dir] = true
		}
		return nil
	})
}

func (m *memory) Put(_ context.Context, name string, src io.ReaderAt, size int64) (i store.Info, err error) {
	err = m.do("put", name, func() error {
		var content []byte
		for range m.sends {
			content, err = io.ReadAll(io.NewSectionReader(src, 0, size))
			if err != nil {
				m.files[name] = content
				return err
			}
		}
		m.files[name] = content
		i = store.Info{Size: int64(len(content)), Regular: true, Mode: m.mode}
		return nil
	})
	return i, err
}

func (m *memory) Get(_ context.Context, name string, _ int64, w io.Writer) (n int64, err error) {
	err = m.do("get", name, func() error {
		content, ok := m.files[name]
		if !ok {
			return fs.ErrNotExist
		}
		n, err = bytes.NewReader(content).WriteTo(w)
		return err
	})
	return n, err
}

func (m *memory) Publish(_ context.Context, from, to string) error {
	return m.do("publish", to, func() error {
		if _, taken := m.files[to]; taken {
			return fs.ErrExist
		}
		m.files[to] = m.files[from]
		delete(m.files, from)
		return nil
	})
}

func (m *memory) Remove(_ context.Context, name string) error {
	return m.do("remove", name, func() error {
		if _, ok := m.files[name]; !ok {
			return fs.ErrNotExist
		}
		delete(m.files, name)
		return nil
	})
}

func (m *memory) Stat(_ context.Context, name string) (i store.Info, err error) {
	err = m.do("stat", name, func() error {
		content, ok := m.files[name]
		if !ok && !m.dirs[name] {
			return fs.ErrNotExist
		}
		i = store.Info{Name: path.Base(name), Size: int64(len(content)), Modified: time.Unix(1, 0), Dir: !ok, Regular: ok, Mode: m.mode}
		return nil
	})
	return i, err
}

func (m *memory) List(_ context.Context, dir string) (out []store.Info, err error) {
	err = m.do("list", dir, func() error {
		if !m.dirs[dir] {
			return fs.ErrNotExist
		}
		for d := range m.dirs {
			if d != "" && strings.TrimPrefix(path.Dir("/"+d), "/") == dir {
				out = append(out, store.Info{Name: path.Base(d), Dir: true})
			}
		}
		for f, content := range m.files {
			if strings.TrimPrefix(path.Dir("/"+f), "/") == dir {
				out = append(out, store.Info{Name: path.Base(f), Size: int64(len(content)), Modified: time.Unix(1, 0), Regular: true})
			}
		}
		return nil
	})
	return out, err
}

func (m *memory) Space(context.Context, string) (free, total int64, err error) {
	return m.free, m.free, nil
}

// syncing is memory that can be asked to make things durable.
type syncing struct{ *memory }

func (s syncing) Sync(_ context.Context, name string) (bool, error) {
	return true, s.do("sync", name, func() error { return nil })
}

func (m *memory) names() []string { return slices.Sorted(maps.Keys(m.files)) }

func open(f store.Files) *store.Destination {
	return store.New(store.Options{DirectoryRemedy: "mount it"}, store.Always(f))
}

func request(t *testing.T, name string, content []byte, verify sdk.Verify) sdk.StoreRequest {
	t.Helper()
	file := filepath.Join(t.TempDir(), "staged")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	return sdk.StoreRequest{Source: file, Path: name, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]), Verify: verify, Owner: "run/task"}
}

func wantFailure(t *testing.T, err error, kind failure.Kind, reason failure.Reason) *failure.Error {
	t.Helper()
	f, ok := errors.AsType[*failure.Error](err)
	if !ok || f.Kind != kind || f.Reason != reason {
		t.Fatalf("got %+v, want %s/%s", err, kind, reason)
	}
	return f
}
