package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/record"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/settle"
	"github.com/dprun/dprun/testfixtures/need"
)

// opened returns runners on one state directory. Each has its own files, as if
// they were processes.
func opened(t *testing.T, n int) []*Runner {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	var out []*Runner
	for range n {
		r, err := Open(Options{StateDir: dir, Version: "0.1.0-test", Environ: os.Environ()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Close() })
		out = append(out, r)
	}
	return out
}

// gone returns the ID of a process that has ended.
func gone(t *testing.T) int {
	t.Helper()
	c := exec.Command("true")
	need.Done(t, c.Run())
	return c.Process.Pid
}

// dead enters a run whose process is gone. Its spec is empty and its machine's
// version unknown, so a recovery closes it, and uses only the rows.
func dead(t *testing.T, r *Runner, plan string) string {
	t.Helper()
	id := need.Value(journal.NewRunID(time.Now()))(t)
	spec, err := json.Marshal(record.Run{Spec: lifecycle.RunSpec{ID: id, Plan: plan}})
	if err != nil {
		t.Fatal(err)
	}
	need.Done(t, r.kept.Load().journal.CreateRun(t.Context(), journal.Run{ID: id, Plan: plan, Spec: spec, MachineVersion: -1, Started: time.Now(), PID: gone(t)}))
	return id
}

func owe(t *testing.T, r *Runner, run, device, domain string) pending.Key {
	t.Helper()
	id := pending.Key{Run: run, Task: "x/" + device + "/" + domain, ID: "unquiesce"}
	o := pending.Obligation{Key: id, Kind: pending.Unquiesce, Device: device, Domain: domain, Since: time.Now(), DueBack: time.Now().Add(time.Hour), Endpoint: json.RawMessage(`{"type": "datapower"}`)}
	need.Done(t, r.pending.Put(o))
	need.Done(t, r.kept.Load().journal.Append(t.Context(), run, journal.Batch{Owe: []pending.Obligation{o}}))
	return id
}

func stateOf(t *testing.T, r *Runner, run string) journal.State {
	t.Helper()
	found := need.Value(r.kept.Load().journal.Run(t.Context(), run))(t)
	return found.State
}

func recovering(t *testing.T, r *Runner, run string) *lock.Lock {
	t.Helper()
	held, err := r.locks.TryAcquire(lock.RunKey(run), lock.Exclusive, lock.Info{Run: run, Recovery: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = held.Release() })
	return held
}

func TestAPlanWaitsForTheRecoveryOfItsRun(t *testing.T) {
	t.Parallel()
	rs := opened(t, 2)
	run := dead(t, rs[0], "p")
	held := recovering(t, rs[0], run)

	res := &report.Result{}
	tried, err := rs[1].begin(Operation{}).recover(t.Context(), res)
	if err != nil || tried[run] || len(res.Recovered) > 0 {
		t.Errorf("the look at the beginning: tried %v, recovered %v, %v", tried, res.Recovered, err)
	}
	_, err = rs[1].begin(Operation{}).holdPlan(t.Context(), "p", "", tried, res)
	if e := new(Error); !errors.As(err, &e) || e.ExitCode != ExitRunning || !strings.Contains(err.Error(), "its run "+run+" is being recovered by process") {
		t.Errorf("the plan of a run that is being recovered: %v", err)
	}
	other, err := rs[1].begin(Operation{}).holdPlan(t.Context(), "q", "", tried, res)
	if err != nil {
		t.Fatalf("another plan: %v", err)
	}
	_ = other.Release()
	if other, err = rs[1].begin(Operation{}).holdPlan(t.Context(), "p", "/elsewhere/plan.hcl", tried, res); err != nil {
		t.Fatalf("a plan of the same name in another file: %v", err)
	}
	_ = other.Release()

	_ = held.Release() // the recovery ends here as if it were killed
	mine, err := rs[1].begin(Operation{}).holdPlan(t.Context(), "p", "", tried, res)
	if err != nil {
		t.Fatalf("the recovery was given up: %v", err)
	}
	defer func() { _ = mine.Release() }()
	if stateOf(t, rs[1], run) != journal.Finished || len(res.Recovered) != 1 {
		t.Error("a run that became nobody's between the look and the plan's lock was not finished first")
	}
}

func TestAPlanThatRunsIsNotBegunAgain(t *testing.T) {
	t.Parallel()
	rs := opened(t, 2)
	held, err := rs[0].begin(Operation{}).holdPlan(t.Context(), "p", "", nil, &report.Result{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = rs[1].begin(Operation{}).holdPlan(t.Context(), "p", "", nil, &report.Result{})
	if e := new(Error); !errors.As(err, &e) || e.ExitCode != ExitRunning || !strings.Contains(err.Error(), fmt.Sprintf("already running: process %d", os.Getpid())) {
		t.Errorf("got %v", err)
	}
	_ = held.Release()
	if held, err = rs[1].begin(Operation{}).holdPlan(t.Context(), "p", "", nil, &report.Result{}); err != nil {
		t.Fatal(err)
	}
	_ = held.Release()
}

// blocked returns why a new run must not use devices.
func blocked(t *testing.T, r *Runner) map[string]string {
	t.Helper()
	all, err := r.begin(Operation{}).outstanding(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names, _ := settle.Blocked(all, time.Now())
	return names
}

// The process does not try again to finish a dead run that it could not finish,
// and that run does not keep its plan from running.
func TestAPlanRunsBesideARunThatCannotBeFinished(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	run := dead(t, r, "p")
	id := owe(t, r, run, "gw", "app") // its secret was given by value
	res := &report.Result{}
	tried, err := r.begin(Operation{}).recover(t.Context(), res)
	if err != nil || !tried[run] || res.ExitCode != ExitOwed {
		t.Fatalf("tried %v, exit %d, %v", tried, res.ExitCode, err)
	}
	held, err := r.begin(Operation{}).holdPlan(t.Context(), "p", "", tried, res)
	if err != nil {
		t.Fatal(err)
	}
	_ = held.Release()
	owed, err := r.kept.Load().journal.Obligations(t.Context(), run)
	if err != nil || len(owed) != 1 || owed[0].Key != id || owed[0].Attempts != 1 || res.ExitCode != ExitOwed {
		t.Errorf("owed %+v, exit %d, %v; want one attempt", owed, res.ExitCode, err)
	}
	if b := blocked(t, r); !strings.Contains(b["gw"], "dprun recover") {
		t.Errorf("blocked: %v", b)
	}
}

// While another process recovers a run, the run's obligations are listed with
// that process, and its devices are blocked as well.
func TestDevicesOfARunThatIsBeingRecoveredAreBlocked(t *testing.T) {
	t.Parallel()
	rs := opened(t, 2)
	run := dead(t, rs[0], "p")
	owe(t, rs[0], run, "gw", "app")
	recovering(t, rs[0], run)
	if b := blocked(t, rs[1]); !strings.Contains(b["gw"], "is being recovered just now") {
		t.Errorf("blocked: %v", b)
	}
	left := rs[1].Owed(t.Context())
	if owed := left.Owed; left.Unknown != nil || len(owed) != 1 || !owed[0].Held || !strings.Contains(owed[0].HeldBy, "the recovery of run "+run) || left.ExitCode != 0 {
		t.Errorf("owed: %+v", left)
	}
}

func TestManyRecoveriesAtOnceFinishARunOnce(t *testing.T) {
	t.Parallel()
	rs := opened(t, 6)
	run := dead(t, rs[0], "p")
	var mu sync.Mutex
	finished := 0
	var all sync.WaitGroup
	for _, r := range rs {
		all.Go(func() {
			res, err := r.Recover(context.Background(), RecoverRequest{})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			finished += len(res.Recovered)
		})
	}
	all.Wait()
	if finished != 1 || stateOf(t, rs[0], run) != journal.Finished {
		t.Errorf("finished %d times", finished)
	}
}

// Something that a dead process has started keeps the run's lock. Then nobody
// owns the run, and its devices are still brought back.
func TestARunWhoseProcessIsGoneAndWhoseChildHangsIsNobodys(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	run := dead(t, r, "p")
	id := owe(t, r, run, "gw", "app")
	hangs := need.Value(os.OpenFile(r.locks.Path(lock.RunKey(run)), os.O_CREATE|os.O_RDWR, 0o600))(t)
	defer func() { _ = hangs.Close() }()
	need.Done(t, unix.Flock(int(hangs.Fd()), unix.LOCK_EX))
	if _, err := r.begin(Operation{}).recover(t.Context(), &report.Result{}); err != nil || stateOf(t, r, run) != journal.Running {
		t.Errorf("run %s, %v", stateOf(t, r, run), err)
	}
	owed, err := r.kept.Load().journal.Obligations(t.Context(), run)
	if err != nil || len(owed) != 1 || owed[0].Key != id || owed[0].Attempts != 1 {
		t.Errorf("owed %+v, %v; want one attempt", owed, err)
	}
	if left := r.Owed(t.Context()); left.Unknown != nil || len(left.Owed) != 1 {
		t.Errorf("listed: %+v", left)
	}
}

func ended(t *testing.T, r *Runner, plan string) string {
	t.Helper()
	run := dead(t, r, plan)
	need.Done(t, r.kept.Load().journal.FinishRun(t.Context(), run, journal.End{Time: time.Now()}))
	return run
}

func attempts(t *testing.T, r *Runner, run string) (n int, last string) {
	t.Helper()
	owed, err := r.kept.Load().journal.Obligations(t.Context(), run)
	if err != nil || len(owed) != 1 {
		t.Fatalf("owed: %+v, %v", owed, err)
	}
	return owed[0].Attempts, owed[0].LastError
}

// Only one process at a time settles an obligation of an ended run.
func TestWhatAnotherProcessPaysIsLeftToIt(t *testing.T) {
	t.Parallel()
	rs := opened(t, 2)
	run := ended(t, rs[0], "p")
	owe(t, rs[0], run, "gw", "app")
	held := recovering(t, rs[0], run)
	need.Value(rs[1].begin(Operation{}).recover(t.Context(), &report.Result{}))(t)
	if n, _ := attempts(t, rs[1], run); n != 0 {
		t.Errorf("%d attempts beside the process that pays", n)
	}
	_ = held.Release()
	need.Value(rs[1].begin(Operation{}).recover(t.Context(), &report.Result{}))(t)
	if n, why := attempts(t, rs[1], run); n != 1 || !strings.Contains(why, "given by value") {
		t.Errorf("%d attempts, %s", n, why)
	}
}

// A domain that an old run must unquiesce may be quiesced by a live run now, and
// must not be unquiesced under it.
func TestATargetThatALiveRunHasQuiescedIsLeftToIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		device, domain string
		left           bool
	}{{"gw", "app", true}, {"gw", "", true}, {"gw", "other", false}, {"else", "app", false}} {
		t.Run(c.device+"/"+c.domain, func(t *testing.T) {
			t.Parallel()
			rs := opened(t, 2)
			old, now := ended(t, rs[0], "p"), dead(t, rs[0], "q")
			owe(t, rs[0], old, "gw", "app")
			owe(t, rs[0], now, c.device, c.domain)
			held, err := rs[0].locks.TryAcquire(lock.RunKey(now), lock.Exclusive, lock.Info{Run: now})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = held.Release() }()
			need.Value(rs[1].begin(Operation{}).recover(t.Context(), &report.Result{}))(t)
			n, why := attempts(t, rs[1], old)
			if left := strings.Contains(why, "run "+now+" is at work and has it quiesced"); n != 1 || left != c.left {
				t.Errorf("%d attempts, %s", n, why)
			}
		})
	}
}

// An overdue target counts as left, whatever process holds it, and any process
// brings it back: the holder may be stopped, or hang.
func TestWhatIsOverdueIsEverybodys(t *testing.T) {
	t.Parallel()
	rs := opened(t, 2)
	run := dead(t, rs[0], "p")
	id := owe(t, rs[0], run, "gw", "app")
	held, err := rs[0].locks.TryAcquire(lock.RunKey(run), lock.Exclusive, lock.Info{Run: run})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Release() }()
	left := rs[1].Owed(t.Context())
	if listed := left.Owed; left.Unknown != nil || len(listed) != 1 || !listed[0].Held || left.ExitCode != 0 {
		t.Errorf("before it is due: %+v", left)
	}
	files, _, err := rs[0].pending.List()
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	files[0].DueBack = time.Now().Add(-time.Second)
	need.Done(t, rs[0].pending.Put(files[0]))
	left = rs[1].Owed(t.Context())
	if listed := left.Owed; left.Unknown != nil || len(listed) != 1 || listed[0].Held || listed[0].HeldBy == "" || left.ExitCode != ExitOwed {
		t.Errorf("after that: %+v", left)
	}
	res, err := rs[1].Recover(t.Context(), RecoverRequest{})
	if err != nil || res.ExitCode != ExitOwed {
		t.Errorf("exit %d, %v", res.ExitCode, err)
	}
	if n, _ := attempts(t, rs[1], run); n != 1 {
		t.Errorf("%d attempts at %s, which is overdue", n, id)
	}
}

// A process may be stopped while it has a permit and has not sent its quiesce
// yet. All others wait for it. dprun names it when that takes too long, and never
// takes the permit away, because the process may continue.
func TestAPermitOfAStoppedProcessIsNamedWhenItIsOverdue(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	run := dead(t, r, "p")
	held := need.Value(r.locks.TryAcquire(lock.RunKey(run), lock.Exclusive, lock.Info{Run: run}))(t)
	defer func() { _ = held.Release() }()
	j, o := r.kept.Load().journal, pending.Obligation{Key: pending.Key{Run: run, Task: "x/gw", ID: "unquiesce"}, Kind: pending.Unquiesce, Device: "gw", Since: time.Now(), Endpoint: json.RawMessage(`{"type": "datapower"}`)}
	for _, c := range []struct {
		due          time.Duration
		listed, exit int
	}{{time.Hour, 0, 0}, {-time.Second, 1, ExitOwed}} {
		o.DueBack = time.Now().Add(c.due)
		need.Done(t, j.Grant(t.Context(), time.Now(), journal.Guard{}, o))
		if left := r.Owed(t.Context()); len(left.Owed) != c.listed || left.ExitCode != c.exit || c.listed > 0 && left.Owed[0].HeldBy == "" {
			t.Errorf("due in %s: %+v", c.due, left)
		}
		need.Value(r.Recover(t.Context(), RecoverRequest{}))(t)
		_, _ = r.Acknowledge(t.Context(), AcknowledgeRequest{Target: "gw"})
		if owed := need.Value(j.Owed(t.Context()))(t); len(owed) != 1 || owed[0].Attempts != 0 {
			t.Errorf("due in %s: it was taken away: %+v", c.due, owed)
		}
	}
}

// The pending files decide: without a journal, and with one that has forgotten
// the run, dprun knows what must be undone and tries it.
func TestPendingFilesNeedNoJournal(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	run := need.Value(journal.NewRunID(time.Now()))(t)
	need.Done(t, r.pending.Put(pending.Obligation{Key: pending.Key{Run: run, Task: "t", ID: "unquiesce"}, Kind: pending.Unquiesce, Device: "gw", Since: time.Now(), Endpoint: json.RawMessage(`{"type": "datapower"}`)}))
	check := func() {
		t.Helper()
		res, err := r.Recover(t.Context(), RecoverRequest{})
		if len(res.Owed) != 1 || res.Owed[0].Device != "gw" || !strings.Contains(res.Owed[0].LastError, "given by value") || res.ExitCode != ExitOwed {
			t.Errorf("exit %d, owed %+v, %v", res.ExitCode, res.Owed, err)
		}
	}
	check()
	r.kept.Store(&kept{lost: &Error{ExitBug, errors.New("no room")}})
	check()
}

// A device with one domain back and another one not has not come back, so its
// breaker stays open.
func TestABreakerStaysUntilTheWholeDeviceIsBack(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	run, op := dead(t, r, "p"), r.begin(Operation{})
	first, second := owe(t, r, run, "gw", "one"), owe(t, r, run, "gw", "two")
	owe(t, r, run, "other", "one")
	need.Done(t, r.kept.Load().journal.OpenBreaker(t.Context(), journal.Breaker{Device: "gw", Since: time.Now(), Run: run}))
	for i, key := range []pending.Key{first, second} {
		need.Done(t, op.settler.Done(t.Context(), pending.Obligation{Key: key, Kind: pending.Unquiesce, Device: "gw"}))
		if got := need.Value(r.kept.Load().journal.Breakers(t.Context(), ""))(t); len(got) != 1-i {
			t.Errorf("%d of two domains are back: breakers %+v", i+1, got)
		}
	}
}

// A device that is down counts for the quiesce guard even if the journal was lost
// since. Obligations that are only in pending files are entered again, and those
// that were settled meanwhile are not opened again.
func TestWhatOnlyPendingFilesTellCountsForTheQuiesceGuard(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	j, run := r.kept.Load().journal, need.Value(journal.NewRunID(time.Now()))(t)
	down := pending.Obligation{Key: pending.Key{Run: run, Task: "t", ID: "unquiesce"}, Kind: pending.Unquiesce, Device: "gw", Since: time.Now(),
		DueBack: time.Now().Add(time.Hour), Endpoint: json.RawMessage(`{"type": "datapower"}`)}
	need.Done(t, r.pending.Put(down))
	need.Value(r.Recover(t.Context(), RecoverRequest{}))(t)
	other := down
	other.Run, other.Device = "other", "gw-2"
	if err, refused := j.Grant(t.Context(), time.Now(), journal.Guard{MaxDevices: 1}, other), new(journal.GuardError); !errors.As(err, &refused) || refused.Denial != journal.DeniedDevices {
		t.Errorf("beside a device that is down: %v", err)
	}
	need.Done(t, j.Pay(t.Context(), time.Now(), down.Key))
	need.Done(t, j.Remember(t.Context(), down))
	need.Done(t, j.Grant(t.Context(), time.Now(), journal.Guard{MaxDevices: 1}, other))
}

// A run that has left its lock and that the journal does not know is reported
// until a person has looked.
func TestAForgottenRunIsTold(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	run := need.Value(journal.NewRunID(time.Now()))(t)
	held, err := r.locks.TryAcquire(lock.RunKey(run), lock.Exclusive, lock.Info{Run: run})
	if err != nil {
		t.Fatal(err)
	}
	if left := r.Owed(t.Context()); left.Unknown != nil {
		t.Errorf("a run that is just beginning: %v", left.Unknown)
	}
	_ = held.Release()
	if left := r.Owed(t.Context()); left.Unknown == nil || left.ExitCode != ExitOwed || !strings.Contains(left.Unknown.Message, "does not know run "+run) {
		t.Errorf("got %+v", left)
	}
	if res, err := r.Recover(t.Context(), RecoverRequest{}); err != nil || res.ExitCode != ExitOwed || res.Unknown == nil {
		t.Errorf("recover: exit %d, %v, %v", res.ExitCode, res.Unknown, err)
	}
	var s event.Summary
	r.begin(Operation{}).noteProcess(t.Context(), &s)
	if want := "the journal does not know run " + run + ", which has left " + r.locks.Path(lock.RunKey(run)); s.ExitCode != 0 || s.ProcessExit != ExitOwed || s.ProcessWhy != want {
		t.Errorf("the summary of another run: %+v, want %q", s, want)
	}
	if _, _, err := r.staging.Write(run, "t", []byte("whole")); err != nil {
		t.Fatal(err)
	}
	staged := filepath.Join(r.state.Staging(), run)
	if left := r.Owed(t.Context()); left.Unknown == nil || !strings.Contains(left.Unknown.Message, staged) || !isDir(staged) {
		t.Errorf("with staged files: %v", left.Unknown)
	}
	if _, err := r.Acknowledge(t.Context(), AcknowledgeRequest{Target: run}); err != nil {
		t.Error(err)
	}
	if isDir(staged) {
		t.Error("its staged files are still there")
	}
	if left := r.Owed(t.Context()); left.Unknown != nil {
		t.Errorf("after that: %v", left.Unknown)
	}
}

// A run that dies between its lock and the journal has contacted nothing. It is
// not reported, and its lock is removed. Once it is in the journal, it may be
// forgotten.
func TestARunThatDiesBeforeItBeginsIsNotForgotten(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	for _, begun := range []bool{false, true} {
		run := need.Value(journal.NewRunID(time.Now()))(t)
		held, err := r.locks.TryAcquire(lock.RunKey(run), lock.Exclusive, lock.Info{Run: run, Beginning: true})
		if err != nil {
			t.Fatal(err)
		}
		if begun {
			held.Begun()
		}
		need.Done(t, held.File().Close()) // like the end of the process, which takes nothing back
		if left := r.Owed(t.Context()); (left.Unknown != nil) != begun {
			t.Errorf("begun %t: %+v", begun, left)
		}
		if left := slices.Contains(need.Value(r.locks.Runs())(t), run); left != begun {
			t.Errorf("begun %t: the lock is left: %t", begun, left)
		}
	}
}

// lost opens a state directory whose journal was emptied.
func lost(t *testing.T) *Runner {
	t.Helper()
	r := opened(t, 1)[0]
	file := r.state.Journal()
	need.Done(t, r.Close())
	need.Done(t, os.Truncate(file, 0))
	_ = os.Remove(file + "-wal")
	r, err := Open(Options{StateDir: r.StateDir, Version: "0.1.0-test", Environ: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// An emptied journal does not count as a new one.
func TestALostJournalIsTold(t *testing.T) {
	t.Parallel()
	r := lost(t)
	if left := r.Owed(t.Context()); !errors.Is(r.kept.Load().lost, journal.ErrLost) || left.Unknown == nil || !strings.Contains(left.Unknown.Message, "recover --ack journal") {
		t.Errorf("got %+v", left)
	}
	if res, _ := r.Recover(t.Context(), RecoverRequest{}); res.ExitCode != ExitOwed {
		t.Errorf("exit %d", res.ExitCode)
	}
	need.Value(r.Acknowledge(t.Context(), AcknowledgeRequest{Target: "journal"}))(t)
	if left := r.Owed(t.Context()); left.Unknown != nil || len(left.Owed) > 0 {
		t.Errorf("after that: %+v", left)
	}
}

// A server reads the history while others begin the lost journal anew. Only one
// of them may do so: a second one would put the first one's journal aside.
func TestALostJournalIsBegunOnceWhileOthersLookBack(t *testing.T) {
	t.Parallel()
	r := lost(t)
	done := make(chan struct{})
	var looking, beginning sync.WaitGroup
	for range 2 {
		looking.Go(func() {
			for {
				for _, err := range r.Runs(t.Context(), RunsRequest{}) {
					if !errors.Is(err, journal.ErrLost) {
						t.Error(err)
					}
				}
				_ = r.Owed(t.Context())
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	var begun atomic.Int32
	for range 4 {
		op := r.begin(Operation{}) // all see that it is lost
		beginning.Go(func() {
			switch a, err := op.acknowledge(t.Context(), "journal", true); {
			case err == nil && a.Journal != "":
				begun.Add(1)
			case CodeOf(err) != ExitUsage || !strings.Contains(err.Error(), "not lost"):
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
	beginning.Wait()
	close(done)
	looking.Wait()
	if n := begun.Load(); n != 1 {
		t.Errorf("%d journals were begun", n)
	}
	for _, err := range r.Runs(t.Context(), RunsRequest{}) {
		t.Error(err)
	}
	run := dead(t, r, "p")
	if found, err := r.Run(t.Context(), "latest"); err != nil || found.Run.ID != run {
		t.Errorf("%+v, %v", found, err)
	}
}
