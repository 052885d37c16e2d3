package runner

import (
	"bufio"
	"cmp"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/settle"
	"github.com/dprun/dprun/testfixtures/manualclock"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestAGuardActsWhenItsRunCannot(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)
	after := func(d time.Duration) []pending.Obligation {
		return []pending.Obligation{{Kind: pending.Unquiesce, DueBack: now.Add(d)}}
	}
	failed := try{left: true}
	soon := now.Add(guardLooks)
	for name, c := range map[string]struct {
		early   []try  // while the run's process was alive
		says    []byte // words of the run; 0: its process is gone
		tries   []try  // after that
		later   time.Duration
		owed    []pending.Obligation
		unknown bool
		want    step // without its text
	}{
		"at work":                             {owed: after(time.Hour), want: step{look: soon}},
		"at work, nothing quiesced":           {want: step{look: soon}},
		"at work, and overdue":                {owed: after(-time.Second), want: step{act: true}},
		"a script is owed for long":           {owed: []pending.Obligation{{Kind: pending.PostScript, DueBack: now.Add(-time.Hour)}}, want: step{look: soon}},
		"overdue, tried just now":             {tries: []try{failed}, owed: after(-time.Second), want: step{look: soon}},
		"overdue, tried a while ago":          {tries: []try{failed}, later: guardFirstPause, owed: after(-time.Second), want: step{act: true}},
		"overdue, done, then overdue again":   {tries: []try{{clean: true}}, later: guardFirstPause, owed: after(-time.Second), want: step{act: true}},
		"said goodbye":                        {says: []byte{sayGoodbye}, want: step{end: true}},
		"gone":                                {says: []byte{0}, owed: after(time.Hour), want: step{act: true}},
		"gone, nothing quiesced":              {says: []byte{0}, want: step{act: true}},
		"gone, and all is done":               {says: []byte{0}, tries: []try{{clean: true}}, want: step{end: true}},
		"gone, and not all is done":           {says: []byte{0}, tries: []try{failed}, owed: after(time.Hour), want: step{look: soon}},
		"gone, and not all is done after two": {says: []byte{0}, tries: []try{failed, failed}, owed: after(time.Hour), want: step{look: soon}},
		"gone, tried often":                   {says: []byte{0}, tries: slices.Repeat([]try{failed}, 400), owed: after(time.Hour), want: step{look: soon}},
		"gone, just before the next try":      {says: []byte{0}, tries: []try{failed, failed}, later: 2*guardFirstPause - time.Second, owed: after(time.Hour), want: step{look: now.Add(2 * guardFirstPause)}},
		"gone, and the next try":              {says: []byte{0}, tries: []try{failed, failed}, later: 2 * guardFirstPause, owed: after(time.Hour), want: step{act: true}},
		"gone, tried often, next try":         {says: []byte{0}, tries: slices.Repeat([]try{failed}, 400), later: guardLastPause, owed: after(time.Hour), want: step{act: true}},
		"gone, and a login was refused":       {says: []byte{0}, tries: []try{{left: true, pause: time.Hour}}, later: time.Hour - time.Second, owed: after(time.Hour), want: step{look: now.Add(time.Hour)}},
		"gone, and somebody else was at it":   {says: []byte{0}, tries: []try{failed}, want: step{act: true}},
		"gone, and a file cannot be read":     {says: []byte{0}, tries: []try{failed}, unknown: true, want: step{look: soon}},
		"gone, and only the journal is left":  {says: []byte{0}, tries: []try{{}}, want: step{look: soon}},
		"gone, and tried for a day":           {says: []byte{0}, later: guardLimit, owed: after(time.Hour), want: step{end: true, unfinished: true}},
		"a try of before the end":             {early: []try{{clean: true}}, says: []byte{0}, later: time.Hour, owed: after(time.Hour), want: step{act: true}},
		"left behind":                         {says: []byte{sayLeft}, owed: after(time.Hour), want: step{look: soon}},
		"left behind for a while":             {says: []byte{sayLeft}, later: guardFirstPause, owed: after(time.Hour), want: step{act: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var w watch
			for _, t := range c.early {
				w.tried(now, t)
			}
			for _, word := range c.says {
				w.hear(now, word)
			}
			for _, t := range c.tries {
				t.pause = cmp.Or(t.pause, w.pause())
				w.tried(now, t)
			}
			got := w.decide(now.Add(c.later), sight{owed: c.owed, unknown: c.unknown})
			if got.act == (got.why == "") {
				t.Errorf("act %v because %q", got.act, got.why)
			}
			if got.why = ""; got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

// A recovery that has failed once does not count as taking care of its target.
func TestARecoveryThatGoesOnAfterAFailureCounts(t *testing.T) {
	t.Parallel()
	rs := opened(t, 2)
	run := dead(t, rs[0], "p")
	key := owe(t, rs[0], run, "gw", "app")
	recovering(t, rs[0], run)
	if left := rs[1].Owed(t.Context()); left.ExitCode != 0 {
		t.Errorf("during the first try: exit %d", left.ExitCode)
	}
	next := time.Now().Add(time.Hour)
	need.Done(t, rs[0].kept.Load().journal.NoteAttempt(t.Context(), key, "no answer", next))
	if left := rs[1].Owed(t.Context()); left.ExitCode != ExitOwed || left.Owed[0].HeldBy == "" || left.Owed[0].Held {
		t.Errorf("during the second: %+v", left)
	}
}

func TestWhatIsOwedNamesItsGuard(t *testing.T) {
	t.Parallel()
	rs := opened(t, 2)
	run := dead(t, rs[0], "p")
	key := owe(t, rs[0], run, "gw", "app")
	next := time.Now().Add(time.Hour)
	need.Done(t, rs[0].kept.Load().journal.NoteAttempt(t.Context(), key, "no answer", next))
	if o := rs[1].Owed(t.Context()).Owed[0]; o.GuardedBy != "" || !o.NextTry.IsZero() {
		t.Errorf("without a guard: %+v", o)
	}
	held, err := rs[0].locks.TryAcquire(lock.GuardKey(run), lock.Exclusive, lock.Info{Run: run})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Release() }()
	if o := rs[1].Owed(t.Context()).Owed[0]; o.GuardedBy == "" || !o.NextTry.Equal(next) {
		t.Errorf("with one: %+v, want its next try at %s", o, next)
	}
}

func TestARunIsAskedToEndWhenItIsStoppedForLong(t *testing.T) {
	t.Parallel()
	begun := time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)
	quiesced := []pending.Obligation{{Kind: pending.Unquiesce, DueBack: begun.Add(time.Hour)}}
	type look struct {
		at      time.Duration
		stopped bool
		owed    []pending.Obligation
		ask     bool
	}
	for name, looks := range map[string][]look{
		"stopped":                     {{0, true, quiesced, false}, {guardSuspended - time.Second, true, quiesced, false}, {guardSuspended, true, quiesced, true}, {guardSuspended + time.Second, true, quiesced, false}, {2 * guardSuspended, true, quiesced, true}},
		"stopped for a moment":        {{0, true, quiesced, false}, {time.Minute, false, quiesced, false}, {guardSuspended, true, quiesced, false}},
		"at work":                     {{0, false, quiesced, false}, {guardSuspended, false, quiesced, false}},
		"stopped with nothing down":   {{0, true, nil, false}, {guardSuspended, true, nil, false}},
		"stopped, and quiesced later": {{0, true, nil, false}, {guardSuspended, true, quiesced, false}, {2 * guardSuspended, true, quiesced, true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var w watch
			for _, l := range looks {
				if got := w.decide(begun.Add(l.at), sight{owed: l.owed, stopped: l.stopped}); got.ask != l.ask || got.act || got.end {
					t.Errorf("after %s: %+v, want ask %v", l.at, got, l.ask)
				}
			}
		})
	}
}

// The process is real and ends when it is asked to; the clock is not real.
func TestAStoppedProcessEndsInOrder(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	run := dead(t, r, "p")
	owe(t, r, run, "gw", "app")
	child := exec.Command("sh", "-c", `trap 'echo asked; exit 7' TERM; echo there; while :; do sleep 0.1; done`)
	out := need.Value(child.StdoutPipe())(t)
	need.Done(t, child.Start())
	defer func() { _ = child.Process.Kill() }()
	lines := bufio.NewScanner(out)
	lines.Scan() // the trap is set
	need.Done(t, child.Process.Signal(syscall.SIGSTOP))
	for !settle.Stopped(child.Process.Pid) {
		time.Sleep(time.Millisecond)
	}
	alive, says, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	now := manualclock.New(time.Now())
	ended := make(chan error, 1)
	go func() {
		ended <- Guard(t.Context(), Options{StateDir: r.StateDir, Clock: now}, GuardRequest{Run: run, Process: child.Process.Pid, Alive: alive, Ready: func() error { return nil }})
	}()
	for end := now.Now().Add(guardSuspended + time.Minute); settle.Stopped(child.Process.Pid); time.Sleep(time.Millisecond) {
		if now.Now().After(end) {
			t.Fatal("it is still stopped")
		}
		if _, waits := now.Next(); waits {
			now.Advance(guardLooks)
		}
	}
	if lines.Scan(); lines.Text() != "asked" {
		t.Errorf("the process says %q", lines.Text())
	}
	_ = child.Wait()
	if child.ProcessState.ExitCode() != 7 {
		t.Errorf("it ended with %s", child.ProcessState)
	}
	need.Value(says.Write([]byte{sayGoodbye}))(t)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAPendingFileThatCannotBeReadCountsAsOwed(t *testing.T) {
	t.Parallel()
	r := opened(t, 1)[0]
	run := dead(t, r, "p")
	see := func(run string) sight {
		s := need.Value(sightOf(r.pending, run))(t)
		return s
	}
	if s := see(run); !s.nothing() || s.down() {
		t.Errorf("nothing: %+v", s)
	}
	key := owe(t, r, run, "gw", "app")
	if s := see(run); s.nothing() || !s.down() || s.unknown {
		t.Errorf("one: %+v", s)
	}
	need.Done(t, os.Truncate(r.pending.Path(key), 10))
	if s := see(run); s.nothing() || !s.down() || !s.unknown {
		t.Errorf("one that is damaged: %+v", s)
	}
	if s := see("another"); !s.nothing() {
		t.Errorf("another run: %+v", s)
	}
}
