// The plugin memdir is the smallest destination there can be: it keeps files
// in memory until dprun ends. It shows what a plugin author writes, and what
// dprun promises for it.
//
//	go build -o PLUGIN_DIRECTORY/dprun-plugin-memdir .
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

func main() {
	sdk.Serve(sdk.Plugin{
		Name:    "memdir",
		Version: "0.1.0",
		Doc:     "Keeps files in memory.",
		Destinations: []sdk.DestinationType{sdk.NewDestination(
			schema.DestinationType{Name: "memdir", Doc: "Files in memory, gone when dprun ends."},
			func(_ context.Context, c config, _ sdk.Env) (sdk.Destination, error) {
				return &memory{limit: c.Capacity, files: map[string]file{}}, nil
			}, nil)},
	})
}

// config becomes the schema of the config block.
type config struct {
	Capacity int64 `dprun:"capacity" format:"size" default:"1GiB" min:"1" doc:"How much may be kept."`
}

type memory struct {
	limit int64

	mu    sync.Mutex
	used  int64
	files map[string]file
}

type file struct {
	content []byte
	sum     string
	at      time.Time
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func (m *memory) Check(context.Context) (*sdk.DestinationReport, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &sdk.DestinationReport{Location: "memory", Free: m.limit - m.used, Total: m.limit}, nil
}

func (m *memory) Store(ctx context.Context, r sdk.StoreRequest, progress func(int64)) (*sdk.StoreReport, error) {
	content, err := os.ReadFile(r.Source)
	if err != nil {
		return nil, failure.New(failure.Internal, failure.SourceIO, "store %s: %w", r.Path, err)
	}
	sum := hash(content)
	if sum != r.SHA256 || int64(len(content)) != r.Size {
		return nil, failure.New(failure.Corrupt, failure.Mismatch, "store %s: the file is not the one that was announced", r.Path)
	}
	if err := ctx.Err(); err != nil {
		return nil, failure.From(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for p, f := range m.files {
		switch {
		case p == r.Path && f.sum == sum:
			return &sdk.StoreReport{Location: "memory/" + p, Size: r.Size, SHA256: sum, Verified: r.Verify, ModeKept: true, Existed: true}, nil
		case p == r.Path, strings.HasPrefix(r.Path, p+"/"):
			return nil, failure.New(failure.Exists, failure.Occupied, "store %s: %s is another file", r.Path, p)
		}
	}
	if m.used+r.Size > m.limit {
		return nil, failure.New(failure.NoSpace, failure.OutOfSpace, "store %s: %d bytes are free", r.Path, m.limit-m.used).WithRemedy("raise capacity")
	}
	m.used += r.Size
	m.files[r.Path] = file{content, sum, time.Now()}
	progress(r.Size)
	return &sdk.StoreReport{Location: "memory/" + r.Path, Size: r.Size, SHA256: sum, Verified: r.Verify, ModeKept: true}, nil
}

func (m *memory) get(path string) (file, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.files[path]
	if !ok {
		return f, failure.New(failure.NotFound, failure.NoSuchFile, "there is no %s", path)
	}
	return f, nil
}

func (m *memory) Stat(_ context.Context, path string) (*sdk.Object, error) {
	f, err := m.get(path)
	if err != nil {
		return nil, err
	}
	return &sdk.Object{Path: path, Size: int64(len(f.content)), Modified: f.at}, nil
}

func (m *memory) Fetch(_ context.Context, r sdk.FetchRequest, _ func(int64)) (*sdk.FetchReport, error) {
	f, err := m.get(r.Path)
	if err != nil {
		return nil, err
	}
	out, err := os.OpenFile(r.File, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, failure.New(failure.Internal, failure.StagingIO, "fetch %s: %w", r.Path, err)
	}
	defer func() { _ = out.Close() }()
	if _, err := bytes.NewReader(f.content).WriteTo(out); err != nil {
		return nil, failure.New(failure.Internal, failure.StagingIO, "fetch %s: %w", r.Path, err)
	}
	return &sdk.FetchReport{Size: int64(len(f.content)), SHA256: f.sum}, nil
}

func (m *memory) List(_ context.Context, prefix string) ([]sdk.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []sdk.Object
	for p, f := range m.files {
		if prefix == "" || strings.HasPrefix(p, prefix+"/") {
			out = append(out, sdk.Object{Path: p, Size: int64(len(f.content)), Modified: f.at})
		}
	}
	slices.SortFunc(out, func(a, b sdk.Object) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

func (m *memory) Delete(_ context.Context, path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used -= int64(len(m.files[path].content))
	delete(m.files, path)
	return nil
}

func (m *memory) Sweep(context.Context, sdk.SweepRequest) (*sdk.SweepReport, error) {
	return &sdk.SweepReport{}, nil // there is never anything temporary
}

func (m *memory) Close() error { return nil }
