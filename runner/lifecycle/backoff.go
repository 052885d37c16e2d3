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
	// unquiesceAgain is how long a device may still show quiesced before the
	// unquiesce, which is safe to repeat, is sent again.
	unquiesceAgain = 30 * time.Second
)

// backoff is the wait before attempt n+1 of something (n from 1): it grows by
// half each time, with a jitter of ±20 % from the seed.
func backoff(seed uint64, id string, n int) time.Duration {
	d := pollFirst
	for i := 1; i < n && d < pollMost; i++ {
		d += d / 2
	}
	d = min(d, pollMost)
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
// that may pass, and then done with a result or a failure.
type call struct {
	attempt   int // from 1; 0: not begun
	notBefore time.Time
	done      bool
	failure   *failure.Error
}

func (c *call) begin() {
	if c.attempt == 0 {
		c.attempt = 1
	}
}

// fail records a failed attempt; the call is done when it must not or need not be tried again.
func (c *call) fail(f *failure.Error, now time.Time, seed uint64, id string) {
	if f.Kind.Retryable() && c.attempt < maxAttempts {
		c.notBefore = now.Add(backoff(seed, id, c.attempt))
		c.attempt++
		return
	}
	c.done, c.failure = true, f
}
