package secret

import (
	"sync/atomic"

	plansecret "github.com/dprun/dprun/plan/secret"
)

// Reader reads secrets for one plan. While the plan is being compiled it returns only
// prefetched secrets, because a plan of a thousand devices may be run for one of them.
// After Loaded it reads every secret that is asked for.
type Reader struct {
	store  *Store
	loaded atomic.Bool
}

// Reader returns a reader for a plan that is about to be compiled.
func (s *Store) Reader() *Reader { return &Reader{store: s} }

// Loaded says that the plan is compiled.
func (r *Reader) Loaded() { r.loaded.Store(true) }

// ReadSecret implements the plan's secret.Reader.
func (r *Reader) ReadSecret(ref plansecret.Ref) (string, error) {
	if r.loaded.Load() {
		return r.store.ReadSecret(ref)
	}
	r.store.mu.Lock()
	found := r.store.known[key(ref)]
	r.store.mu.Unlock()
	if found == nil {
		return "", plansecret.ErrNotRead
	}
	<-found.done
	return found.value, found.err
}
