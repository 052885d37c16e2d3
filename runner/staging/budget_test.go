package staging

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dprun/dprun/sdk/failure"
)

// waitEnded waits for the end of a context, and gives its cause as a failure.
func waitEnded(t *testing.T, ctx context.Context) *failure.Error {
	t.Helper()
	select {
	case <-ctx.Done():
	case <-time.After(time.Minute):
		t.Fatal("the capture was not ended")
	}
	var f *failure.Error
	if !errors.As(context.Cause(ctx), &f) {
		t.Fatalf("its cause is %v", context.Cause(ctx))
	}
	return f
}

func TestABudgetLeavesRoomForTheJournal(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	for name, c := range map[string]struct {
		free, total, last, most int64
		why                     string
	}{
		"nothing known":             {100 * gib, 200 * gib, 0, 100*gib - 512<<20, "less 512.0 MiB"},
		"a small disk":              {gib, 2 * gib, 0, gib - 2*gib/20, "less 102.4 MiB"},
		"after a small backup":      {100 * gib, 200 * gib, 3 << 20, 30<<20 + gib, "10 times the last good backup (3.0 MiB) and 1.0 GiB more"},
		"after a large one":         {100 * gib, 200 * gib, 20 * gib, 100*gib - 512<<20, "less 512.0 MiB"},
		"less than what stays free": {400 << 20, 200 * gib, 0, 0, ""},
	} {
		s := open(t)
		s.room = func(string) (int64, int64, error) { return c.free, c.total, nil }
		b, err := s.Budget(c.last)
		if c.most == 0 {
			var f *failure.Error
			if !errors.As(err, &f) || f.Kind != failure.NoSpace || f.Reason != failure.StagingIO || !strings.Contains(f.Error(), "has 400.0 MiB free") {
				t.Errorf("%s: %+v, %v", name, b, err)
			}
			continue
		}
		if err != nil || b.Most != c.most || !strings.Contains(b.Why, c.why) {
			t.Errorf("%s: %+v, %v; want %d, %q", name, b, err, c.most, c.why)
		}
	}
}

func TestACaptureThatWritesMoreThanItsBudgetIsEnded(t *testing.T) {
	t.Parallel()
	d := capture(t, open(t), "run", "a", "persisted")
	ctx, end := d.Bound(t.Context(), Budget{Most: 1000, Why: "that is enough"})
	defer end()
	put(t, d, "x", strings.Repeat("x", 999))
	time.Sleep(2 * boundEvery)
	if ctx.Err() != nil {
		t.Fatalf("ended within its budget: %v", context.Cause(ctx))
	}
	put(t, d, "y", "xx")
	if f := waitEnded(t, ctx); f.Kind != failure.NoSpace || f.Reason != failure.StagingIO || !strings.Contains(f.Error(), "1001 bytes and may write 1000 bytes; that is enough") {
		t.Errorf("%+v", f)
	}
}

func TestTheLargestCaptureIsEndedWhereTheDiskRunsShort(t *testing.T) {
	t.Parallel()
	s := open(t)
	var free atomic.Int64
	free.Store(1000)
	s.room = func(string) (int64, int64, error) { return free.Load(), 10_000, nil }
	small, large := capture(t, s, "run", "a", "persisted"), capture(t, s, "run", "b", "persisted")
	smallCtx, endSmall := small.Bound(t.Context(), Budget{Most: 1 << 30, reserve: 500})
	defer endSmall()
	largeCtx, endLarge := large.Bound(t.Context(), Budget{Most: 1 << 30, reserve: 500})
	defer endLarge()
	put(t, small, "x", "x")
	put(t, large, "x", "xxx")
	for s.grown(small) != 1 || s.grown(large) != 3 {
		time.Sleep(boundEvery)
	}
	free.Store(499)
	f := waitEnded(t, largeCtx)
	if f.Kind != failure.NoSpace || !strings.Contains(f.Error(), "has 499 bytes free") {
		t.Errorf("%+v", f)
	}
	time.Sleep(3 * boundEvery) // its files are still there
	if smallCtx.Err() != nil {
		t.Error("the small one was ended too")
	}
}

func (s *Staging) grown(d *Dir) int64 {
	s.measuring.Lock()
	defer s.measuring.Unlock()
	return s.growing[d]
}
