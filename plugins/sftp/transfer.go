package sftp

import (
	"errors"
	"io"
	"sync"

	pkgsftp "github.com/pkg/sftp"
)

// copyOut reads a remote file into w, in order, and returns its size in bytes.
// It stops soon after expect; the size is then only known to be larger.
func copyOut(s *session, name string, expect int64, w io.Writer) (int64, error) {
	f, err := s.sftp.Open(name)
	if err != nil {
		return 0, err
	}
	n, err := s.receive(f, expect, w)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return n, err
}

// buffers are reused from file to file: otherwise many small files would leave
// many large blocks to the garbage collector.
var buffers sync.Pool // of *[]byte

func buffer(size int) []byte {
	if b, ok := buffers.Get().(*[]byte); ok && cap(*b) >= size {
		return (*b)[:size]
	}
	return make([]byte, size)
}

// part is one request of a transfer.
type part struct {
	buf  []byte
	off  int64
	n    int
	err  error
	done chan struct{}
}

// receive reads with many requests in flight. A server may return less than was
// asked for, so each part is asked for until it is complete; the library's
// ReadAt does that for a buffer of one packet. (Its WriteTo takes a short
// answer for a complete one.) A part that stays short is the end of the file.
func (s *session) receive(f *pkgsftp.File, expect int64, w io.Writer) (n int64, err error) {
	inFlight := make(chan *part, s.inFlight-1) // one more is being written
	stop := make(chan struct{})
	go func() {
		defer close(inFlight)
		for off := int64(0); off < expect; {
			p := &part{off: off, done: make(chan struct{})}
			p.buf = buffer(int(min(int64(s.packet), expect-off)))
			off += int64(len(p.buf))
			go func() {
				defer close(p.done)
				p.n, p.err = f.ReadAt(p.buf, p.off)
			}()
			select {
			case inFlight <- p:
			case <-stop:
				<-p.done
				return
			}
		}
	}()
	defer func() {
		close(stop)
		for p := range inFlight {
			<-p.done // it still uses f
		}
	}()
	for p := range inFlight {
		<-p.done
		if _, werr := w.Write(p.buf[:p.n]); werr != nil {
			return n, werr
		}
		n += int64(p.n)
		if errors.Is(p.err, io.EOF) && p.n < len(p.buf) {
			return n, nil
		}
		if p.err != nil && !errors.Is(p.err, io.EOF) {
			return n, p.err
		}
		buffers.Put(&p.buf)
	}
	more, err := f.ReadAt(make([]byte, 1), expect)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n + int64(more), err
}
