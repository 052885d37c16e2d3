package dirsync

import (
	"errors"
	"sync"
	"testing"
)

func TestASyncDoesForAllNamesThatWereMadeBeforeItBeganAndForNoOther(t *testing.T) {
	t.Parallel()
	var n Names
	syncs := 0
	first, second := n.Made(), n.Made()
	during := 0
	sync := func() error { syncs++; during = n.Made(); return nil }
	for _, name := range []int{second, first, second} {
		if err := n.Keep(name, sync); err != nil || syncs != 1 {
			t.Errorf("name %d: %v, %d syncs", name, err, syncs)
		}
	}
	if err := n.Keep(during, sync); err != nil || syncs != 2 {
		t.Errorf("a name that was made during the sync: %v, %d syncs", err, syncs)
	}
}

// The kernel tells of what it could not write once, and the next sync may end well.
func TestTheErrorOfASyncIsThatOfAllNamesThatItWasToMakeDurable(t *testing.T) {
	t.Parallel()
	var n Names
	failed := errors.New("failed")
	before := n.Made()
	well := func() error { return nil }
	if err := n.Keep(before, well); err != nil {
		t.Fatal(err)
	}
	first, second := n.Made(), n.Made()
	if err := n.Keep(first, func() error { return failed }); err != failed {
		t.Errorf("got %v", err)
	}
	if err := n.Keep(n.Made(), well); err != nil {
		t.Errorf("a later name: %v", err)
	}
	for _, name := range []int{first, second} {
		if err := n.Keep(name, func() error { t.Error("synced again"); return nil }); err != failed {
			t.Errorf("name %d: %v", name, err)
		}
	}
}

func TestNamesOfOneMomentShareASync(t *testing.T) {
	t.Parallel()
	var n Names
	begun, goOn := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		_ = n.Keep(n.Made(), func() error { close(begun); <-goOn; return nil })
	})
	<-begun
	var made []int
	for range 20 {
		made = append(made, n.Made())
	}
	close(goOn)
	all.Wait()
	syncs := 0
	for _, name := range made {
		if err := n.Keep(name, func() error { syncs++; return nil }); err != nil {
			t.Error(err)
		}
	}
	if syncs != 1 {
		t.Errorf("%d syncs", syncs)
	}
}
