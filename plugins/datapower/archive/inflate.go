package archive

import (
	"bufio"
	"errors"
	"io"

	"github.com/klauspost/compress/flate"
)

// sink receives the bytes of an entry. It must not change the slice. The slice is valid until sink returns or,
// for kept pieces, until the next call returns.
type sink func(p []byte) error

// passed says how much of an entry was read, and what it decoded to.
type passed struct {
	in  int64 // compressed bytes, up to the last one that the stream uses
	out int64
}

var (
	errCorrupt   = errors.New("the compressed data is corrupt")
	errTruncated = errors.New("the compressed data ends early")
	errLimit     = errors.New("the compressed data inflates to more than its declared size")
)

// inflater decodes one DEFLATE stream after another. It uses its own buffers, whatever a stream
// claims.
type inflater struct {
	src  counted
	in   *bufio.Reader // lets the decoder read no further than it needs
	from decoder
	bufs [2][]byte // for pieces that are kept; nil: not needed yet
	cur  int
}

// decoder decodes a stream and passes on its own window without a copy, or fills a
// buffer.
type decoder interface {
	io.Reader
	io.WriterTo
	flate.Resetter
}

// counted counts the bytes that are read.
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

// decode reads one stream from src and writes its bytes to to: at most limit of them and one piece more. It
// returns errors of src and of to unchanged; otherwise its error is errCorrupt, errTruncated or errLimit. The
// result is right as far as decoding got. With kept, a piece stays unchanged while the next one is decoded.
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

// output counts and bounds the output of a stream.
type output struct {
	n, limit int64
	to       sink
	err      error // error of to, or errLimit
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

// readFull fills p as far as there are bytes. Unlike io.ReadFull it keeps the reader's own error.
func readFull(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var k int
		k, err = r.Read(p[n:])
		n += k
	}
	return n, err
}
