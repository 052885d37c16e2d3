package archive

import (
	"bufio"
	"errors"
	"io"

	"github.com/klauspost/compress/flate"
)

// sink takes the bytes of an entry. The slice must not be changed; it stays valid until the next call has returned, so that one
// piece can be hashed while the next one is decoded.
type sink func(p []byte) error

// passed says how much of an entry was read, and to what it decoded.
type passed struct {
	in  int64 // compressed bytes, up to and with the last one that the stream uses
	out int64
}

var (
	errCorrupt   = errors.New("the compressed data is corrupt")
	errTruncated = errors.New("the compressed data ends early")
	errLimit     = errors.New("the compressed data inflates to more than its declared size")
)

// inflater decodes one DEFLATE stream after another in buffers of its own, whatever a stream claims.
type inflater struct {
	src  counted
	in   *bufio.Reader // the decoder never reads ahead of what it uses from one of these
	from io.ReadCloser
	bufs [2][]byte
	cur  int
}

// counted counts what is read.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func newInflater() *inflater {
	d := &inflater{in: bufio.NewReaderSize(nil, 64<<10)}
	d.from = flate.NewReader(d.in)
	for i := range d.bufs {
		d.bufs[i] = make([]byte, 64<<10)
	}
	return d
}

// decode reads one stream from src and gives its bytes to to, at most limit of them and one piece more. Errors of src and of to
// are returned as they are; otherwise the error is errCorrupt, errTruncated or errLimit. The result is right as far as decoding came.
func (d *inflater) decode(src io.Reader, limit int64, to sink) (passed, error) {
	d.src = counted{r: src}
	d.in.Reset(&d.src)
	if err := d.from.(flate.Resetter).Reset(d.in, nil); err != nil {
		return passed{}, err
	}
	var out int64
	for {
		d.cur ^= 1
		n, err := readFull(d.from, d.bufs[d.cur])
		out += int64(n)
		done := passed{in: d.src.n - int64(d.in.Buffered()), out: out}
		if out > limit {
			return done, errLimit
		}
		if n > 0 {
			if err := to(d.bufs[d.cur][:n]); err != nil {
				return done, err
			}
		}
		var corrupt flate.CorruptInputError
		var fault flate.InternalError
		switch {
		case err == nil:
		case err == io.EOF:
			return done, nil
		case err == io.ErrUnexpectedEOF:
			return done, errTruncated
		case errors.As(err, &corrupt), errors.As(err, &fault):
			return done, errCorrupt
		default:
			return done, err
		}
	}
}

// readFull fills p as far as there is something to read; unlike io.ReadFull it keeps the reader's own error.
func readFull(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var k int
		k, err = r.Read(p[n:])
		n += k
	}
	return n, err
}
