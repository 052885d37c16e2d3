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
	"github.com/dprun/dprun/sdk/schema"
)

// DestinationOptions fit the cases to a destination.
type DestinationOptions struct {
	// Large is the size in bytes of the file whose store is cancelled; 0: 64 MiB.
	Large int64
}

// Destination is what every destination must do. open makes an instance that
// is configured for a directory which exists; every case works in a fresh
// directory below it and removes what it stored. What a destination does not
// offer is not asked of it: a case that is about that alone passes, and says so.
func Destination(open func(context.Context) (sdk.Destination, error), o DestinationOptions) []Case {
	if o.Large == 0 {
		o.Large = 64 << 20
	}
	var cases []Case
	add := func(name string, run func(*bed), needs ...schema.Ability) {
		cases = append(cases, Case{Name: name, Run: func(ctx context.Context, t T) {
			d, err := open(ctx)
			if err != nil {
				t.Fatalf("configure an instance: %v", err)
			}
			b := &bed{T: t, ctx: ctx, Destination: d, dir: "conformance-" + rand.Text(), owner: rand.Text(), options: o}
			b.sweeper, _ = sdk.As[sdk.Sweeper](d)
			b.reader, _ = sdk.As[sdk.Reader](d)
			b.lister, _ = sdk.As[sdk.Lister](d)
			b.deleter, _ = sdk.As[sdk.Deleter](d)
			defer b.cleanUp()
			for _, a := range needs {
				if !b.can(a) {
					t.Logf("the destination does not offer to %s", a)
					return
				}
			}
			run(b)
		}})
	}
	add("check says where and leaves nothing", checkLeavesNothing)
	add("a stored file comes back", storedComesBack)
	add("an empty file is a file", emptyFile)
	add("names are kept", namesAreKept, schema.AbilityList)
	add("progress grows up to the size", progressGrows)
	add("the same content may stand there", sameContent)
	add("other content is never replaced", otherContent)
	add("a wrong hash is found and leaves nothing", wrongHash)
	add("an incomplete source is found and leaves nothing", incompleteSource)
	add("a cancelled store leaves nothing", cancelledStore)
	add("a store that is cancelled before it begins does nothing", cancelledBefore)
	add("paths that lead out are refused", badPaths)
	add("stores run side by side", concurrentStores)
	add("of stores to one path one wins", racingStores)
	add("what is not there is not fetched", notFetched, schema.AbilityRead)
	add("a fetch never overwrites", fetchNeverOverwrites, schema.AbilityRead)
	add("a cancelled fetch leaves nothing", cancelledFetch, schema.AbilityRead)
	add("a list is sorted and keeps to its directory", listKeepsToPrefix, schema.AbilityList)
	add("what is deleted is gone, and that it is not there is no failure", deletedIsGone, schema.AbilityDelete)
	add("a sweep keeps final names", sweepKeepsFinalNames, schema.AbilitySweep)
	return cases
}

// bed is where one case runs. What the destination does not offer is nil.
type bed struct {
	T
	sdk.Destination
	sweeper sdk.Sweeper
	reader  sdk.Reader
	lister  sdk.Lister
	deleter sdk.Deleter
	ctx     context.Context
	dir     string
	owner   string
	options DestinationOptions
}

func (b *bed) can(a schema.Ability) bool {
	switch a {
	case schema.AbilitySweep:
		return b.sweeper != nil
	case schema.AbilityRead:
		return b.reader != nil
	case schema.AbilityList:
		return b.lister != nil
	}
	return b.deleter != nil
}

func (b *bed) cleanUp() {
	ctx := context.WithoutCancel(b.ctx)
	if b.lister != nil && b.deleter != nil {
		objects, err := b.lister.List(ctx, b.dir)
		if err != nil {
			b.Errorf("list after the case: %v", err)
		}
		for _, o := range objects {
			if err := b.deleter.Delete(ctx, o.Path); err != nil {
				b.Errorf("delete %s after the case: %v", o.Path, err)
			}
		}
	}
	if err := b.Close(); err != nil {
		b.Errorf("close: %v", err)
	}
}

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
	if rep.Location == "" {
		b.Errorf("store %q reports no location", r.Path)
	}
	return rep
}

// fetch reads an object back and compares it. Of a destination that gives
// nothing back it is asked whether the same stands there already.
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

// wantNothing checks that nothing stands at a path, as far as the destination
// tells, and that nothing temporary of this case is left anywhere.
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
	b.wantSwept()
}

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
