package lifecycle

import (
	"time"

	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// lock is the lock on the device, or the permit to quiesce.
type lock struct {
	state  lockState
	since  time.Time     // waiting since
	waited time.Duration // the long-running clock stood still so long
}

func (l *lock) on(e lockEvent) { l.state = locks.after(l.state, e) }

// awaits notes that somebody else holds it, and reports whether that is news.
func (l *lock) awaits(now time.Time) bool {
	if l.state != lockAsking {
		return false
	}
	l.on(lockWaits)
	l.since = now
	return true
}

// answer notes that it is held, or cannot be had.
func (l *lock) answer(now time.Time, e lockEvent) {
	if l.state == lockWaiting {
		l.waited += now.Sub(l.since)
	}
	l.on(e)
}

// release gives it back, or ends the wait for it.
func (l *lock) release() {
	if l.wanted() || l.state == lockRefused {
		l.on(lockReleases)
	}
}

// wanted reports whether the lock is held or to be had.
func (l *lock) wanted() bool {
	return l.state == lockAsking || l.state == lockWaiting || l.state == lockHeld
}

// entered is a failure that was decided.
type entered struct {
	code    status.Code
	message string
	rank    rank
}

// rank orders failures by what they mean for the operator. The failure with the
// lowest rank decides.
type rank int

const (
	rankUnquiesce rank = iota // a device may still be down
	rankLongRunning
	rankFirst
	rankStore
	rankPostScript
)

// script is a hook.
type script struct{ state scriptState }

func (s *script) on(e scriptEvent) { s.state = scripts.after(s.state, e) }

// pending reports whether the script is to be run, or runs.
func (s *script) pending() bool { return s.state == scriptAsked || s.state == scriptRunning }

// ended reports whether the script will not run any more.
func (s *script) ended() bool { return s.state != scriptIdle && !s.pending() }

// ran reports whether the script was started, however it ended.
func (s *script) ran() bool {
	switch s.state {
	case scriptRunning, scriptWorked, scriptFailed, scriptUnknown:
		return true
	}
	return false
}

// finish ends the script with its result.
func (s *script) finish(failed bool) {
	if failed {
		s.on(scriptFails)
		return
	}
	s.on(scriptWorks)
}

// interrupt is the end of the process that ran it.
func (s *script) interrupt() {
	if s.state == scriptRunning {
		s.on(scriptInterrupted)
	}
}

// destination is one destination of the task: its pre-check, then its copy.
type destination struct {
	spec    *Destination
	check   call
	state   copyState
	variant int // index of the capture that is stored next
	store   attempts
	since   time.Time         // timeouts.store counts from here
	last    *failure.Error    // of the latest attempt
	told    bool              // that it is waited for has been entered
	reports []sdk.StoreReport // of the captures, in their order
}

func (d *destination) on(e copyEvent) { d.state = copies.after(d.state, e) }

// heard is what a check or a store learned about a destination.
type heard struct {
	destination string
	from        ActionKind
	failure     *failure.Error // nil: it served
}

// capture is one variant.
type capture struct {
	variant string
	attempts
	state    captureState
	captured *event.Captured
	deposit  deposit
}

func (c *capture) on(e captureEvent) { c.state = captures.after(c.state, e) }

// open reports whether the capture is under way, or waits to be made again.
func (c *capture) open() bool { return c.state == captureAsking || c.state == captureLeft }

// deposit is what a capture leaves on the device.
type deposit struct {
	attempts
	state depositState
	token string
	since time.Time // first tried to be removed
}

func (d *deposit) on(e depositEvent) { d.state = deposits.after(d.state, e) }

// may notes that files may be on the device.
func (d *deposit) may(token string) {
	if token == "" {
		return
	}
	if d.token = token; d.state == depositNone {
		d.on(depositMade)
	}
}

// open reports whether they are still to be removed.
func (d *deposit) open() bool { return d.state == depositOwed || d.state == depositRemoving }

// owed reports whether they may still be on the device.
func (d *deposit) owed() bool { return d.open() || d.state == depositStays }

func (d *deposit) begin(now time.Time) {
	if d.state == depositOwed {
		d.attempts = attempts{attempt: 1, begun: now, notBefore: d.notBefore}
		d.on(depositBegins)
	}
}
