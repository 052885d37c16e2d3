// The plugin memdir is the smallest possible destination: it keeps files in
// memory until dprun ends. It shows what a plugin author writes: a few operations
// on whole files. sdk/store makes everything that dprun promises out of them.
//
//	go build -o PLUGIN_DIRECTORY/dprun-plugin-memdir .
package main

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
	"syscall"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/sdk/store"
)

func main() {
	sdk.Serve(sdk.Plugin{
		Name:    "memdir",
		Version: "0.1.0",
		Doc:     "Keeps files in memory.",
		Destinations: []sdk.DestinationType{store.Atomic(
			schema.DestinationType{Name: "memdir", Doc: "Files in memory, gone when dprun ends."},
			func(_ context.Context, c config, _ sdk.Env) (store.Files, error) {
				return &memory{free: c.Capacity, files: map[string][]byte{}}, nil
			}, nil)},
	})
}

// config becomes the schema of the config block.
type config struct {
	Capacity int64 `dprun:"capacity" format:"size" default:"1GiB" min:"1" doc:"How much may be kept."`
}

// memory implements [store.Files], which documents its methods.
type memory struct {
	mu    sync.Mutex
	free  int64
	files map[string][]byte
}

func (m *memory) lock() (unlock func()) { m.mu.Lock(); return m.mu.Unlock }

func (m *memory) Location(name string) string { return "memory/" + name }

// Mkdir does nothing, because directories are only parts of names.
func (m *memory) Mkdir(_ context.Context, dir string) error {
	defer m.lock()()
	for ; dir != "" && dir != "."; dir = path.Dir(dir) {
		if _, ok := m.files[dir]; ok {
			return store.InTheWay(m.Location(dir))
		}
	}
	return nil
}

func (m *memory) Put(_ context.Context, name string, src io.ReaderAt, size int64) (store.Info, error) {
	content, err := io.ReadAll(io.NewSectionReader(src, 0, size))
	defer m.lock()()
	if err == nil && size > m.free {
		err = syscall.ENOSPC
	}
	if err == nil {
		m.free, m.files[name] = m.free-size, content
	}
	return store.Info{Size: size, Regular: true}, err
}

func (m *memory) Get(_ context.Context, name string, _ int64, w io.Writer) (int64, error) {
	unlock := m.lock()
	content, ok := m.files[name]
	unlock()
	if !ok {
		return 0, fs.ErrNotExist
	}
	return bytes.NewReader(content).WriteTo(w)
}

func (m *memory) Publish(_ context.Context, temporary, final string) error {
	defer m.lock()()
	if _, ok := m.files[final]; ok {
		return fs.ErrExist
	}
	m.files[final] = m.files[temporary]
	delete(m.files, temporary)
	return nil
}

func (m *memory) Remove(_ context.Context, name string) error {
	defer m.lock()()
	m.free += int64(len(m.files[name]))
	delete(m.files, name)
	return nil
}

func (m *memory) Stat(_ context.Context, name string) (store.Info, error) {
	defer m.lock()()
	if content, ok := m.files[name]; ok {
		return store.Info{Size: int64(len(content)), Regular: true}, nil
	} else if name == "" {
		return store.Info{Dir: true}, nil
	}
	return store.Info{}, fs.ErrNotExist
}

func (m *memory) List(_ context.Context, dir string) (out []store.Info, _ error) {
	defer m.lock()()
	prefix := strings.TrimSuffix("/"+dir, "/") + "/"
	for name, content := range m.files {
		if below, ok := strings.CutPrefix("/"+name, prefix); ok {
			out = append(out, store.Info{Name: below, Size: int64(len(content)), Regular: true})
		}
	}
	return out, nil
}
