package journal

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/dprun/dprun/runner/evidence"
)

func TestRecordsOfTwoProcessesMakeOneSequence(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/journal.db"
	var mu sync.Mutex
	var made []evidence.Head
	var wait sync.WaitGroup
	for range 2 {
		j, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = j.Close() })
		wait.Go(func() {
			for range 10 {
				err := j.AppendEvidence(context.Background(), func(after evidence.Head) (evidence.Head, error) {
					mu.Lock()
					defer mu.Unlock()
					if n := len(made); after.Sequence != int64(n) || n > 0 && after != made[n-1] {
						return after, fmt.Errorf("after %d records the last one is %+v", n, after)
					}
					h := evidence.Head{Sequence: after.Sequence + 1, Digest: fmt.Sprint("digest of ", after.Sequence+1)}
					made = append(made, h)
					return h, nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if len(made) != 20 {
		t.Errorf("%d records", len(made))
	}
}

func TestADestinationNeverHasLessThanBefore(t *testing.T) {
	t.Parallel()
	j, err := Open(t.TempDir() + "/journal.db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	ctx := context.Background()
	for _, n := range []int64{3, 7, 5} {
		if err := j.NoteEvidence(ctx, "/vault", evidence.Head{Sequence: n}); err != nil {
			t.Fatal(err)
		}
	}
	if h, err := j.Evidence(ctx, "/vault"); err != nil || h.Sequence != 7 {
		t.Errorf("it has %d records: %v", h.Sequence, err)
	}
	if h, err := j.Evidence(ctx, "/other"); err != nil || h.Sequence != 0 {
		t.Errorf("another has %d records: %v", h.Sequence, err)
	}
}
