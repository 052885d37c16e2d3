package conformance

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

func checkLeavesNothing(b *bed) {
	rep, err := b.Check(b.ctx)
	if err != nil {
		b.Fatalf("check: %v", err)
	}
	if rep.Location == "" {
		b.Errorf("check reports no location")
	}
	if rep.Free < -1 || rep.Total < -1 || rep.Free > rep.Total {
		b.Errorf("check reports %d bytes free of %d", rep.Free, rep.Total)
	}
	b.wantSwept()
}

func storedComesBack(b *bed) {
	for _, verify := range []sdk.Verify{sdk.VerifyReadBack, sdk.VerifySent} {
		want := content(9<<20 + 17)
		r := b.source("deep/er/"+string(verify)+".zip", want)
		r.Verify = verify
		rep := b.store(r)
		if rep.Existed || rep.Verified != verify {
			b.Errorf("a first store with %s reports existed %v, verified %q", verify, rep.Existed, rep.Verified)
		}
		if b.lister != nil {
			objects, err := b.lister.List(b.ctx, b.path("deep"))
			if err != nil || len(objects) != 1 || objects[0].Path != r.Path || objects[0].Size != r.Size {
				b.Errorf("list gives %+v, %v", objects, err)
			}
		}
		b.fetch(r.Path, want)
		if b.deleter != nil {
			if err := b.deleter.Delete(b.ctx, r.Path); err != nil {
				b.Errorf("delete: %v", err)
			}
			b.wantNothing(r.Path)
		}
	}
}

func emptyFile(b *bed) {
	for _, verify := range []sdk.Verify{sdk.VerifyReadBack, sdk.VerifySent} {
		r := b.source(string(verify), nil)
		r.Verify = verify
		b.store(r)
		b.fetch(r.Path, nil)
	}
}

func namesAreKept(b *bed) {
	names := []string{
		"with space", "Übergrößen-漢字-🗄", "-rf", "...", "a'b\"c$d`e;f", "%2e%2e", "~", "*?[x]", "trailing ", "UPPER", "dprun.dprun.json",
		strings.Repeat("long", 50),
	}
	for _, n := range names {
		want := []byte("content of " + n)
		b.store(b.source("names/"+n, want))
		b.fetch(b.path("names/"+n), want)
	}
	b.store(b.source("with space/Ü/x", []byte("x")))
	objects, err := b.lister.List(b.ctx, b.path("names"))
	if err != nil {
		b.Fatalf("list: %v", err)
	}
	var got []string
	for _, o := range objects {
		got = append(got, strings.TrimPrefix(o.Path, b.path("names/")))
	}
	slices.Sort(names)
	if !slices.Equal(got, names) {
		b.Errorf("list gives %q, want %q", got, names)
	}
}

func progressGrows(b *bed) {
	r := b.source("file", content(9<<20))
	var last int64
	_, err := b.Store(b.ctx, r, func(n int64) {
		if n < last || n > r.Size {
			b.Errorf("progress of a store goes from %d to %d of %d", last, n, r.Size)
		}
		last = n
	})
	if err != nil {
		b.Fatalf("store: %v", err)
	}
	if last != r.Size {
		b.Errorf("progress of a store ends at %d of %d", last, r.Size)
	}
}

func sameContent(b *bed) {
	want := content(100_000)
	b.store(b.source("file", want))
	if rep := b.store(b.source("file", want)); !rep.Existed {
		b.Errorf("storing the same content again does not report that it existed")
	}
	b.fetch(b.path("file"), want)
	b.wantSwept()
}

func otherContent(b *bed) {
	want := content(100_000)
	b.store(b.source("file", want))
	for what, other := range map[string][]byte{"of the same size": content(100_000), "of another size": content(10), "empty": nil} {
		_, err := b.Store(b.ctx, b.source("file", other), nil)
		b.wantFailure("storing other content "+what, err, failure.Exists)
	}
	_, err := b.Store(b.ctx, b.source("file/below", want), nil)
	b.wantFailure("storing below a file", err, failure.Exists)
	b.fetch(b.path("file"), want)
	b.wantSwept()
}

func wrongHash(b *bed) {
	for _, verify := range []sdk.Verify{sdk.VerifyReadBack, sdk.VerifySent} {
		r := b.source("file", content(300_000))
		r.Verify = verify
		r.SHA256 = strings.Repeat("0", 64)
		_, err := b.Store(b.ctx, r, nil)
		b.wantFailure("storing with a wrong hash, "+string(verify), err, failure.Corrupt)
		b.wantNothing(r.Path)
	}
}

func incompleteSource(b *bed) {
	for _, verify := range []sdk.Verify{sdk.VerifyReadBack, sdk.VerifySent} {
		for what, change := range map[string]func(*sdk.StoreRequest){
			"shorter": func(r *sdk.StoreRequest) { r.Size++ },
			"longer":  func(r *sdk.StoreRequest) { r.Size-- },
			"missing": func(r *sdk.StoreRequest) { r.Source += ".missing" },
		} {
			r := b.source("file", content(300_000))
			r.Verify = verify
			change(&r)
			_, err := b.Store(b.ctx, r, nil)
			b.wantFailure("storing a source that is "+what+" than said", err, failure.Corrupt)
			b.wantNothing(r.Path)
		}
	}
}

func cancelledStore(b *bed) {
	want := content(b.options.Large)
	r := b.source("file", want)
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	_, err := b.Store(ctx, r, func(int64) { cancel() })
	if err == nil { // it was faster; then the file is whole
		b.fetch(r.Path, want)
		return
	}
	b.wantFailure("a cancelled store", err, failure.Cancelled)
	b.wantNothing(r.Path)
	b.store(r) // and the instance is as good as before
}

func cancelledBefore(b *bed) {
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	r := b.source("file", content(1000))
	_, err := b.Store(ctx, r, nil)
	b.wantFailure("a store with a cancelled context", err, failure.Cancelled)
	b.wantNothing(r.Path)
}

func badPaths(b *bed) {
	file := filepath.Join(b.TempDir(), "fetched")
	refused := func(what string, err error) { b.wantFailure(what, err, failure.Precondition) }
	for _, p := range []string{"", ".", "..", "/etc/passwd", "../x", b.dir + "/../../x", b.dir + "//x", b.dir + "/./x", b.dir + "/", b.dir + "\x00x", b.dir + "/.dprun-x", `..\x`} {
		r := b.source("x", []byte("x"))
		r.Path = p
		_, err := b.Store(b.ctx, r, nil)
		refused("storing to the path "+p, err)
		if b.reader != nil {
			_, err = b.reader.Fetch(b.ctx, sdk.FetchRequest{Path: p, File: file}, nil)
			refused("fetching the path "+p, err)
		}
		if b.deleter != nil {
			refused("deleting the path "+p, b.deleter.Delete(b.ctx, p))
		}
	}
	for _, p := range []string{"..", "/", "a/../.."} {
		if b.lister != nil {
			_, err := b.lister.List(b.ctx, p)
			refused("listing the path "+p, err)
		}
		if b.sweeper != nil {
			_, err := b.sweeper.Sweep(b.ctx, sdk.SweepRequest{Prefix: p, Owner: b.owner})
			refused("sweeping the path "+p, err)
		}
	}
}

func concurrentStores(b *bed) {
	var wg sync.WaitGroup
	same := content(500_000)
	for i := range 8 {
		one := content(700_000)
		name := string(rune('a' + i))
		rs := []sdk.StoreRequest{b.source("new/dir/"+name, one), b.source("new/same", same)}
		if i%2 == 1 {
			rs[0].Verify, rs[1].Verify = sdk.VerifySent, sdk.VerifySent
		}
		for _, r := range rs {
			wg.Go(func() {
				if _, err := b.Store(b.ctx, r, nil); err != nil {
					b.Errorf("store %q beside others: %v", r.Path, err)
				}
			})
		}
		defer b.fetch(rs[0].Path, one)
	}
	wg.Wait()
	b.fetch(b.path("new/same"), same)
	b.wantSwept()
}

func racingStores(b *bed) {
	var wg sync.WaitGroup
	var won atomic.Int32
	var winner []byte
	for range 6 {
		mine := content(400_000)
		r := b.source("one", mine)
		wg.Go(func() {
			_, err := b.Store(b.ctx, r, nil)
			if err == nil {
				if won.Add(1) == 1 {
					winner = mine
				}
				return
			}
			b.wantFailure("a store that lost the race", err, failure.Exists)
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		b.Errorf("%d of 6 stores of different content to one path succeeded", won.Load())
		return
	}
	b.fetch(b.path("one"), winner)
	b.wantSwept()
}

func notFetched(b *bed) {
	file := filepath.Join(b.TempDir(), "fetched")
	_, err := b.reader.Fetch(b.ctx, sdk.FetchRequest{Path: b.path("nothing"), File: file}, nil)
	b.wantFailure("fetching nothing", err, failure.NotFound)
	if _, err := os.Lstat(file); !errors.Is(err, os.ErrNotExist) {
		b.Errorf("fetching nothing leaves a local file")
	}
}

func cancelledFetch(b *bed) {
	r := b.source("file", content(1000))
	b.store(r)
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	file := filepath.Join(b.TempDir(), "fetched")
	_, err := b.reader.Fetch(ctx, sdk.FetchRequest{Path: r.Path, File: file}, nil)
	b.wantFailure("a cancelled fetch", err, failure.Cancelled)
	if _, err := os.Lstat(file); !errors.Is(err, os.ErrNotExist) {
		b.Errorf("a cancelled fetch leaves a local file")
	}
}

func deletedIsGone(b *bed) {
	r := b.source("file", content(1000))
	b.store(r)
	kept := b.source("file2", content(1000))
	b.store(kept)
	for range 2 {
		if err := b.deleter.Delete(b.ctx, r.Path); err != nil {
			b.Errorf("delete: %v", err)
		}
	}
	b.wantNothing(r.Path)
	if rep := b.store(kept); !rep.Existed {
		b.Errorf("deleting a file took another one away")
	}
}

func fetchNeverOverwrites(b *bed) {
	b.store(b.source("file", []byte("stored")))
	file := filepath.Join(b.TempDir(), "mine")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		b.Fatalf("write a local file: %v", err)
	}
	_, err := b.reader.Fetch(b.ctx, sdk.FetchRequest{Path: b.path("file"), File: file}, nil)
	b.wantFailure("fetching onto a local file", err, failure.Internal)
	if got, err := os.ReadFile(file); err != nil || string(got) != "mine" {
		b.Errorf("fetching onto a local file left %q, %v", got, err)
	}
}

func listKeepsToPrefix(b *bed) {
	if objects, err := b.lister.List(b.ctx, b.path("nothing")); err != nil || len(objects) > 0 {
		b.Errorf("listing nothing gives %v, %v", objects, err)
	}
	names := []string{"b/2", "b/10", "b.txt", "b/c/1", "bb/1", "a"}
	for _, n := range names {
		b.store(b.source(n, []byte(n)))
	}
	for prefix, want := range map[string][]string{
		b.dir:       {"a", "b.txt", "b/10", "b/2", "b/c/1", "bb/1"},
		b.path("b"): {"b/10", "b/2", "b/c/1"},
	} {
		objects, err := b.lister.List(b.ctx, prefix)
		if err != nil {
			b.Fatalf("list: %v", err)
		}
		var got []string
		for _, o := range objects {
			got = append(got, strings.TrimPrefix(o.Path, b.dir+"/"))
			if o.Size != int64(len(got[len(got)-1])) {
				b.Errorf("list gives %q %d bytes", o.Path, o.Size)
			}
		}
		if !slices.Equal(got, want) {
			b.Errorf("list of %q gives %q, want %q", prefix, got, want)
		}
	}
}

func sweepKeepsFinalNames(b *bed) {
	want := content(1000)
	b.store(b.source("x.part", want))
	b.store(b.source("dprun-x.part", want))
	rep, err := b.sweeper.Sweep(b.ctx, sdk.SweepRequest{Prefix: b.dir})
	if err != nil {
		b.Fatalf("sweep: %v", err)
	}
	if len(rep.Removed) > 0 {
		b.Errorf("sweep removed %q", rep.Removed)
	}
	b.fetch(b.path("x.part"), want)
	b.fetch(b.path("dprun-x.part"), want)
}
