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

// workers keeps what verifications leave behind: a fleet's exports are verified one after the other, and each worker holds
// hundreds of kilobytes.
var workers = sync.Pool{New: func() any {
	return &worker{inflater: newInflater(), sha1: sha1.New(), buf: make([]byte, 128<<10)}
}}

// pool runs jobs on a fixed number of workers. Jobs must not wait for other jobs. A job that panics becomes a finding about its
// subject: what is in an archive must not end the process, in which other archives are verified too.
type pool struct {
	jobs chan func(*worker)
	wg   sync.WaitGroup
	size int
	rec  *recorder
}

func newPool(size int, memo *Memo, rec *recorder) *pool {
	if size <= 0 {
		size = runtime.GOMAXPROCS(0)
	}
	p := &pool{jobs: make(chan func(*worker)), size: size, rec: rec}
	for range size {
		p.wg.Go(func() {
			var w *worker
			for job := range p.jobs {
				if w == nil {
					w = workers.Get().(*worker)
					w.memo = memo
				}
				if job(w); w.inflater == nil {
					w = nil
				}
			}
			if w != nil {
				w.memo = nil
				workers.Put(w)
			}
		})
	}
	return p
}

func (p *pool) stop() {
	close(p.jobs)
	p.wg.Wait()
}

// start hands a job about a subject to a worker. done is called when it has ended, however it ended.
func (p *pool) start(subject string, job func(*worker), done func()) {
	p.jobs <- func(w *worker) {
		defer done()
		if p.rec.survive(subject, func() { job(w) }) {
			return
		}
		w.inflater = nil // whatever state the worker is in, it is not used again
	}
}

// do runs one job and waits for it.
func (p *pool) do(subject string, job func(*worker)) {
	ended := make(chan struct{})
	p.start(subject, job, func() { close(ended) })
	<-ended
}

// survive runs f and makes a finding about the subject of its panic. It reports whether there was none.
func (r *recorder) survive(subject string, f func()) (well bool) {
	defer func() {
		if fault := recover(); fault != nil {
			r.add(Problem, CodeFault, subject, "dprun itself failed while it read this (%v): nothing is known about the content; keep the archive and report this to dprun's authors", fault)
		}
	}()
	f()
	return true
}
