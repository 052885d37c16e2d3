package mutants

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/dprun/dprun/sdk/store"
)

// files is a directory; the contract of its methods is that of [store.Files].
// Large files are written and read slowly, so that there is time to get in between.
type files struct {
	dir     string
	replace bool // Publish replaces what is there
	pause   time.Duration
}

func (f files) at(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

func (f files) Location(name string) string { return f.at(name) }

func (f files) Mkdir(_ context.Context, dir string) error { return os.MkdirAll(f.at(dir), 0o700) }

// slowly copies in pieces.
func (f files) slowly(ctx context.Context, w io.Writer, r io.Reader) (n int64, err error) {
	for {
		k, err := io.CopyN(w, r, 128<<10)
		n += k
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return n, err
		}
		time.Sleep(f.pause)
	}
}

func (f files) Put(ctx context.Context, name string, src io.ReaderAt, size int64) (store.Info, error) {
	to, err := os.OpenFile(f.at(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return store.Info{}, err
	}
	n, err := f.slowly(ctx, to, io.NewSectionReader(src, 0, size))
	return store.Info{Size: n, Regular: true, Durable: store.Yes}, errors.Join(err, to.Close())
}

func (f files) Get(ctx context.Context, name string, _ int64, w io.Writer) (int64, error) {
	from, err := os.Open(f.at(name))
	if err != nil {
		return 0, err
	}
	defer from.Close()
	return f.slowly(ctx, w, from)
}

func (f files) Publish(_ context.Context, temporary, final string) error {
	if f.replace {
		time.Sleep(30 * time.Millisecond) // until the others have looked whether it is there
		return os.Rename(f.at(temporary), f.at(final))
	}
	if err := os.Link(f.at(temporary), f.at(final)); err != nil {
		return err
	}
	return os.Remove(f.at(temporary))
}

func (f files) Remove(_ context.Context, name string) error { return os.Remove(f.at(name)) }

func (f files) Stat(_ context.Context, name string) (store.Info, error) {
	i, err := store.InfoOf(os.Lstat(f.at(name)))
	i.Durable = store.Yes
	return i, err
}

func (f files) List(_ context.Context, dir string) ([]store.Info, error) {
	out, err := store.InfosOf(os.ReadDir(f.at(dir)))
	for i := range out {
		out[i].Durable = store.Yes
	}
	return out, err
}
