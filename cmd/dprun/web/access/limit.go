package access

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// buckets limit how often each of many may do something. Their number is
// bounded: who comes when there is no room shares one with the others that do.
type buckets struct {
	mu  sync.Mutex
	max int
	by  map[string]*rate.Limiter
}

func newBuckets() *buckets { return &buckets{max: 10_000, by: map[string]*rate.Limiter{}} }

// take takes one of what somebody has left; it tells how long he has to wait
// where nothing is.
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
	if l.Limit() != every || l.Burst() != burst { // another configuration
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

// forget drops those that have all of theirs again.
func (b *buckets) forget(now time.Time) {
	for who, l := range b.by {
		if l.TokensAt(now) >= float64(l.Burst()) {
			delete(b.by, who)
		}
	}
}
