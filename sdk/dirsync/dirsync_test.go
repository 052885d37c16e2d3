package staging

import (
	"errors"
	"sync"
	"testing"
)

func TestASyncDoesForAllNamesThatWereMadeBeforeItBeganAndForNoOther(t *testing.T) {
	t.Parallel()
	var n names
	syncs := 0
	first, second := n.making(), n.making()
	during := 0
	sync := func() error { syncs++; during = n.making(); return nil }
	for _, name := range []int{second, first, second} {
		if err := n.keep(name, sync); err != nil || syncs != 1 {
			t.Errorf("name %d: %v, %d syncs", name, err, syncs)
		}
	}
	if err := n.keep(during, sync); err != nil || syncs != 2 {
		t.Errorf("a name that was made during the sync: %v, %d syncs", err, syncs)
	}
}

// The kernel tells of what it could not write once, and the next sync may end well.
func TestTheErrorOfASyncIsThatOfAllNamesThatItWasToMakeDurable(t *testing.T) {
	t.Parallel()
	var n names
	failed := errors.New("failed")
	before := n.making()
	well := func() error { return nil }
	if err := n.keep(before, well); err != nil {
		t.Fatal(err)
	}
	first, second := n.making(), n.making()
	if err := n.keep(first, func() error { return failed }); err != failed {
		t.Errorf("got %v", err)
	}
	if err := n.keep(n.making(), well); err != nil {
		t.Errorf("a later name: %v", err)
	}
	for _, name := range []int{first, second} {
		if err := n.keep(name, func() error { t.Error("synced again"); return nil }); err != failed {
			t.Errorf("name %d: %v", name, err)
		}
	}
}

func TestNamesOfOneMomentShareASync(t *testing.T) {
	t.Parallel()
	var n names
	begun, goOn := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		_ = n.keep(n.making(), func() error { close(begun); <-goOn; return nil })
	})
	<-begun
	var made []int
	for range 20 {
		made = append(made, n.making())
	}
	close(goOn)
	all.Wait()
	syncs := 0
	for _, name := range made {
		if err := n.keep(name, func() error { syncs++; return nil }); err != nil {
			t.Error(err)
		}
	}
	if syncs != 1 {
		t.Errorf("%d syncs", syncs)
	}
}
