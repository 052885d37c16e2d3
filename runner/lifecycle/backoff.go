package lifecycle

import (
	"hash/fnv"
	"time"

	"github.com/dprun/dprun/sdk/failure"
)

// Polls start at pollFirst and grow to pollMost, so that a gateway that takes
// long is not asked more than it can bear.
const (
	pollFirst   = 2 * time.Second
	pollMost    = 15 * time.Second
	maxAttempts = 3 // of a repeatable call that failed as unavailable or timed out
	// storeMost is what the pauses between the attempts of a store grow to: a
	// destination that is away for the whole of timeouts.store is asked about
	// seventy times.
	storeMost = 2 * time.Minute
	// patience is how long the check of a destination is repeated, so that a
	// server or network that is away for half a minute costs nobody a backup.
	patience = time.Minute
	// unquiesceAgain is how long a device may still show quiesced before the
	// unquiesce, which is safe to repeat, is sent again.
	unquiesceAgain = 30 * time.Second
)

// backoff is the wait before attempt n+1 of something (n from 1).
func backoff(seed uint64, id string, n int) time.Duration { return growing(seed, id, n, pollMost) }

// growing is a wait that grows by half each time, up to most, with a jitter of
// ±20 % from the seed.
func growing(seed uint64, id string, n int, most time.Duration) time.Duration {
	d := pollFirst
	for i := 1; i < n && d < most; i++ {
		d += d / 2
	}
	d = min(d, most)
	h := fnv.New64a()
	h.Write([]byte(id))
	x := h.Sum64() ^ seed ^ uint64(n)*0x9e3779b97f4a7c15
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	part := time.Duration(x % uint64(2*d/5))
	return d - d/5 + part
}

// attempts counts the requests for one thing and says when the next may begin.
type attempts struct {
	attempt   int // the number in its ID, from 1; 0: not begun
	failed    int // attempts that failed
	begun     time.Time
	notBefore time.Time
}

func first(now time.Time) attempts { return attempts{attempt: 1, begun: now} }

// again begins the next attempt after a pause.
func (a *attempts) again(now time.Time, pause time.Duration) {
	a.attempt++
	a.notBefore = now.Add(pause)
}

// call is a repeatable request: it is tried again when it failed in a way
// that may pass. A request that is repeated for another reason (a poll) has not
// failed.
type call struct {
	attempts
	state   callState
	failure *failure.Error // of one that failed
}

func (c *call) asking() bool { return c.state == callAsking }

// done reports whether the call has been answered, or has failed for good.
func (c *call) done() bool { return c.state == callAnswered || c.state == callFailed }

func (c *call) begin(now time.Time) {
	if c.state == callIdle {
		c.attempts, c.state = first(now), calls.after(c.state, callBegins)
	}
}

func (c *call) answer() { c.state = calls.after(c.state, callAnswers) }

// giveUp ends the call with a failure.
func (c *call) giveUp(f *failure.Error) {
	c.state, c.failure = calls.after(c.state, callFails), f
}

// poll asks anew after a pause; earlier failures do not count.
func (c *call) poll(now time.Time, pause time.Duration) {
	c.state = calls.after(c.state, callPolls)
	c.attempts = attempts{attempt: c.attempt, begun: now}
	c.again(now, pause)
}

// fail records a failed attempt, after which the call may or may not be tried
// again.
func (c *call) fail(f *failure.Error, again bool, now time.Time, seed uint64, id string) {
	c.failed++
	if !again {
		c.giveUp(f)
		return
	}
	c.state = calls.after(c.state, callAgain)
	c.again(now, backoff(seed, id, c.failed))
}

// settle ends a call, or repeats it a few times.
func (c *call) settle(f *failure.Error, now time.Time, seed uint64, id string) {
	if f == nil {
		c.answer()
		return
	}
	c.fail(f, fewTimes(f, c.failed+1), now, seed, id)
}

// settlePatiently is settle for a call that is worth waiting for: the time since
// the first attempt bounds the attempts, and their number does not.
func (c *call) settlePatiently(f *failure.Error, now time.Time, seed uint64, id string) {
	if f == nil {
		c.answer()
		return
	}
	c.fail(f, mayPass(f, c.failed+1) && now.Sub(c.begun) < patience, now, seed, id)
}

// fewTimes reports whether a request is repeated after its n-th failure of this
// kind.
func fewTimes(f *failure.Error, n int) bool { return f.Kind.Retryable() && n < maxAttempts }

// mayPass reports whether a destination may serve a later attempt after its n-th
// failure of this kind. A plugin that crashes every time does not get better by
// waiting.
func mayPass(f *failure.Error, n int) bool {
	return f.Kind.Retryable() && (f.Reason != failure.Crashed || n < maxAttempts)
}
