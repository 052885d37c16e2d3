package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

// memoryDir is a directory in memory on Linux.
const memoryDir = "/dev/shm"

// medium is where a server keeps its files.
type medium struct {
	name string // "memory" or "disk"
	dir  string // for temporary files
}

// media gives the media that -server names, each with a directory of its own.
func (b *bench) media() ([]medium, func(), error) {
	var out []medium
	remove := func() {
		for _, m := range out {
			_ = os.RemoveAll(m.dir)
		}
	}
	for name := range strings.SplitSeq(b.disks, ",") {
		base := b.dir
		switch name = strings.TrimSpace(name); name {
		case "memory":
			base = memoryDir
		case "disk":
		default:
			remove()
			return nil, nil, fmt.Errorf("-server %s: %q is neither memory nor disk", b.disks, name)
		}
		dir, err := os.MkdirTemp(base, "dprun-bench-")
		if err == nil {
			out = append(out, medium{name, dir})
			err = os.Chmod(dir, 0o755) // the server's user walks through it
		}
		if err != nil {
			remove()
			return nil, nil, err
		}
	}
	return out, remove, nil
}

// staged makes a file that no one can compress and the request to store it.
func (b *bench) staged() (sdk.StoreRequest, error) {
	r := sdk.StoreRequest{Source: filepath.Join(b.dir, "staged"), Size: int64(b.megabytes) * 1_000_000, Owner: "bench/bench"}
	f, err := os.Create(r.Source)
	if err != nil {
		return r, err
	}
	sum := sha256.New()
	_, err = io.CopyN(io.MultiWriter(f, sum), rand.NewChaCha8([32]byte{1}), r.Size)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return r, err
	}
	r.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return r, nil
}

// plugins starts a host of plugins as dprun does: out of process, over
// mutually authenticated gRPC.
func (b *bench) plugins() (*pluginhost.Host, error) {
	dir, err := b.mkdir("plugins")
	if err != nil {
		return nil, err
	}
	return pluginhost.New(pluginhost.Options{Bundled: bundled(), WorkDir: dir}), nil
}

// configFor completes a destination's configuration by its schema's defaults.
func configFor[T any](set map[string]cty.Value) (cty.Value, error) {
	return schema.MustOf[T]().ApplyDefaults(cty.ObjectVal(set))
}

// storeOnce stores through a plugin and checks what it says about it.
func storeOnce(ctx context.Context, d sdk.Destination, r sdk.StoreRequest, v sdk.Verify) error {
	r.Verify = v
	report, err := d.Store(ctx, r, func(int64) {})
	if err != nil {
		return err
	}
	if !report.Durable || report.Existed || report.Verified != v {
		return fmt.Errorf("the store was not what is measured: %+v", *report)
	}
	return nil
}

// remove removes what storeOnce has stored.
func remove(ctx context.Context, d sdk.Destination, path string) error {
	deleter, ok := sdk.As[sdk.Deleter](d)
	if !ok {
		return errors.New("the destination cannot delete")
	}
	return deleter.Delete(ctx, path)
}
