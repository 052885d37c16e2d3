package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

const (
	// progressStep is how many bytes are sent between two reports of progress.
	progressStep = 4 << 20
	// blockSize is large enough for few calls and small enough for a core's cache.
	blockSize = 256 << 10
	// chunk is how many bytes the kernel copies before the context is looked at
	// again.
	chunk = 8 << 20
)

// source is the staged file while it is sent. It counts the bytes that are read
// of it and hashes them if asked to. It remembers whether reading failed, to
// tell that from a failure to send.
type source struct {
	ctx  context.Context
	file *os.File
	size int64

	mu     sync.Mutex
	count  counter
	hasher *hasher // nil: nothing is hashed on the way
	hashed int64   // bytes hashed, in one piece from the start
	err    error
}

func openSource(ctx context.Context, r sdk.StoreRequest, progress func(int64)) (*source, error) {
	bad := func(format string, args ...any) error {
		return failure.New(failure.Corrupt, failure.SourceIO, "store %s: %w", r.Path, fmt.Errorf(format, args...))
	}
	f, err := os.Open(r.Source)
	if err != nil {
		return nil, bad("read the staged file: %w", err)
	}
	st, err := f.Stat()
	switch {
	case err != nil:
		err = bad("read the staged file: %w", err)
	case !st.Mode().IsRegular():
		err = bad("%s is not a regular file", r.Source)
	case st.Size() != r.Size:
		err = bad("the staged file %s has %d bytes, %d are expected", r.Source, st.Size(), r.Size)
	default:
		s := &source{ctx: ctx, file: f, size: r.Size, count: counter{report: progress}}
		if r.Verify == sdk.VerifySent {
			s.hasher = newHasher()
		}
		return s, nil
	}
	_ = f.Close()
	return nil, err
}

func (s *source) close() {
	if s.hasher != nil {
		s.hasher.finish()
	}
	_ = s.file.Close()
}

// ReadAt implements [io.ReaderAt]. It fails once the call has ended.
func (s *source) ReadAt(p []byte, off int64) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	if off >= s.size {
		return 0, io.EOF
	}
	want := min(int64(len(p)), s.size-off)
	n, err := s.file.ReadAt(p[:want], off)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	s.took(p[:n], off, err)
	if err == nil && want < int64(len(p)) {
		err = io.EOF
	}
	return n, err
}

// took notes what was read.
func (s *source) took(p []byte, off int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.err = err
	}
	s.count.upTo(off + int64(len(p)))
	if s.hasher == nil {
		return
	}
	if off == 0 && s.hashed > 0 { // the file is sent again
		s.hasher.finish()
		s.hasher, s.hashed = newHasher(), 0
	}
	if off == s.hashed {
		_, _ = s.hasher.Write(p)
		s.hashed += int64(len(p))
	}
}

// WriteTo implements [io.WriterTo]. Unless it must hash, it lets the kernel
// copy if the kernel can.
func (s *source) WriteTo(w io.Writer) (int64, error) {
	to, ok := w.(io.ReaderFrom)
	if s.hasher != nil || !ok {
		return Copy(w, io.NewSectionReader(s, 0, s.size))
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		s.took(nil, 0, err)
		return 0, err
	}
	var done int64
	for done < s.size {
		if err := s.ctx.Err(); err != nil {
			return done, err
		}
		want := min(chunk, s.size-done)
		n, err := to.ReadFrom(io.LimitReader(s.file, want))
		done += n
		if err != nil {
			return done, err
		}
		if n < want {
			s.took(nil, done, io.ErrUnexpectedEOF)
			return done, io.ErrUnexpectedEOF
		}
		s.took(nil, done, nil)
	}
	return done, nil
}

// finish says what was wrong with the staged file. It returns nil if everything
// that was read is as announced.
func (s *source) finish(r sdk.StoreRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return fmt.Errorf("read the staged file: %w", s.err)
	}
	st, err := s.file.Stat()
	if err != nil {
		return fmt.Errorf("read the staged file: %w", err)
	}
	if s.count.n != s.size || st.Size() != s.size {
		return s.changed(r)
	}
	s.count.finish()
	if s.hasher == nil {
		return nil
	}
	sum := s.hasher.finish()
	if s.hashed != s.size { // it was not read in one piece, so it is read again
		if sum, err = s.sum(); err != nil {
			return err
		}
	}
	if sum != r.SHA256 {
		return s.changed(r)
	}
	return nil
}

// changed is the failure of a staged file that differs from what was announced.
func (s *source) changed(r sdk.StoreRequest) error {
	return fmt.Errorf("the staged file %s is not the one that was captured: its content has changed", r.Source)
}

// blocks are reused from file to file: otherwise many small files would leave
// many large blocks to the garbage collector.
var blocks = sync.Pool{New: func() any { return new([blockSize]byte) }}

// Copy copies block by block to the end of r. It bypasses shortcuts such as
// io.WriterTo, which would pass by what the other side counts or hashes.
func Copy(w io.Writer, r io.Reader) (int64, error) {
	block := blocks.Get().(*[blockSize]byte)
	defer blocks.Put(block)
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, block[:])
}

// failed reports whether reading the staged file failed.
func (s *source) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err != nil
}

// sum reads the staged file and returns its hash.
func (s *source) sum() (string, error) {
	h := sha256.New()
	if _, err := Copy(h, io.NewSectionReader(s.file, 0, s.size)); err != nil {
		return "", fmt.Errorf("read the staged file: %w", err)
	}
	return hexSum(h), nil
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// counter reports in steps how many bytes were read.
type counter struct {
	report   func(int64)
	n, shown int64
}

func (c *counter) upTo(n int64) {
	c.n = max(c.n, n)
	if c.n-c.shown >= progressStep {
		c.finish()
	}
}

// finish reports the bytes that were not reported yet.
func (c *counter) finish() {
	if c.report != nil && c.n != c.shown {
		c.shown = c.n
		c.report(c.n)
	}
}

// hasher computes a SHA-256 in a goroutine of its own, so that hashing does not
// delay sending. It copies what is written to it. A writer that was given up may
// still write after finish.
type hasher struct {
	mu       sync.Mutex
	finished bool

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
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(p) > 0 && !h.finished {
		b := <-h.empty
		h.full <- append(b[:0], p...)
	}
	return len(p), nil
}

// finish ends the goroutine and returns the hash in lower-case hex.
func (h *hasher) finish() string {
	h.mu.Lock()
	if !h.finished {
		h.finished = true
		close(h.full)
	}
	h.mu.Unlock()
	<-h.done
	return hexSum(h.sum)
}
