package conformance

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// killDuring kills the plugin's process while it stores a large file. It returns
// false if the store was faster.
func (b *bed) killDuring(want []byte) (r sdk.StoreRequest, during bool) {
	b.Helper()
	r = b.source("killed/file", want)
	timer := time.AfterFunc(b.takes()/3, b.running.kill)
	_, err := b.Store(b.ctx, r, nil)
	timer.Stop()
	b.restart()
	return r, err != nil
}

func killedDuring(b *bed) {
	want := content(b.s.Large)
	r, during := b.killDuring(want)
	if during {
		b.wantWholeOrNothing(r, want)
	}
	if _, err := b.Store(b.ctx, r, nil); err != nil {
		b.Errorf("the store cannot be made again: %v", err)
		return
	}
	b.fetch(r.Path, want)
	if b.sweeper != nil {
		if _, err := b.sweeper.Sweep(b.ctx, sdk.SweepRequest{Owner: b.owner}); err != nil {
			b.Errorf("sweep: %v", err)
		}
	}
}

// wantWholeOrNothing checks what a killed store left under its final name.
func (b *bed) wantWholeOrNothing(r sdk.StoreRequest, want []byte) {
	b.Helper()
	if b.reader != nil {
		file := filepath.Join(b.TempDir(), "fetched")
		if _, err := b.reader.Fetch(b.ctx, sdk.FetchRequest{Path: r.Path, File: file}, nil); err != nil {
			b.wantFailure("fetching what a killed store left", err, failure.NotFound)
		} else if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			b.Errorf("a killed store left %d bytes of %d under the final name, %v", len(got), len(want), err)
		}
		return
	}
	if b.lister == nil {
		return // that the file can be stored again is enough
	}
	objects, err := b.lister.List(b.ctx, b.dir)
	if err != nil {
		b.Errorf("list: %v", err)
	}
	for _, o := range objects {
		if o.Path == r.Path && o.Size != r.Size {
			b.Errorf("a killed store left %d bytes of %d under the final name", o.Size, r.Size)
		}
	}
}

func killedAfter(b *bed) {
	want := content(4000)
	r := b.source("file", want)
	rep := b.store(r)
	b.running.kill()
	b.restart()
	if !rep.Durable {
		b.Logf("the plugin says that the file is not durable: it may be gone")
		b.wantWholeOrNothing(r, want)
		return
	}
	b.fetch(r.Path, want)
}

// left makes a store leave a temporary object. It returns false if nothing was
// left.
func (b *bed) left() bool {
	b.Helper()
	if _, during := b.killDuring(content(b.s.Large)); !during {
		notAsked(b.T, "not asked: %s", "the store ended before the process could be killed")
		return false
	}
	return true
}

// sweep sweeps and returns how many objects were removed.
func (b *bed) sweep(r sdk.SweepRequest) int {
	b.Helper()
	rep, err := b.sweeper.Sweep(context.WithoutCancel(b.ctx), r)
	if err != nil {
		b.Fatalf("sweep: %v", err)
	}
	return len(rep.Removed)
}

func sweepRemovesOwn(b *bed) {
	if !b.left() {
		return
	}
	n := b.sweep(sdk.SweepRequest{Prefix: b.dir, Owner: b.owner})
	if again := b.sweep(sdk.SweepRequest{Prefix: b.dir}); again > 0 {
		b.Errorf("a sweep of the owner removed %d objects, and a sweep of everybody's %d more that this owner's store had left", n, again)
	}
}

func sweepKeepsOthers(b *bed) {
	if !b.left() {
		return
	}
	if n := b.sweep(sdk.SweepRequest{Prefix: b.dir, Owner: b.owner + "-other"}); n > 0 {
		b.Errorf("a sweep of another owner removed %d objects", n)
	}
	b.sweep(sdk.SweepRequest{Prefix: b.dir, Owner: b.owner})
}

func sweepKeepsYoung(b *bed) {
	if !b.left() {
		return
	}
	if n := b.sweep(sdk.SweepRequest{Prefix: b.dir, Owner: b.owner, OlderThan: time.Hour}); n > 0 {
		b.Errorf("a sweep of what is older than an hour removed %d objects that are some seconds old", n)
	}
	b.sweep(sdk.SweepRequest{Prefix: b.dir, Owner: b.owner})
}

func leftoversAreListed(b *bed) {
	b.store(b.source("file", []byte("stored")))
	if !b.left() {
		return
	}
	listed, err := b.remains.Leftovers(b.ctx, b.dir)
	if err != nil {
		b.Fatalf("list the leftovers: %v", err)
	}
	var names []string
	for _, o := range listed {
		names = append(names, o.Path)
	}
	if b.sweeper == nil {
		return
	}
	rep, err := b.sweeper.Sweep(b.ctx, sdk.SweepRequest{Prefix: b.dir})
	if err != nil {
		b.Fatalf("sweep: %v", err)
	}
	if removed := slices.Sorted(slices.Values(rep.Removed)); !slices.Equal(removed, names) {
		b.Errorf("the leftovers are %q, and a sweep removed %q", names, removed)
	}
}
