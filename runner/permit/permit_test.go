package permit

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/testfixtures/manualclock"
	"github.com/dprun/dprun/testfixtures/need"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func openJournal(t *testing.T) *journal.Journal {
	t.Helper()
	j := need.Value(journal.Open(filepath.Join(t.TempDir(), "journal.db")))(t)
	t.Cleanup(func() { need.Done(t, j.Close()) })
	return j
}

// A task that has waited for hours has its whole time from then on: else its
// device counts at once as one that did not come back, and stops all others.
func TestAPermitThatWasWaitedForIsNotOverdueWhenItIsGranted(t *testing.T) {
	t.Parallel()
	j, clock := openJournal(t), manualclock.New(noon)
	d := &Desk{Journal: j, Pending: pending.Open(t.TempDir()), Clock: clock, Log: slog.New(slog.DiscardHandler), Record: record.Run{Spec: lifecycle.RunSpec{ID: "R"}}}
	ctx, end := context.WithCancel(t.Context())
	defer d.Close()
	defer end()
	claim := func(device string) execute.Claim {
		return execute.Claim{
			Task: &lifecycle.TaskSpec{Device: device, Guard: lifecycle.Guard{MaxDevices: 1}},
			Owe:  lifecycle.Obligation{ID: lifecycle.OwedUnquiesce, Kind: lifecycle.OweUnquiesce, Task: "x/" + device, Device: device, DueBack: clock.Now().Add(time.Hour)},
		}
	}
	first, paid := claim("gw-1"), pending.Key{Run: "R", Task: "x/gw-1", ID: lifecycle.OwedUnquiesce}
	first.Owe.DueBack = noon.Add(24 * time.Hour)
	if denial, err := d.Grant(ctx, first, nil); denial != nil || err != nil {
		t.Fatal(denial, err)
	}
	granted := make(chan error, 1)
	second, waits := claim("gw-2"), make(chan string, 1)
	go func() {
		_, err := d.Grant(ctx, second, func(why string) { waits <- why })
		granted <- err
	}()
	<-waits
	need.Done(t, j.Pay(ctx, clock.Now(), paid))
	clock.Advance(5 * time.Hour)
	need.Done(t, <-granted)
	if denial, err := d.Confirm(ctx, claim("gw-3")); denial != nil || err != nil {
		t.Errorf("another device is denied: %+v, %v", denial, err)
	}
	clock.Advance(time.Hour + time.Second)
	if denial, err := d.Confirm(ctx, claim("gw-3")); denial == nil || err != nil {
		t.Errorf("a device that is late stops nothing: %v", err)
	}
}
