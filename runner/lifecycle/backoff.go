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
	// patience is how long the check of a destination is repeated: a server or
	// a network that is away for half a minute costs nobody a backup.
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

// call is a repeatable request: it is tried again when it failed in a way
// that may pass, and then done with a result or a failure. A request that is
// repeated for another reason (a poll) has not failed.
type call struct {
	attempt   int // the number in its ID, from 1; 0: not begun
	failed    int // attempts that failed
	begun     time.Time
	notBefore time.Time
	done      bool
	failure   *failure.Error
}

func (c *call) begin(now time.Time) {
	if c.attempt == 0 {
		c.attempt, c.begun = 1, now
	}
}

// again begins the next attempt after a pause.
func (c *call) again(now time.Time, pause time.Duration) {
	c.attempt++
	c.notBefore = now.Add(pause)
}

// fail records a failed attempt; the call is done when it must not or need not be tried again.
func (c *call) fail(f *failure.Error, now time.Time, seed uint64, id string) {
	c.failed++
	if f.Kind.Retryable() && c.failed < maxAttempts {
		c.again(now, backoff(seed, id, c.failed))
		return
	}
	c.done, c.failure = true, f
}

// failPatiently is fail for what is worth waiting for: attempts are bounded by
// the time since the first one began, not by their number.
func (c *call) failPatiently(f *failure.Error, now time.Time, seed uint64, id string) {
	c.failed++
	if mayPass(f, c.failed) && now.Sub(c.begun) < patience {
		c.again(now, backoff(seed, id, c.failed))
		return
	}
	c.done, c.failure = true, f
}

// mayPass reports whether a destination that failed so for the n-th time may
// serve a later attempt. A plugin that crashes every time does not get better
// by waiting.
func mayPass(f *failure.Error, n int) bool {
	return f.Kind.Retryable() && (f.Reason != failure.Crashed || n < maxAttempts)
}
