package access

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// buckets limits how often each of many callers may do something. The number of buckets
// is bounded: callers for whom there is no room share one.
type buckets struct {
	mu  sync.Mutex
	max int
	by  map[string]*rate.Limiter
}

func newBuckets() *buckets { return &buckets{max: 10_000, by: map[string]*rate.Limiter{}} }

// take uses one of the caller's permits. If there is none left, it returns false and
// how long to wait.
func (b *buckets) take(who string, every rate.Limit, burst int, now time.Time) (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.by[who]
	if l == nil {
		if len(b.by) >= b.max {
			b.forget(now)
		}
		if len(b.by) >= b.max {
			who = ""
		}
		if l = b.by[who]; l == nil {
			l = rate.NewLimiter(every, burst)
			b.by[who] = l
		}
	}
	if l.Limit() != every || l.Burst() != burst { // the configuration has changed
		l.SetLimitAt(now, every)
		l.SetBurstAt(now, burst)
	}
	r := l.ReserveN(now, 1)
	if wait = r.DelayFrom(now); !r.OK() || wait > 0 {
		r.CancelAt(now)
		return max(wait, time.Second), false
	}
	return 0, true
}

// forget drops the buckets that are full again.
func (b *buckets) forget(now time.Time) {
	for who, l := range b.by {
		if l.TokensAt(now) >= float64(l.Burst()) {
			delete(b.by, who)
		}
	}
}
