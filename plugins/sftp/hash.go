package sftp

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
)

// hasher computes a SHA-256 in a goroutine of its own, so that hashing does
// not stand between reading and sending. What is written to it is copied.
type hasher struct {
	full  chan []byte
	empty chan []byte
	done  chan struct{}
	sum   hash.Hash
}

// hashAhead is how many blocks may wait to be hashed.
const hashAhead = 4

func newHasher() *hasher {
	h := &hasher{
		full: make(chan []byte, hashAhead), empty: make(chan []byte, hashAhead),
		done: make(chan struct{}), sum: sha256.New(),
	}
	for range hashAhead {
		h.empty <- nil
	}
	go func() {
		defer close(h.done)
		for b := range h.full {
			h.sum.Write(b)
			h.empty <- b
		}
	}()
	return h
}

func (h *hasher) Write(p []byte) (int, error) {
	if len(p) > 0 {
		b := <-h.empty
		h.full <- append(b[:0], p...)
	}
	return len(p), nil
}

// finish ends the goroutine and gives the hash in lower-case hex. It is called once.
func (h *hasher) finish() string {
	close(h.full)
	<-h.done
	return hex.EncodeToString(h.sum.Sum(nil))
}

// counter passes bytes on and reports how many went by, in steps.
type counter struct {
	report   func(int64)
	n, shown int64
}

// progressStep keeps reports rare against the data that they are about.
const progressStep = 4 << 20

func (c *counter) add(n int) {
	c.n += int64(n)
	if c.report != nil && c.n-c.shown >= progressStep {
		c.shown = c.n
		c.report(c.n)
	}
}

// finish reports the last bytes.
func (c *counter) finish() {
	if c.report != nil && c.n != c.shown {
		c.shown = c.n
		c.report(c.n)
	}
}

// tap is a reader that shows what is read to a hasher and a counter.
type tap struct {
	r      io.Reader
	hasher *hasher // may be nil
	count  *counter
	// err is a failure of reading r itself, as against one of the server.
	err error
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if t.hasher != nil {
		_, _ = t.hasher.Write(p[:n])
	}
	t.count.add(n)
	if err != nil && err != io.EOF {
		t.err = err
	}
	return n, err
}
