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
	"github.com/dprun/dprun/sdk/schema"
)

func destinationRules() []rule {
	of := about(schema.KindDestination)
	return []rule{
		of("check/report", "A check says where the destination is, and how much room it has or that it cannot tell (-1).",
			"The location stands in every message. Room that is not there is found in the middle of the night.",
			"Fill in Location; set Free and Total, or both to -1.", checkReport),
		offering(schema.AbilityList, of("check/clean", "A check leaves nothing behind.",
			"It runs before every run. What it leaves piles up, and fills the destination.",
			"Remove the probe on every way out of Check, also after failures.", checkLeavesNothing)),
		of("store/kept", "A file that was stored comes back as it was, byte by byte.",
			"A backup that is called good is not.",
			"Send every byte once and in order, and compare what arrived with the SHA-256 of the request before you publish.", storedComesBack),
		of("store/empty", "An empty file is stored like any other.",
			"Some exports hold empty files. Failing on one fails the backup.",
			"Treat a size of 0 as a size.", emptyFile),
		of("store/verify", "A report says the verification that was done: what the request asks for, or more. A first store did not exist before.",
			"dprun refuses a copy that was verified less than the plan says; a false word makes an unverified copy look verified.",
			"For read_back read the temporary object again from the server, and say read_back only then.", verifyModes),
		of("store/progress", "Progress never goes back, never beyond the size, and ends at the size.",
			"dprun takes a store without progress for stalled and gives it up.",
			"Report the bytes of the file that are sent, counted from its beginning.", progressGrows),
		of("store/location", "A report says where the copy is.",
			"It is what the operator looks for after a restore was asked for.",
			"Fill in Location, as a person names the place.", storeLocation),
		of("store/same", "Storing what stands there already succeeds and says that it existed.",
			"A run that is repeated after a lost answer would fail on its own copy.",
			"Look at the final name first: the same size and SHA-256 is a success with Existed.", sameContent),
		of("store/overwrite", "A final name that holds something else is never replaced: the store fails as exists.",
			"The backup of yesterday is gone, replaced by one that nobody has tried yet.",
			"Publish with an operation that refuses a name that is taken, and return failure.Exists with failure.Occupied.", otherContent),
		of("store/below", "A store below a name that is a file fails as exists.",
			"Retrying for hours does not help: another kind of failure hides from the operator that something stands in the way.",
			"Return failure.Exists when a component of the path is a file.", belowAFile),
		of("store/hash", "A local file that does not have the announced SHA-256 is found as corrupt, under every verification, and nothing is published.",
			"The disk of the staging directory has changed the file, and the copy would be called good.",
			"Hash what you send and compare it with the request before you publish.", wrongHash),
		of("store/source", "A local file that is shorter or longer than announced, or missing, is found as corrupt, and nothing is published.",
			"A copy that was cut would be called good.",
			"Compare the size that you read with the request's, and return failure.Corrupt with failure.SourceIO.", incompleteSource),
		offering(schema.AbilitySweep, of("store/temporary", "A store that fails leaves no temporary object.",
			"They pile up, and fill the destination.",
			"Remove the temporary object on every way out of Store.", failedStoresLeaveNothing)),
		of("store/cancelled", "A store that is cancelled ends as cancelled and leaves nothing under the final name, and the instance goes on working.",
			"An operator who stops a run waits, and finds copies that nobody vouches for.",
			"Watch the context while you send, and clean up with one of your own.", cancelledStore),
		of("store/paths", "A path that is absolute, leads out, is not clean or looks temporary is refused as precondition.",
			"A name that is wrong would write outside of the directory that the plan says.",
			"Check paths with sdk.CheckPath. The SDK does before it calls you.", badPaths),
		offering(schema.AbilityList, of("store/names", "Names are kept as they are: spaces, quotes, percent signs, dots, wildcards, a leading dash.",
			"A copy under another name is not found when it is needed, or two copies get the same name.",
			"Escape what the server treats in a special way, and undo it in List.", namesAreKept)),
		offering(schema.AbilityList, of("store/unicode", "Names that differ only in how their characters are composed are both kept, or refused.",
			"Two domains would share one file.",
			"Send names as they are. If the server composes them, refuse what it would change as precondition.", unicodeNames)),
		offering(schema.AbilityList, of("store/long", "A long name is kept, or refused as precondition. It is never cut.",
			"Two long names that begin alike would share one file.",
			"Refuse names that the server would cut.", longNames)),
		of("store/parallel", "Many stores run side by side, into a directory that is not there yet.",
			"A run stores the files of hundreds of gateways at once.",
			"Guard what instances share; let the one that makes the directory second succeed too.", concurrentStores),
		of("store/race", "Of several stores of different content to one path one wins; the others fail as exists.",
			"Two runs at the same time would mix their copies, or one would replace the other's.",
			"Let the server decide: publish with an operation that is atomic there.", racingStores),
		readOnly(offering(schema.AbilityRead, of("fetch/missing", "What is not there is not fetched: not_found, and no local file.",
			"An empty file would be taken for a backup.",
			"Return failure.NotFound, and make the local file only when there is something to write.", notFetched))),
		offering(schema.AbilityRead, of("fetch/overwrite", "A fetch never replaces a local file.",
			"What somebody has there would be gone.",
			"Open the local file with O_EXCL.", fetchNeverOverwrites)),
		offering(schema.AbilityRead, of("fetch/cancelled", "A fetch that is cancelled ends as cancelled and leaves no local file.",
			"Half a backup looks like a whole one.",
			"Remove the local file on every way out of Fetch but success.", cancelledFetch)),
		offering(schema.AbilitySum, of("sum/now", "A sum is the SHA-256 and the size of what stands there now.",
			"A check of all backups calls one whole that the disk has changed since it was stored.",
			"Read every byte each time. Answer neither from memory nor from what the server noted when it was stored.", sumIsOfNow)),
		readOnly(offering(schema.AbilitySum, of("sum/missing", "What is not there has no sum: not_found.",
			"A backup that is gone would count as altered, or as an empty one.",
			"Return failure.NotFound.", nothingHasNoSum))),
		offering(schema.AbilityList, of("list/sorted", "A list is sorted by path and gives each size.",
			"What walks long lists relies on the order.",
			"Sort by path, byte by byte.", listIsSorted)),
		offering(schema.AbilityList, of("list/prefix", "A list keeps to its directory. Other names that begin alike are not in it.",
			"What removes old copies of gateway fra-1 would remove those of fra-10.",
			"Compare whole components: the prefix followed by a slash.", listKeepsToPrefix)),
		readOnly(offering(schema.AbilityList, of("list/missing", "The list of a directory that is not there is empty.",
			"The first run to a new directory would fail.",
			"Take not found as empty in List.", missingIsEmpty))),
		offering(schema.AbilityDelete, of("delete/gone", "What was deleted is gone, and nothing else is.",
			"Old copies would stay for ever, or new ones would go with them.",
			"Delete the one object whose path it is.", deletedIsGone)),
		offering(schema.AbilityDelete, of("delete/again", "Deleting what is not there succeeds.",
			"A deletion whose answer was lost is repeated, and would fail for ever.",
			"Take not found as success in Delete.", deletedAgain)),
		offering(schema.AbilitySweep, of("sweep/final", "A sweep never touches a final name, whatever it looks like.",
			"The clearing up after a broken store would remove backups.",
			"Sweep only names that your Store makes for temporary objects, beginning with sdk.TempPrefix.", sweepKeepsFinalNames)),
	}
}

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
	if err == nil { // the store was faster; then the file is whole
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
