package archive

import (
	"crypto/sha1" //nolint:gosec // what the gateway lists
	"hash"
	"runtime"
	"sync"
)

// worker holds what one goroutine of the pool reuses from entry to entry.
type worker struct {
	inflater *inflater
	sha1     hash.Hash
	buf      []byte
	memo     *Memo // nil: nothing is remembered
}

// workers keeps the workers of finished verifications for the next one. A fleet's exports are verified one after
// the other, and each worker holds hundreds of kilobytes.
var workers = sync.Pool{New: func() any {
	return &worker{inflater: newInflater(), sha1: sha1.New(), buf: make([]byte, 128<<10)}
}}

// pool runs jobs on a fixed number of workers. Jobs must not wait for other jobs. A job that panics becomes a
// finding about its subject: no archive may end the process, in which other archives are verified too.
type pool struct {
	jobs chan func(*worker) // nil: each job runs where it is started, one at a time
	wg   sync.WaitGroup
	size int
	rec  *recorder
	memo *Memo
	mu   sync.Mutex
	only *worker // of a pool with one worker
}

func newPool(size int, memo *Memo, rec *recorder) *pool {
	if size <= 0 {
		size = runtime.GOMAXPROCS(0)
	}
	p := &pool{size: size, rec: rec, memo: memo}
	if size == 1 {
		return p
	}
	p.jobs = make(chan func(*worker))
	for range size {
		p.wg.Go(func() {
			var w *worker
			for job := range p.jobs {
				w = p.run(w, job)
			}
			p.release(w)
		})
	}
	return p
}

// run runs a job on a worker, or on a new one if w is nil. It returns the worker if it can be used
// again.
func (p *pool) run(w *worker, job func(*worker)) *worker {
	if w == nil {
		w = workers.Get().(*worker)
		w.memo = p.memo
	}
	if job(w); w.inflater == nil {
		return nil
	}
	return w
}

func (p *pool) release(w *worker) {
	if w != nil {
		w.memo = nil
		workers.Put(w)
	}
}

func (p *pool) stop() {
	if p.jobs == nil {
		p.release(p.only)
		return
	}
	close(p.jobs)
	p.wg.Wait()
}

// start hands a job about a subject to a worker. done is called when the job has ended, in whatever
// way.
func (p *pool) start(subject string, job func(*worker), done func()) {
	guarded := func(w *worker) {
		defer done()
		if p.rec.survive(subject, func() { job(w) }) {
			return
		}
		w.inflater = nil // the worker may be in any state, so it is not used again
	}
	if p.jobs != nil {
		p.jobs <- guarded
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.only = p.run(p.only, guarded)
}

// do runs one job and waits for it.
func (p *pool) do(subject string, job func(*worker)) {
	ended := make(chan struct{})
	p.start(subject, job, func() { close(ended) })
	<-ended
}

// survive runs f and turns a panic into a finding about the subject. It reports whether f did not
// panic.
func (r *recorder) survive(subject string, f func()) (well bool) {
	defer func() {
		if fault := recover(); fault != nil {
			r.add(Problem, CodeFault, subject, "dprun itself failed while it read this (%v): nothing is known about the content; keep the archive and report this to dprun's authors", fault)
		}
	}()
	f()
	return true
}
