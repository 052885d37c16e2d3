package soma

import (
	"bufio"
	"bytes"
	"io"
	"sync"
	"time"
)

const (
	// maxHeld is how many bytes of a reply are read before it is parsed; the rest is read while it is parsed.
	// Every element or attribute takes at least four bytes, so a held reply has no more than [maxNodes].
	maxHeld = 4 * maxNodes
	// firstHeld has room for a status list of 200 domains.
	firstHeld = 96 << 10
)

// held is a reply without a file, or the beginning of one.
type held struct {
	b    []byte
	rest io.Reader // the rest of the reply; nil: b is all of it
}

var holds = sync.Pool{New: func() any { return &held{b: make([]byte, 0, firstHeld)} }}

// hold reads a reply. If reading fails, the reader of rest gets the error.
func hold(body io.Reader) *held {
	h := holds.Get().(*held)
	h.b, h.rest = h.b[:0], body
	for len(h.b) < maxHeld {
		if len(h.b) == cap(h.b) {
			h.b = append(h.b, 0)[:len(h.b)]
		}
		n, err := body.Read(h.b[len(h.b):min(cap(h.b), maxHeld)])
		h.b = h.b[:len(h.b)+n]
		switch {
		case err == io.EOF:
			h.rest = nil
			return h
		case err != nil:
			h.rest = broken{err}
			return h
		}
	}
	return h
}

// release gives the buffer back. Nothing may point into it any more.
func (h *held) release() {
	h.rest = nil
	holds.Put(h)
}

func (h *held) reader() io.ByteReader {
	if h.rest == nil {
		return bytes.NewReader(h.b)
	}
	return bufio.NewReader(io.MultiReader(bytes.NewReader(h.b), h.rest))
}

// broken is a connection that ended with an error.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// watchdog reads a body and calls stalled if a read takes longer than the limit. Time between reads does not count.
type watchdog struct {
	body  io.ReadCloser
	timer *time.Timer
	limit time.Duration
}

func newWatchdog(body io.ReadCloser, limit time.Duration, stalled func()) *watchdog {
	w := &watchdog{body: body, limit: limit, timer: time.AfterFunc(limit, stalled)}
	w.timer.Stop()
	return w
}

func (w *watchdog) Read(p []byte) (int, error) {
	w.timer.Reset(w.limit)
	n, err := w.body.Read(p)
	w.timer.Stop()
	return n, err
}

// close closes the connection unless the body was read to its end.
func (w *watchdog) close() {
	w.timer.Stop()
	_ = w.body.Close()
}
