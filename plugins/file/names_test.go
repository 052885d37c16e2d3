package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/need"
)

func storeIn(t *testing.T, d *destination, name string) {
	t.Helper()
	source := filepath.Join(t.TempDir(), "source")
	need.Done(t, os.WriteFile(source, []byte("x"), 0o600))
	sum := sha256.Sum256([]byte("x"))
	r := need.Value(d.Store(context.Background(), sdk.StoreRequest{Source: source, Path: name, Size: 1, SHA256: hex.EncodeToString(sum[:])}, nil))(t)
	if !r.Durable {
		t.Errorf("%s is not durable", name)
	}
}

func TestAStoredFileHasDurableNamesAllTheWayDown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	need.Done(t, os.MkdirAll(filepath.Join(dir, "old", "older"), 0o700))
	d := newDestination(dir, false, false, slog.New(slog.DiscardHandler))
	for _, name := range []string{"new/a/b/1", "new/a/b/2", "new/a/c/1", "old/older/1", "top"} {
		storeIn(t, d, name)
		for above, n := range d.directories.names {
			if !n.Durable() {
				t.Errorf("%s: the names in %s are not durable", name, above)
			}
		}
	}
	made := map[string]int{".": 1, "new": 1, "new/a": 2, "old": 1} // in old one that a process before this one may have made
	for above, want := range made {
		if n := d.directories.names[above]; n == nil || n.Last() != want {
			t.Errorf("%s: %+v, want %d names", above, n, want)
		}
	}
}

func TestASyncDoesForTheDirectoriesThatWereMadeBeforeItBeganAndForNoOther(t *testing.T) {
	t.Parallel()
	var d directories
	failed := errors.New("failed")
	syncs := 0
	well := func() error { syncs++; return nil }
	make := func() upTo { d.of("a").making(); return d.above("a/x")[0] }
	first, second := make(), make()
	var during upTo
	if err := first.names.Keep(first.last, func() error { during = make(); return well() }); err != nil {
		t.Fatal(err)
	}
	if err := d.of("a").Keep(second.last, well); err != nil || syncs != 1 {
		t.Errorf("made before: %v, %d syncs", err, syncs)
	}
	if err := d.of("a").Keep(during.last, func() error { return failed }); err != failed {
		t.Errorf("made during the sync: %v", err)
	}
	if err := d.of("a").Keep(during.last, well); err != failed {
		t.Errorf("after a sync that failed: %v", err)
	}
	if again := d.above("a/x")[0]; d.of("a").Keep(again.last, well) != nil || syncs != 2 {
		t.Errorf("the next store: %d syncs", syncs)
	}
}

func TestManyDirectoriesAreForgottenOnceTheyAreDurable(t *testing.T) {
	t.Parallel()
	var d directories
	d.of("new").making()
	for i := range most + 10 {
		up := d.above(filepath.Join("d", string(rune('a'+i%26)), hex.EncodeToString([]byte{byte(i), byte(i >> 8)}), "x"))[0]
		need.Done(t, up.names.Keep(up.last, func() error { return nil }))
	}
	if n := len(d.names); n > most {
		t.Errorf("%d are remembered", n)
	}
	if n := d.names["new"]; n == nil || n.Durable() {
		t.Errorf("the one that is not durable: %+v", n)
	}
}
