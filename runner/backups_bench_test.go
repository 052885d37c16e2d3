package runner

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/testfixtures/need"
)

// BenchmarkLatest finds the last good sets among 100,000 copies of 1,000 domains.
func BenchmarkLatest(b *testing.B) {
	j := need.Value(journal.Open(filepath.Join(b.TempDir(), "journal.db")))(b)
	defer j.Close() //nolint:errcheck // it is removed anyway
	begin := time.Date(2026, 1, 1, 2, 0, 0, 0, time.UTC)
	for night := range 100 {
		run := fmt.Sprintf("01RUN%03d", night)
		need.Done(b, j.CreateRun(b.Context(), journal.Run{ID: run, Plan: "nightly", Origin: "/p.hcl", Started: begin.AddDate(0, 0, night)}))
		var events []event.Event
		for n := range 1000 {
			at := begin.AddDate(0, 0, night).Add(time.Duration(n) * time.Millisecond)
			stamp := at.Format("2006-01-02-15-04-05") + fmt.Sprintf("-%03d", n)
			task := fmt.Sprintf("export/gw%d/d%d", n/50, n)
			c := backups.Copy{Set: need.Value(backups.ID(run, task, stamp))(b), Root: "/b", Destination: "file.b", Plan: "nightly", Path: fmt.Sprintf("gw%d/d%d/%s.dprun.json", n/50, n, stamp), SHA256: "00", Run: run, Task: task,
				Device: fmt.Sprintf("gw%d", n/50), Domain: fmt.Sprintf("d%d", n), Activity: "export", Type: "export_domain", Stamp: stamp, Bytes: 1, Files: []backups.File{{File: stamp + ".zip", Size: 1, SHA256: "00"}},
				StateID: "MINE", State: backups.Whole, Stored: at}
			events = append(events, event.Event{Kind: event.Finished, Task: task, Time: at, Result: &event.Result{Copy: &c}})
		}
		need.Done(b, j.Append(b.Context(), run, journal.Batch{Events: events}))
	}
	for name, f := range map[string]journal.CopyFilter{"all": {}, "device": {Device: "gw7"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if got := need.Value(latestOf(b.Context(), j, f, "MINE", begin.AddDate(1, 0, 0)))(b); len(got) != map[string]int{"all": 1000, "device": 50}[name] {
					b.Fatalf("%d are found", len(got))
				}
			}
		})
		b.Run(name+"/scan", func(b *testing.B) {
			for b.Loop() {
				need.Value(backups.Latest(backups.Sets(j.Copies(b.Context(), f)), "MINE", begin.AddDate(1, 0, 0)))(b)
			}
		})
	}
}
