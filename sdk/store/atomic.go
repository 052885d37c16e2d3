package store

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

// Atomic offers a type of destination for a store whose files appear whole or
// not at all. From the operations of [Files] it makes everything that dprun
// expects. configure returns those operations for a configuration, a C (see
// [schema.Of]), and contacts nobody; validate may be nil. If the destination
// needs a connection for each call, or if its files have a mode, use [New] and
// [sdk.NewDestination] instead.
func Atomic[C any](t schema.DestinationType, configure func(ctx context.Context, c C, env sdk.Env) (Files, error), validate sdk.Validator[C]) sdk.DestinationType {
	return sdk.NewDestination(t, func(ctx context.Context, c C, env sdk.Env) (*Destination, error) {
		f, err := configure(ctx, c, env)
		if err != nil {
			return nil, err
		}
		return New(Options{Log: env.Log}, Always(f)), nil
	}, validate)
}

// InfoOf turns the result of a stat of the os package, or of a client in its
// style, into the result of [Files.Stat]:
//
//	return store.InfoOf(os.Lstat(name))
func InfoOf(i fs.FileInfo, err error) (Info, error) {
	if err != nil {
		return Info{}, err
	}
	return Info{Name: i.Name(), Size: i.Size(), Modified: i.ModTime(), Dir: i.IsDir(), Regular: i.Mode().IsRegular(), Mode: i.Mode().Perm()}, nil
}

// InfosOf turns the content of a directory into the result of [Files.List]:
//
//	return store.InfosOf(os.ReadDir(name))
//
// It leaves out entries that have vanished meanwhile.
func InfosOf(entries []fs.DirEntry, err error) ([]Info, error) {
	if err != nil {
		return nil, err
	}
	var out []Info
	for _, e := range entries {
		switch i, err := InfoOf(e.Info()); {
		case err == nil:
			out = append(out, i)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	return out, nil
}

// Get passes on a writer that fails once the call has ended.
func (s *session) Get(ctx context.Context, name string, expect int64, w io.Writer) (int64, error) {
	return s.Names.Get(ctx, name, expect, during{ctx, w})
}

type during struct {
	ctx context.Context
	w   io.Writer
}

func (d during) Write(p []byte) (int, error) {
	if err := d.ctx.Err(); err != nil {
		return 0, err
	}
	return d.w.Write(p)
}
