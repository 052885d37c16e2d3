package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

func (b *bed) path(name string) string { return b.dir + "/" + name }

// source makes a local file and the request that stores it.
func (b *bed) source(name string, content []byte) sdk.StoreRequest {
	b.Helper()
	file := filepath.Join(b.TempDir(), "source")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		b.Fatalf("write a local file: %v", err)
	}
	sum := sha256.Sum256(content)
	return sdk.StoreRequest{
		Source: file, Path: b.path(name), Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]), Verify: sdk.VerifyReadBack, Owner: b.owner,
	}
}

func content(n int64) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func (b *bed) store(r sdk.StoreRequest) *sdk.StoreReport {
	b.Helper()
	rep, err := b.Store(b.ctx, r, nil)
	if err != nil {
		b.Fatalf("store %q: %v", r.Path, err)
	}
	if rep.Size != r.Size || rep.SHA256 != r.SHA256 {
		b.Errorf("store %q reports %d bytes with SHA-256 %s, not %d with %s", r.Path, rep.Size, rep.SHA256, r.Size, r.SHA256)
	}
	return rep
}

// fetch reads an object back and compares it. A destination that cannot be read
// is asked instead to store the same again, which must find it there.
func (b *bed) fetch(path string, want []byte) {
	b.Helper()
	if b.reader == nil {
		r := b.source("", want)
		r.Path = path
		if rep := b.store(r); !rep.Existed {
			b.Errorf("%q does not hold what was stored", path)
		}
		return
	}
	file := filepath.Join(b.TempDir(), "fetched")
	rep, err := b.reader.Fetch(b.ctx, sdk.FetchRequest{Path: path, File: file}, nil)
	if err != nil {
		b.Errorf("fetch %q: %v", path, err)
		return
	}
	got, err := os.ReadFile(file)
	if err != nil {
		b.Errorf("fetch %q: %v", path, err)
		return
	}
	sum := sha256.Sum256(want)
	if !bytes.Equal(got, want) {
		b.Errorf("fetch %q brings %d bytes that are not the %d stored", path, len(got), len(want))
	}
	if rep.Size != int64(len(want)) || rep.SHA256 != hex.EncodeToString(sum[:]) {
		b.Errorf("fetch %q reports %d bytes with SHA-256 %s", path, rep.Size, rep.SHA256)
	}
}

// wantFailure checks the class of an error.
func (b *bed) wantFailure(what string, err error, kind failure.Kind) {
	b.Helper()
	if err == nil {
		b.Errorf("%s succeeded", what)
		return
	}
	f, ok := errors.AsType[*failure.Error](err)
	if !ok {
		b.Errorf("%s gave an error without a class: %v", what, err)
		return
	}
	if f.Message == "" || strings.Contains(f.Message, "panicked") {
		b.Errorf("%s gave the message %q", what, f.Message)
	}
	if f.Kind != kind {
		b.Errorf("%s gave a failure of the kind %s, want %s: %v", what, f.Kind, kind, err)
	}
}

// wantNothing checks that there is nothing at a path, as far as the destination can
// tell.
func (b *bed) wantNothing(path string) {
	b.Helper()
	ctx := context.WithoutCancel(b.ctx)
	switch {
	case b.reader != nil:
		_, err := b.reader.Fetch(ctx, sdk.FetchRequest{Path: path, File: filepath.Join(b.TempDir(), "fetched")}, nil)
		b.wantFailure("fetching what must not be there", err, failure.NotFound)
	case b.lister != nil:
		objects, err := b.lister.List(ctx, b.dir)
		if err != nil || slices.ContainsFunc(objects, func(o sdk.Object) bool { return o.Path == path }) {
			b.Errorf("what must not be there is listed: %v, %v", objects, err)
		}
	}
}

// wantSwept checks that nothing temporary of this case is left anywhere.
func (b *bed) wantSwept() {
	b.Helper()
	if b.sweeper == nil {
		return
	}
	rep, err := b.sweeper.Sweep(context.WithoutCancel(b.ctx), sdk.SweepRequest{Owner: b.owner})
	if err != nil {
		b.Errorf("sweep: %v", err)
		return
	}
	if len(rep.Removed) > 0 {
		b.Errorf("temporary objects were left: %q", rep.Removed)
	}
}
