package staging

import "sync"

// joint lets those who want something done while it is being done share the
// next time: it always begins after they have asked.
type joint struct {
	mu      sync.Mutex
	waiting *turn
	working sync.Mutex
}

type turn struct {
	once sync.Once
	err  error
}

func (j *joint) do(work func() error) error {
	j.mu.Lock()
	if j.waiting == nil {
		j.waiting = &turn{}
	}
	t := j.waiting
	j.mu.Unlock()
	t.once.Do(func() {
		j.working.Lock()
		defer j.working.Unlock()
		j.mu.Lock()
		j.waiting = nil // who asks from here on waits for another
		j.mu.Unlock()
		t.err = work()
	})
	return t.err
}
