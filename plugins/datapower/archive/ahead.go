package archive

import (
	"context"
	"encoding/binary"
	"io"
	"strings"
	"sync/atomic"
)

// Ahead inflates the entries of an archive while it is being written, so that little is left to do once it is
// complete. It decides nothing. It remembers what it has inflated by the compressed data (see [Memo]), and
// [Verifier.Verify] checks everything as usual. Ahead relies on the headers in front of the data, and stops at
// the first one that it cannot follow.
type Ahead struct {
	r       io.ReaderAt
	memo    *Memo
	written atomic.Int64
	more    chan struct{} // signals that more was written
	whole   chan struct{} // signals that nothing more will be written
	done    chan struct{}
}

// aheadEntries bounds what is remembered of one archive, to about 16 MiB.
const aheadEntries = 100_000

// Ahead starts to inflate an archive that is being written to r. The caller must call
// [Ahead.Stop].
func (v Verifier) Ahead(ctx context.Context, r io.ReaderAt) *Ahead {
	a := &Ahead{r: r, memo: v.Memo.within(aheadEntries), more: make(chan struct{}, 1), whole: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(a.done)
		w := workers.Get().(*worker)
		w.memo = a.memo
		if new(recorder).survive("", func() { a.run(ctx, w) }) {
			w.memo = nil
			workers.Put(w)
		}
	}()
	return a
}

// Written says how many bytes can be read so far.
func (a *Ahead) Written(n int64) {
	a.written.Store(n)
	select {
	case a.more <- struct{}{}:
	default:
	}
}

// Stop ends the work and returns the verifier, which knows what was inflated.
func (a *Ahead) Stop(v Verifier) Verifier {
	close(a.whole)
	<-a.done
	v.Memo = a.memo
	return v
}

// reach waits until n bytes are written. It returns false if there will be
// fewer.
func (a *Ahead) reach(n int64) bool {
	for a.written.Load() < n {
		select {
		case <-a.more:
		case <-a.whole:
			return false
		}
	}
	select {
	case <-a.whole:
		return false // many workers are faster at the rest
	default:
		return true
	}
}

// run follows the records of an archive from its beginning. If an archive is stored inside, its records follow as
// if they were the outer one's.
func (a *Ahead) run(ctx context.Context, w *worker) {
	var b [localSize + maxName]byte
	var claimed int64
	for at := int64(0); ctx.Err() == nil && a.reach(at+localSize) && readAt(a.r, b[:localSize], at) == nil; {
		variable := int64(binary.LittleEndian.Uint16(b[26:])) + int64(binary.LittleEndian.Uint16(b[28:]))
		switch binary.LittleEndian.Uint32(b[:]) {
		case sigLocal:
		case sigCentral:
			if !a.reach(at+centralSize) || readAt(a.r, b[:centralSize], at) != nil {
				return
			}
			for _, field := range []int{28, 30, 32} {
				at += int64(binary.LittleEndian.Uint16(b[field:]))
			}
			at += centralSize
			continue
		case sigEnd:
			at += endSize + int64(binary.LittleEndian.Uint16(b[20:]))
			continue
		default:
			return
		}
		name := b[localSize:min(localSize+int64(binary.LittleEndian.Uint16(b[26:])), int64(len(b)))]
		e := entry{
			method: binary.LittleEndian.Uint16(b[8:]), crc: binary.LittleEndian.Uint32(b[14:]),
			packed: int64(binary.LittleEndian.Uint32(b[18:])), size: int64(binary.LittleEndian.Uint32(b[22:])),
		}
		if binary.LittleEndian.Uint16(b[6:])&(flagEncrypted|flagDescriptor) != 0 || e.packed == 0xffffffff || e.size > maxRatio*(e.packed+1) {
			return
		}
		data := at + localSize + variable
		if !a.reach(data) || readAt(a.r, name, at+localSize) != nil {
			return
		}
		if at = data; e.method == methodStored && strings.HasSuffix(string(name), ".zip") {
			continue
		}
		if at += e.packed; !a.memo.fits(&e) {
			continue
		}
		if claimed += e.size; claimed > inflationFloor && claimed/maxInflation > at {
			return
		}
		if !a.reach(at) || !a.entry(ctx, w, &e, data) {
			return
		}
	}
}

// entry inflates an entry and remembers the result. It returns false if the entry is not what its
// header says.
func (a *Ahead) entry(ctx context.Context, w *worker, e *entry, at int64) bool {
	key, err := a.memo.keyOf(io.NewSectionReader(a.r, at, e.packed), w.buf)
	if err != nil {
		return false
	}
	if _, known := a.memo.lookup(key, true); known {
		return true
	}
	w.sha1.Reset()
	sums := &summer{ctx: ctx, hash: w.sha1}
	res, err := w.inflater.decode(io.NewSectionReader(a.r, at, e.packed), e.size, sums.write, false)
	if err != nil || res.out != e.size || sums.crc != e.crc || res.in != e.packed {
		return false
	}
	a.memo.remember(key, remembered{in: res.in, out: res.out, crc: sums.crc, sha1: w.sha1.Sum(nil)})
	return true
}
