package journal

import (
	"github.com/dprun/dprun/testfixtures/need"

	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/pending"
)

// The test binary is its own child. The variable names the journal to write.
const (
	childJournal = "DPRUN_JOURNAL_TEST_PATH"
	childRun     = "DPRUN_JOURNAL_TEST_RUN"
	childBatches = "DPRUN_JOURNAL_TEST_BATCHES"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childJournal); path != "" {
		batches, _ := strconv.Atoi(os.Getenv(childBatches))
		if err := appendBatches(path, os.Getenv(childRun), batches); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// appendBatches writes batches of an event, a status and an obligation each. It
// prints the number of each batch after the batch was acknowledged.
func appendBatches(path, run string, batches int) error {
	j, err := Open(path)
	if err != nil {
		return err
	}
	if err := j.CreateRun(context.Background(), Run{ID: run, Plan: "p", Started: noon}); err != nil {
		return err
	}
	for i := 1; i <= batches; i++ {
		task := fmt.Sprintf("t%d", i)
		if err := j.Append(context.Background(), run, Batch{
			Events:   []event.Event{{Kind: event.Started, Task: task, Action: "quiesce/1", Time: noon}},
			Statuses: []event.Status{{Task: task, Seq: 1, Code: "X", Time: noon}},
			Owe:      []pending.Obligation{{Key: pending.Key{Task: task, ID: "unquiesce"}, Kind: pending.Unquiesce, Since: noon}},
		}); err != nil {
			return err
		}
		fmt.Println(i)
	}
	return j.Close()
}

func child(t *testing.T, path, run string, batches int) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childJournal+"="+path, childRun+"="+run, fmt.Sprintf("%s=%d", childBatches, batches))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	need.Done(t, err)
	need.Done(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd, bufio.NewScanner(out)
}

func TestKillLosesNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	for _, after := range []int{1, 7, 60} {
		t.Run(fmt.Sprintf("after %d", after), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "journal.db")
			cmd, lines := child(t, path, "R", 1_000_000)
			acknowledged := 0
			for lines.Scan() {
				n, err := strconv.Atoi(lines.Text())
				if err != nil {
					t.Fatalf("the child says %q", lines.Text())
				}
				if acknowledged = n; n == after {
					need.Done(t, cmd.Process.Kill())
				}
			}
			if acknowledged < after {
				t.Fatalf("the child ended by itself after %d batches", acknowledged)
			}
			cmd.Wait()

			j, err := Open(path)
			need.Done(t, err)
			defer j.Close()
			need.Done(t, j.Check(t.Context()))
			events := 0
			for _, err := range j.Events(t.Context(), "R") {
				need.Done(t, err)
				events++
			}
			tasks, err := j.Tasks(t.Context(), "R")
			need.Done(t, err)
			owed, err := j.Owed(t.Context())
			need.Done(t, err)
			// One more than the acknowledged ones may have been committed.
			if events < acknowledged || events > acknowledged+1 {
				t.Errorf("%d events after %d were acknowledged", events, acknowledged)
			}
			if len(tasks) != events || len(owed) != events {
				t.Errorf("%d events, %d tasks, %d obligations: a batch is torn", events, len(tasks), len(owed))
			}
			unfinished, err := j.UnfinishedRuns(t.Context())
			need.Done(t, err)
			if len(unfinished) != 1 {
				t.Errorf("unfinished runs: %v", unfinished)
			}
		})
	}
}

func TestProcessesShareAJournal(t *testing.T) {
	t.Parallel()
	const processes, batches = 3, 40
	path := filepath.Join(t.TempDir(), "journal.db")
	var cmds []*exec.Cmd
	var outputs []*bufio.Scanner
	for i := range processes { // all at once on a file that does not exist yet
		cmd, lines := child(t, path, fmt.Sprintf("R%d", i), batches)
		cmds, outputs = append(cmds, cmd), append(outputs, lines)
	}
	if err := appendBatchesQuietly(path, "own", batches); err != nil {
		t.Error(err)
	}
	for i, cmd := range cmds {
		last := ""
		for outputs[i].Scan() {
			last = outputs[i].Text()
		}
		if err := cmd.Wait(); err != nil || last != fmt.Sprint(batches) {
			t.Errorf("process %d: %v, its last word is %q", i, err, last)
		}
	}
	j, err := Open(path)
	need.Done(t, err)
	defer j.Close()
	runs, err := j.Runs(t.Context(), Filter{}, 0)
	need.Done(t, err)
	owed, err := j.Owed(t.Context())
	need.Done(t, err)
	if len(runs) != processes+1 || len(owed) != (processes+1)*batches {
		t.Errorf("%d runs that owe %d", len(runs), len(owed))
	}
	need.Done(t, j.Check(t.Context()))
}

func appendBatchesQuietly(path, run string, batches int) error {
	j, err := Open(path)
	if err != nil {
		return err
	}
	defer j.Close()
	if err := j.CreateRun(context.Background(), Run{ID: run}); err != nil {
		return err
	}
	for i := range batches {
		if err := j.Append(context.Background(), run, Batch{Owe: []pending.Obligation{{Key: pending.Key{Task: fmt.Sprint(i), ID: "u"}, Kind: pending.Unquiesce}}}); err != nil {
			return err
		}
	}
	return nil
}

// TestTheGuardHoldsAgainstAnotherRun lets many processes ask for the last slot at
// once.
func TestTheGuardHoldsAgainstAnotherRun(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal.db")
	const contenders = 6
	results := make(chan error, contenders)
	for i := range contenders {
		j, err := Open(path)
		need.Done(t, err)
		defer j.Close()
		go func() {
			results <- j.Grant(t.Context(), noon, Guard{MaxDevices: 1}, pending.Obligation{
				Key: pending.Key{Run: fmt.Sprintf("R%d", i), Task: "t", ID: "unquiesce"}, Kind: pending.Unquiesce, Device: fmt.Sprintf("d%d", i), Since: noon})
		}()
	}
	won := 0
	for range contenders {
		if err := <-results; err == nil {
			won++
		} else if !strings.Contains(err.Error(), "allows no more devices") {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d devices got the one slot", won)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1, 100} {
		b.Run(fmt.Sprintf("batch of %d", size), func(b *testing.B) {
			j, err := Open(filepath.Join(b.TempDir(), "journal.db"))
			need.Done(b, err)
			defer j.Close()
			createRun(b, j, Run{ID: "R", Started: noon})
			n := 0
			for b.Loop() {
				var batch Batch
				for range size {
					n++
					task := fmt.Sprintf("export_domain.nightly/fra-1/domain-%d", (n-1)/10)
					batch.Events = append(batch.Events, event.Event{Kind: event.Finished, Time: noon, Task: task, Action: "store/offsite/persisted/1"})
					batch.Statuses = append(batch.Statuses, event.Status{Task: task, Seq: (n-1)%10 + 1, Activity: "nightly", Device: "fra-1", Code: "EXECUTION_STARTED", Time: noon})
				}
				appendTo(b, j, "R", batch)
			}
			b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
