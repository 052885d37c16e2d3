package journal

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/need"
)

// BenchmarkTask enters the data of a backed-up domain, in two commits for each
// task. It reports the processor time and the bytes that stay on the disk.
func BenchmarkTask(b *testing.B) {
	j := need.Value(Open(filepath.Join(b.TempDir(), "journal.db")))(b)
	defer j.Close()
	createRun(b, j, Run{ID: "01M8H5M4D2KEJPQ1SB3FQ60AAD", Origin: "/etc/dprun/plan.hcl", Started: noon})
	cpu := func() time.Duration {
		var u syscall.Rusage
		need.Done(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before, n := cpu(), 0
	for b.Loop() {
		n++
		at := noon.Add(time.Duration(n) * time.Millisecond)
		id := fmt.Sprintf("domains/gw-%d/app%05d", n%50, n)
		step := func(seq int, code, message string) event.Status {
			return event.Status{V: 1, Run: "01M8H5M4D2KEJPQ1SB3FQ60AAD", Task: id, Seq: seq, Plan: "bench", Activity: "domains", Device: fmt.Sprintf("gw-%d", n%50), Domain: fmt.Sprintf("app%05d", n),
				Code: code, Message: message, Time: at.Add(time.Duration(seq) * 7654321), Final: code == "SUCCESS"}
		}
		done := func(action string, r event.Result) event.Event {
			return event.Event{V: 1, Time: at, Kind: event.Finished, Task: id, Action: action, Result: &r}
		}
		store := &sdk.StoreReport{Location: "/tmp/m/mid/dest/gw-1/domain/app17/app17-export-2026-11-28-13-30-58-553-persisted.zip", Size: 32768,
			SHA256: "7da0a40b1b4c0354545ba60847ba29745d6ca6fb620ae9e61e5a6426992d6ef3"}
		appendTo(b, j, "01M8H5M4D2KEJPQ1SB3FQ60AAD", Batch{
			Statuses: []event.Status{step(1, "WAITING_FOR_PRE_VALIDATION", ""), step(2, "READY_FOR_EXECUTION", ""), step(3, "SENT_TO_MDB", ""),
				step(4, "EXECUTION_STARTED", ""), step(5, "EXECUTION_PRE_CHECKS_STARTED", ""), step(6, "EXECUTION_EXPORT_DOMAIN_PERSISTED_STARTED", "domain app17 of gw-1")},
			Events: []event.Event{
				done("prepare/1", event.Result{Prepared: &event.Prepared{Stamp: "2026-11-28-13-30-58-553", Name: "app17-export-2026-11-28-13-30-58-553", Sets: map[string]string{"file.here": "gw-1/domain/app17"}}}),
				done("probe/1", event.Result{Quiesce: &sdk.QuiesceReport{State: "normal"}}),
				done("check_destination/file.here/1", event.Result{Destination: &sdk.DestinationReport{Free: 64578232320, Total: 270553174016, Location: "/tmp/m/mid/dest"}}),
				done("lock/device", event.Result{}),
				done("check/1", event.Result{Check: &sdk.CheckReport{Variants: []string{"persisted"}}}),
			}})
		appendTo(b, j, "01M8H5M4D2KEJPQ1SB3FQ60AAD", Batch{
			Statuses: []event.Status{step(7, "EXECUTION_EXPORT_DOMAIN_PERSISTED_DONE", "domain app17 of gw-1: 1 file(s), 32.8 kB, staged and verified"),
				step(8, "EXECUTION_STORE_STARTED", "destination file.here: gw-1/domain/app17"),
				step(9, "EXECUTION_STORE_DONE", "destination file.here: /tmp/m/mid/dest/gw-1/domain/app17/app17-export-2026-11-28-13-30-58-553-persisted.zip"),
				step(10, "SUCCESS", "1 file(s), 32.8 kB, verified at file.here")},
			Events: []event.Event{
				done("capture/persisted/1", event.Result{Capture: &event.Captured{Variant: "persisted", Artifacts: []event.Artifact{{Name: "app17-persisted.zip", Size: 32768,
					Staged: "01M8H5M4D2KEJPQ1SB3FQ60AAD/domains%2Fgw-1%2Fapp17-c295f9d19d2a/persisted-1/app17-persisted.zip", File: "app17-export-2026-11-28-13-30-58-553-persisted.zip",
					SHA256: store.SHA256}}}}),
				done("store/file.here/persisted/1", event.Result{Store: store}), done("manifest/file.here/1", event.Result{Store: store}),
			},
			Good: []Good{{Task: id, Bytes: 32768, Took: time.Second}}})
	}
	spent := cpu()
	b.ReportMetric(float64(spent-before)/float64(n)/1e6, "cpu-ms/task")
	need.Done(b, j.FinishRun(b.Context(), "01M8H5M4D2KEJPQ1SB3FQ60AAD", End{Time: noon}))
	b.ReportMetric(float64(cpu()-spent)/float64(n)/1e6, "cpu-ms-at-end/task")
	var pages int
	need.Done(b, j.reader.QueryRow("PRAGMA page_count").Scan(&pages))
	b.ReportMetric(float64(pages*4096/n), "B/task")
}
