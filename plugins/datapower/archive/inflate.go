package archive

import (
	"bufio"
	"errors"
	"io"

	"github.com/klauspost/compress/flate"
)

// sink takes the bytes of an entry. The slice must not be changed, and is valid until the call returns, or the next call where it is kept.
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
	from decoder
	bufs [2][]byte // for pieces that are kept; nil: not needed yet
	cur  int
}

// decoder gives what it decodes from its own window, without a copy, or into a buffer.
type decoder interface {
	io.Reader
	io.WriterTo
	flate.Resetter
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
	d.from = flate.NewReader(d.in).(decoder)
	return d
}

// decode reads one stream from src and gives its bytes to to, at most limit of them and one piece more. Errors of src and of to
// are returned as they are; otherwise the error is errCorrupt, errTruncated or errLimit. The result is right as far as decoding came.
// With kept, a piece stays as it is while the next one is decoded.
func (d *inflater) decode(src io.Reader, limit int64, to sink, kept bool) (passed, error) {
	d.src = counted{r: src}
	d.in.Reset(&d.src)
	if err := d.from.Reset(d.in, nil); err != nil {
		return passed{}, err
	}
	out := output{limit: limit, to: to}
	var err error
	if kept {
		err = d.pieces(&out)
	} else {
		_, err = d.from.WriteTo(&out)
	}
	done := passed{in: d.src.n - int64(d.in.Buffered()), out: out.n}
	var corrupt flate.CorruptInputError
	var fault flate.InternalError
	switch {
	case out.err != nil:
		return done, out.err
	case err == nil:
		return done, nil
	case err == io.ErrUnexpectedEOF:
		return done, errTruncated
	case errors.As(err, &corrupt), errors.As(err, &fault):
		return done, errCorrupt
	}
	return done, err
}

// pieces decodes into two buffers in turn.
func (d *inflater) pieces(out *output) error {
	for {
		d.cur ^= 1
		if d.bufs[d.cur] == nil {
			d.bufs[d.cur] = make([]byte, 64<<10)
		}
		n, err := readFull(d.from, d.bufs[d.cur])
		if n > 0 {
			if _, err := out.Write(d.bufs[d.cur][:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// output counts and bounds what a stream decodes to.
type output struct {
	n, limit int64
	to       sink
	err      error // of to, or errLimit
}

func (o *output) Write(p []byte) (int, error) {
	if o.n += int64(len(p)); o.n > o.limit {
		o.err = errLimit
	} else {
		o.err = o.to(p)
	}
	if o.err != nil {
		return 0, o.err
	}
	return len(p), nil
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
