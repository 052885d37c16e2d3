package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/listen"
	"github.com/dprun/dprun/runner/lock"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/settle"
	"github.com/dprun/dprun/runner/state"
)

// The words of a run to its guard, over the pipe. If the pipe ends without one of
// them, the run's process is gone.
const (
	sayGoodbye = 'q' // nothing is quiesced any more
	sayLeft    = 'o' // the run has ended, and a target has not come back
)

const (
	// guardLooks is the time between two looks for overdue targets. A look reads one
	// directory.
	guardLooks = 5 * time.Second
	// A guard that could not do everything tries again after a pause, which doubles.
	// Each try may log in to the gateway. The pauses keep the guard from repeating a
	// refused password every few seconds.
	guardFirstPause = 15 * time.Second
	guardLastPause  = 5 * time.Minute
	// guardSuspended is how long a run may be stopped (as by Ctrl-Z) while a target
	// is quiesced. It leaves a person time to look at the run.
	guardSuspended = 5 * time.Minute
	// guardLimit ends a guard that cannot undo what its run has left.
	guardLimit = 24 * time.Hour
)

// GuardRequest asks to guard one run.
type GuardRequest struct {
	Run string
	// Process is the run's process ID.
	Process int
	// Alive is the read end of a pipe that the run's process holds open.
	Alive io.Reader
	// Ready is called once, when the guard begins to watch.
	Ready func() error
	// Signals are the names of signals that ask the guard to end. The guard ignores
	// them while the run's process is alive, because the run may still quiesce.
	Signals <-chan string
}

// Guard watches over one run until the run says goodbye. When the run's process
// is gone, Guard does what [Runner.Recover] does, for this run alone, and repeats
// it until everything is undone or a day has passed. While the process is alive,
// Guard brings back only overdue targets, because the process may hang. It asks a
// process to end that was stopped for too long while a target is quiesced.
//
// Guard opens the state directory only if there is something to undo. It needs
// neither the journal, nor a log file, nor a free block of the disk.
func Guard(ctx context.Context, o Options, q GuardRequest) error {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	dir, err := state.Open(o.StateDir)
	if err != nil {
		return &Error{ExitUsage, err}
	}
	locks, err := lock.Open(dir.Locks())
	if err != nil {
		return &Error{ExitBug, err}
	}
	held, err := locks.TryAcquire(lock.GuardKey(q.Run), lock.Exclusive, lock.Info{Run: q.Run})
	if err != nil {
		return &Error{ExitBug, err}
	}
	defer func() {
		_ = held.Release()
		_ = locks.Remove(lock.GuardKey(q.Run)) // its lock names the guard of the run, and there is none any more
	}()
	if err := q.Ready(); err != nil {
		return &Error{ExitBug, fmt.Errorf("tell the run that its guard watches: %w", err)}
	}
	g := &guard{options: o, request: q, pending: pending.Open(dir.Pending()), said: make(chan byte, 1), log: o.Log.With("run", q.Run, "guard", os.Getpid())}
	go g.listen()
	return g.watch(ctx)
}

// guard is a guard process at work.
type guard struct {
	options Options
	request GuardRequest
	pending *pending.Dir
	said    chan byte // the word of the run; 0: its process is gone
	log     *slog.Logger
}

func (g *guard) listen() {
	word := []byte{0}
	_, _ = io.ReadFull(g.request.Alive, word) // it stays 0 at the end of the pipe
	g.said <- word[0]
}

func (g *guard) watch(ctx context.Context) error {
	waiter := g.options.Clock.Waiter()
	defer waiter.Stop()
	var w watch
	for {
		now := g.options.Clock.Now()
		sees := g.look()
		sees.stopped = settle.Stopped(g.request.Process)
		next := w.decide(now, sees)
		switch {
		case next.ask:
			g.ask()
			continue
		case next.end && next.unfinished:
			return errorf(ExitOwed, "the guard of run %s ends: after %s something of the run must still be undone; dprun owed lists it, and dprun recover tries again", g.request.Run, guardLimit)
		case next.end:
			return nil
		case next.act:
			t := g.recover(ctx, next.why, w.pause())
			w.tried(g.options.Clock.Now(), t)
			if t.asked {
				return nil
			}
			continue
		}
		select {
		case word := <-g.said:
			w.hear(g.options.Clock.Now(), word)
		case name := <-g.request.Signals:
			if !w.over.IsZero() {
				g.log.Warn("the guard is stopped by " + name + "; dprun recover undoes what the run has left")
				return nil
			}
		case <-waiter.Wait(next.look, 0):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ask makes a stopped run continue and end in order. Then the run itself brings
// back what it has quiesced, which is better than if the guard does it.
func (g *guard) ask() {
	g.log.Warn("the process of the run is stopped and keeps a target quiesced: the guard makes it continue, and asks it to end", "process", g.request.Process, "after", guardSuspended)
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGCONT} {
		if err := syscall.Kill(g.request.Process, s); err != nil {
			g.log.Error("the process of the run cannot be signalled", "process", g.request.Process, "signal", s.String(), "error", err)
		}
	}
}

// sight holds what a guard sees at one look.
type sight struct {
	owed    []pending.Obligation // the obligations of the run
	unknown bool                 // something that cannot be read may have to be undone
	stopped bool                 // the run's process is stopped
}

// down reports whether a target may be quiesced, as far as the run knows.
func (s sight) down() bool {
	return s.unknown || slices.ContainsFunc(s.owed, func(o pending.Obligation) bool { return o.Kind == pending.Unquiesce })
}

// nothing reports whether it is certain that nothing is left to undo.
func (s sight) nothing() bool { return len(s.owed) == 0 && !s.unknown }

// sightOf reads the obligations of a run.
func sightOf(dir *pending.Dir, run string) (s sight, err error) {
	all, damaged, err := dir.List()
	for _, o := range all {
		if o.Run == run {
			s.owed = append(s.owed, o)
		}
	}
	s.unknown = err != nil || slices.ContainsFunc(damaged, func(d pending.Damaged) bool { return strings.HasPrefix(filepath.Base(d.Path), run+"-") })
	return s, err
}

func (g *guard) look() sight {
	s, err := sightOf(g.pending, g.request.Run)
	if err != nil {
		g.log.Error("the guard cannot read what must be undone; it tries again", "error", err)
	}
	return s
}

// try holds the result of one try.
type try struct {
	clean bool          // nothing is left to do
	left  bool          // something must still be undone, or may have to be
	pause time.Duration // time until the next one
	asked bool          // the guard was asked to stop
}

// recover undoes what the run has left. pause is how long the guard waits
// afterwards if something is left and nothing requires a longer pause.
func (g *guard) recover(ctx context.Context, why string, pause time.Duration) (t try) {
	t.pause = pause
	if _, err := os.Stat(g.options.StateDir); errors.Is(err, fs.ErrNotExist) {
		t.clean = true // the directory was removed, and must not be created again
		return t
	}
	defer func() {
		if p := recover(); p != nil { // the fault that ended the run's process may end this try, but not the guard
			g.log.Error("internal error of dprun; the guard tries again", "panic", p, "stack", string(debug.Stack()))
			t.left = true
		}
	}()
	g.log.Warn(why + ": the guard undoes what the run has left")
	r, err := Open(g.options)
	if err != nil {
		g.log.Error("the guard cannot open the state directory; it tries again", "error", err)
		t.left = true
		return t
	}
	defer func() { _ = r.Close() }()
	stop, release := g.stoppable(ctx)
	sink := &guardSink{log: g.log}
	op := r.begin(Operation{Sink: sink, Stop: stop})
	op.guarding, op.settler.Again = g.request.Run, pause
	op.note(why)
	_, err = op.recoverAll(ctx, &report.Result{})
	t.asked, t.pause, t.left = release(), op.settler.Pause(), !g.look().nothing()
	for _, done := range sink.told() {
		op.note(done)
	}
	if err != nil {
		g.log.Error("the guard could not finish the run", "error", err)
	}
	if t.clean = !t.left && (err == nil || errors.Is(err, journal.ErrLost)) && op.ended(ctx, g.request.Run); t.clean {
		op.note("nothing that the run left has to be undone any more")
	}
	op.lines.flush()
	return t
}

// stoppable passes signals on to one recovery. release reports whether there was
// a signal.
func (g *guard) stoppable(ctx context.Context) (stop *Stop, release func() bool) {
	stop = NewStop(ctx)
	asked := false
	deaf := listen.To(g.request.Signals, func(name string) bool {
		asked = true
		stop.Ask(name)
		return true
	})
	return stop, func() bool {
		deaf()
		stop.Release()
		return asked
	}
}

// concerns reports whether an operation undoes what a run has left. A guard works
// for one run only.
func (r *operation) concerns(run string) bool { return r.guarding == "" || r.guarding == run }

// note adds a line of the guard to the output of its run, for `dprun runs logs`
// and `dprun runs show`.
func (r *operation) note(text string) {
	r.output(r.guarding, "", "guard", fmt.Sprintf("guard process %d: %s", os.Getpid(), text))
}

// guardSink logs and keeps what a guard has done.
type guardSink struct {
	unwatched
	log  *slog.Logger
	mu   sync.Mutex // methods may be called late
	done []string
}

func (s *guardSink) Settled(e event.Settled) {
	o := pending.Obligation{Kind: pending.Kind(e.Kind), Device: e.Device, Domain: e.Domain}
	done := o.Where() + " is back in service"
	if o.Kind == pending.Discard {
		done = "the files on " + o.Where() + " are removed"
	}
	s.mu.Lock()
	s.done = append(s.done, done)
	s.mu.Unlock()
	s.log.Warn(done, "owed_since", e.Since)
}

// told lists what was done so far.
func (s *guardSink) told() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.done)
}

func (s *guardSink) Summary(e event.Summary) {
	s.log.Warn("the run was finished", "code", e.Code, "message", e.Message)
}

// watch decides what a guard does. It reads neither clock nor file.
type watch struct {
	over  time.Time // the time after which the run brings nothing back itself; zero: it still may
	why   string
	bye   bool
	since time.Time // when the process was first seen stopped while a target is quiesced
	tries int       // tries that did not do everything
	next  time.Time // earliest time of the next try
	last  try
}

// step is what a guard does next.
type step struct {
	ask        bool // ask the process to end
	act        bool
	why        string
	end        bool
	unfinished bool // the guard ends although something must still be undone
	look       time.Time
}

// hear takes a word of the run; 0 is the end of its pipe.
func (w *watch) hear(now time.Time, word byte) {
	switch word {
	case sayGoodbye:
		w.bye = true
	case sayLeft: // the run has tried until now
		w.over, w.why, w.next = now, "the run has ended, and a target has not come back", now.Add(w.pause())
	default:
		w.over, w.why, w.next, w.last = now, "the process of the run is gone", now, try{}
	}
}

func (w *watch) decide(now time.Time, s sight) step {
	switch {
	case w.bye:
		return step{end: true}
	case w.over.IsZero():
		return w.beside(now, s)
	case w.last.clean:
		return step{end: true}
	case now.Sub(w.over) >= guardLimit:
		return step{end: true, unfinished: true}
	case !now.Before(w.next):
		return step{act: true, why: w.why}
	case w.last.left && s.nothing(): // the run can perhaps be finished now
		return step{act: true, why: "somebody else has brought back what the run had quiesced"}
	}
	return step{look: earlier(now.Add(guardLooks), w.next)}
}

// beside decides while the run's process is alive.
func (w *watch) beside(now time.Time, s sight) step {
	overdue := func(o pending.Obligation) bool {
		return settle.Outstanding{Obligation: journal.Obligation{Obligation: o}}.Overdue(now)
	}
	if !s.stopped || !s.down() {
		w.since = time.Time{}
	} else if w.since.IsZero() {
		w.since = now
	} else if now.Sub(w.since) >= guardSuspended {
		w.since = now
		return step{ask: true}
	}
	switch {
	case !slices.ContainsFunc(s.owed, overdue):
		w.tries, w.next = 0, time.Time{}
	case !now.Before(w.next):
		return step{act: true, why: "the process of the run is alive, and should have brought a target back by now"}
	}
	return step{look: now.Add(guardLooks)}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// pause returns the time between the present or last try and the next.
func (w *watch) pause() time.Duration {
	p := guardFirstPause
	for range w.tries {
		if p *= 2; p >= guardLastPause {
			return guardLastPause
		}
	}
	return p
}

// tried notes the result of a try.
func (w *watch) tried(now time.Time, t try) {
	w.next, w.last = now.Add(t.pause), t
	w.tries++
}
