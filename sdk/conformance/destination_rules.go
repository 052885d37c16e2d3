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
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

func checkReport(b *bed) {
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
}

func checkLeavesNothing(b *bed) {
	before := map[string]bool{}
	objects, err := b.lister.List(b.ctx, "")
	if err != nil {
		b.Errorf("list: %v", err)
	}
	for _, o := range objects {
		before[o.Path] = true
	}
	if _, err := b.Check(b.ctx); err != nil {
		b.Fatalf("check: %v", err)
	}
	if objects, err = b.lister.List(b.ctx, ""); err != nil {
		b.Errorf("list: %v", err)
	}
	for _, o := range objects {
		if !strings.Contains(o.Path, "/") && !before[o.Path] {
			b.Errorf("after a check there is %s, which was not there before", o.Path)
		}
	}
}

func storedComesBack(b *bed) {
	for _, verify := range []sdk.Verify{sdk.VerifyReadBack, sdk.VerifySent} {
		want := content(b.s.Ordinary)
		r := b.source("deep/er/"+string(verify)+".zip", want)
		r.Verify = verify
		b.store(r)
		b.fetch(r.Path, want)
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

func verifyModes(b *bed) {
	for _, verify := range []sdk.Verify{sdk.VerifyReadBack, sdk.VerifySent} {
		r := b.source(string(verify), content(100_000))
		r.Verify = verify
		rep := b.store(r)
		if rep.Existed {
			b.Errorf("a first store with %s reports that the file existed", verify)
		}
		if rep.Verified != verify && rep.Verified != sdk.VerifyReadBack {
			b.Errorf("a store with %s reports %q", verify, rep.Verified)
		}
	}
}

func storeLocation(b *bed) {
	if rep := b.store(b.source("file", content(1000))); rep.Location == "" {
		b.Errorf("a store reports no location")
	}
}

func namesAreKept(b *bed) {
	names := []string{
		"with space", "-rf", "...", "a'b\"c$d`e;f", "%2e%2e", "%41", "~", "*?[x]", "trailing ", "UPPER", "dprun.dprun.json", "a+b&c=d#e", "gw:5550",
	}
	for _, n := range names {
		want := []byte("content of " + n)
		b.store(b.source("names/"+n, want))
		b.fetch(b.path("names/"+n), want)
	}
	b.store(b.source("with space/Ü/x", []byte("x")))
	slices.Sort(names)
	b.wantListed("names", names)
}

// wantListed checks the names in a directory, in any order.
func (b *bed) wantListed(dir string, want []string) {
	b.Helper()
	objects, err := b.lister.List(b.ctx, b.path(dir))
	if err != nil {
		b.Fatalf("list: %v", err)
	}
	var got []string
	for _, o := range objects {
		got = append(got, strings.TrimPrefix(o.Path, b.path(dir)+"/"))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		b.Errorf("list gives %q, want %q", got, want)
	}
}

// keptOrRefused stores different content under each name. Every name must
// either be refused or keep its own content.
func (b *bed) keptOrRefused(dir string, names ...string) {
	b.Helper()
	var kept []string
	for _, n := range names {
		want := []byte("content of " + n)
		r := b.source(dir+"/"+n, want)
		if _, err := b.Store(b.ctx, r, nil); err != nil {
			b.wantFailure("a name that is not kept: storing "+n, err, failure.Precondition)
			continue
		}
		kept = append(kept, n)
		b.fetch(r.Path, want)
	}
	slices.Sort(kept)
	b.wantListed(dir, kept)
}

func unicodeNames(b *bed) {
	const name = "Größe-漢字-🗄-caf"
	b.keptOrRefused("unicode", name+"\u00e9", name+"e\u0301") // é as one character and as two
}

func longNames(b *bed) {
	begin := strings.Repeat("long", 63) // 252 bytes
	b.keptOrRefused("long", strings.Repeat("l", 200), begin+"ab", begin+"abc", begin+"abd", begin+"abcd", begin+begin, strings.Repeat("ü", 127))
	b.keptOrRefused(strings.Repeat("d/", 40)+"e", "file")
}

func progressGrows(b *bed) {
	r := b.source("file", content(b.s.Large)) // a fast store reports no progress
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
}

func otherContent(b *bed) {
	want := content(100_000)
	b.store(b.source("file", want))
	for what, other := range map[string][]byte{"of the same size": content(100_000), "of another size": content(10), "empty": nil} {
		_, err := b.Store(b.ctx, b.source("file", other), nil)
		b.wantFailure("storing other content "+what, err, failure.Exists)
	}
	b.fetch(b.path("file"), want)
}

func belowAFile(b *bed) {
	want := content(1000)
	b.store(b.source("file", want))
	_, err := b.Store(b.ctx, b.source("file/below", content(1000)), nil)
	b.wantFailure("storing below a file", err, failure.Exists)
	b.fetch(b.path("file"), want)
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

func failedStoresLeaveNothing(b *bed) {
	b.store(b.source("there", content(1000)))
	taken, hash, short, below := b.source("there", content(1000)), b.source("hash", content(300_000)), b.source("short", content(300_000)), b.source("there/below", content(1000))
	hash.SHA256 = strings.Repeat("0", 64)
	short.Size++
	for _, r := range []sdk.StoreRequest{taken, hash, short, below} {
		_, _ = b.Store(b.ctx, r, nil) // other rules test the failures
	}
	b.wantSwept()
}

func cancelledStore(b *bed) {
	want := content(b.s.Large)
	r := b.source("file", want)
	took := b.takes()
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	timer := time.AfterFunc(took/3, cancel)
	defer timer.Stop()
	_, err := b.Store(ctx, r, nil)
	if err == nil { // the store was faster; then the file is whole
		b.fetch(r.Path, want)
		return
	}
	b.wantFailure("a cancelled store", err, failure.Cancelled)
	b.wantNothing(r.Path)
	b.store(r) // the instance works as before
}

// takes measures how long the store of a large file takes.
func (b *bed) takes() time.Duration {
	b.Helper()
	r := b.source("measured", content(b.s.Large))
	begin := time.Now()
	b.store(r)
	return time.Since(begin)
}

func badPaths(b *bed) {
	file := filepath.Join(b.TempDir(), "fetched")
	refused := func(what string, err error) { b.wantFailure(what, err, failure.Precondition) }
	for _, p := range []string{
		"", ".", "..", "/etc/passwd", "../x", b.dir + "/../../x", b.dir + "//x", b.dir + "/./x", b.dir + "/", b.dir + "\x00x", b.dir + "/.dprun-x", `..\x`, b.dir + `\x`,
	} {
		r := b.source("x", []byte("x"))
		r.Path = p
		_, err := b.Store(b.ctx, r, nil)
		refused("storing to the path "+p, err)
		if b.reader != nil {
			_, err = b.reader.Fetch(b.ctx, sdk.FetchRequest{Path: p, File: file}, nil)
			refused("fetching the path "+p, err)
		}
		if b.summer != nil {
			_, err = b.summer.Sum(b.ctx, p, nil)
			refused("reading the path "+p, err)
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
	same := content(b.s.Ordinary / 16)
	for i := range 8 {
		one := content(b.s.Ordinary / 12)
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
}

func racingStores(b *bed) {
	var wg sync.WaitGroup
	var won atomic.Int32
	var winner []byte
	for range 6 {
		mine := content(b.s.Ordinary / 20)
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
}

func notFetched(b *bed) {
	file := filepath.Join(b.TempDir(), "fetched")
	_, err := b.reader.Fetch(b.ctx, sdk.FetchRequest{Path: b.path("nothing"), File: file}, nil)
	b.wantFailure("fetching nothing", err, failure.NotFound)
	if _, err := os.Lstat(file); !errors.Is(err, os.ErrNotExist) {
		b.Errorf("fetching nothing leaves a local file")
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

func cancelledFetch(b *bed) {
	r := b.source("file", content(b.s.Large))
	b.store(r)
	begin := time.Now()
	if _, err := b.reader.Fetch(b.ctx, sdk.FetchRequest{Path: r.Path, File: filepath.Join(b.TempDir(), "measured")}, nil); err != nil {
		b.Fatalf("fetch: %v", err)
	}
	took := time.Since(begin)
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	timer := time.AfterFunc(took/3, cancel)
	defer timer.Stop()
	file := filepath.Join(b.TempDir(), "fetched")
	_, err := b.reader.Fetch(ctx, sdk.FetchRequest{Path: r.Path, File: file}, nil)
	if err == nil { // the fetch was faster; then the file is whole
		if st, err := os.Stat(file); err != nil || st.Size() != r.Size {
			b.Errorf("a fetch that was faster than its cancellation left %v, %v", st, err)
		}
		return
	}
	b.wantFailure("a cancelled fetch", err, failure.Cancelled)
	if _, err := os.Lstat(file); !errors.Is(err, os.ErrNotExist) {
		b.Errorf("a cancelled fetch leaves a local file")
	}
}

func sumIsOfNow(b *bed) {
	for i, want := range [][]byte{content(b.s.Ordinary), content(b.s.Ordinary)} {
		r := b.source("file", want)
		if b.deleter == nil { // it cannot delete, so each round uses a new name
			r.Path = b.path("file of " + r.SHA256)
		} else if i > 0 {
			if err := b.deleter.Delete(b.ctx, r.Path); err != nil {
				b.Fatalf("delete: %v", err)
			}
		}
		b.store(r)
		if rep, err := b.summer.Sum(b.ctx, r.Path, nil); err != nil {
			b.Errorf("the sum of %q: %v", r.Path, err)
		} else if rep.Size != r.Size || rep.SHA256 != r.SHA256 {
			b.Errorf("the sum of %q is %d bytes with SHA-256 %s, not %d with %s", r.Path, rep.Size, rep.SHA256, r.Size, r.SHA256)
		}
	}
}

func nothingHasNoSum(b *bed) {
	_, err := b.summer.Sum(b.ctx, b.path("nothing"), nil)
	b.wantFailure("the sum of nothing", err, failure.NotFound)
}

// listed are the names that the rules about lists store; each file holds its
// own name.
var listed = []string{"a", "b.txt", "b/10", "b/2", "b/c/1", "bb/1"}

func (b *bed) storeListed() {
	b.Helper()
	for _, n := range []int{3, 2, 1, 4, 5, 0} {
		b.store(b.source(listed[n], []byte(listed[n])))
	}
}

func listIsSorted(b *bed) {
	b.storeListed()
	objects, err := b.lister.List(b.ctx, b.dir)
	if err != nil {
		b.Fatalf("list: %v", err)
	}
	var got []string
	for _, o := range objects {
		name := strings.TrimPrefix(o.Path, b.dir+"/")
		got = append(got, name)
		if o.Size != int64(len(name)) {
			b.Errorf("list gives %q %d bytes", o.Path, o.Size)
		}
	}
	if !slices.Equal(got, listed) {
		b.Errorf("list gives %q, want %q", got, listed)
	}
}

func listKeepsToPrefix(b *bed) {
	b.storeListed()
	b.wantListed("b", []string{"10", "2", "c/1"})
	b.wantListed("b/c", []string{"1"})
}

func missingIsEmpty(b *bed) {
	if objects, err := b.lister.List(b.ctx, b.path("nothing")); err != nil || len(objects) > 0 {
		b.Errorf("the list of a directory that is not there gives %v, %v", objects, err)
	}
}

func deletedIsGone(b *bed) {
	r, want := b.source("file", content(1000)), content(1000)
	b.store(r)
	b.store(b.source("file2", want))
	if err := b.deleter.Delete(b.ctx, r.Path); err != nil {
		b.Errorf("delete: %v", err)
	}
	b.wantNothing(r.Path)
	b.fetch(b.path("file2"), want)
}

func deletedAgain(b *bed) {
	if err := b.deleter.Delete(b.ctx, b.path("never/there")); err != nil {
		b.Errorf("delete what is not there: %v", err)
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
