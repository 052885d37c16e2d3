package fabricate

import (
	"bytes"
	"compress/flate"
	"crypto/sha1"
	"encoding/base64"
	"hash/crc32"
	"io"
	"sync"
)

// payload is the content of one zip entry, already deflated.
type payload struct {
	head     []byte // a stored block that makes the content one of its kind
	deflated []byte
	noops    int64 // bytes of deflate blocks without content, after deflated
	from     io.Reader
	packed   int64 // length of what from yields, if from is set
	size     int64
	crc      uint32
	sha1     string // base64, as export.xml has it
	text     []byte // the content, where it is needed again
}

// headed returns the payload with a few bytes in front of its content, as a
// stored block of their own: the rest of the stream stays as it is.
func (p payload) headed(front string) payload {
	n := len(front)
	p.head = append([]byte{0, byte(n), byte(n >> 8), ^byte(n), ^byte(n >> 8)}, front...)
	p.size += int64(n)
	p.crc = crc32.Update(crc32.ChecksumIEEE([]byte(front)), crc32.IEEETable, p.text)
	h := sha1.New()
	io.WriteString(h, front)
	h.Write(p.text)
	p.sha1 = base64.StdEncoding.EncodeToString(h.Sum(nil))
	return p
}

// endBlock is the last, empty, stored block of a deflate stream.
var endBlock = []byte{0x01, 0x00, 0x00, 0xff, 0xff}

func deflate(content []byte) payload {
	p := describe(content)
	p.deflated = packed(content, (*flate.Writer).Close)
	return p
}

// deflateOpen is deflate for a payload that can be stretched: its deflated
// form lacks the end block, which write adds after the noops.
func deflateOpen(content []byte) payload {
	p := describe(content)
	p.deflated = packed(content, (*flate.Writer).Flush)
	p.noops = int64(len(endBlock))
	return p
}

// writers are used again: a new one takes a megabyte of memory.
var writers = sync.Pool{New: func() any {
	z, _ := flate.NewWriter(nil, flate.DefaultCompression)
	return z
}}

func packed(content []byte, end func(*flate.Writer) error) []byte {
	var b bytes.Buffer
	z := writers.Get().(*flate.Writer)
	defer writers.Put(z)
	z.Reset(&b)
	z.Write(content)
	_ = end(z)
	return b.Bytes()
}

func describe(content []byte) payload {
	sum := sha1.Sum(content)
	return payload{
		size: int64(len(content)),
		crc:  crc32.ChecksumIEEE(content),
		sha1: base64.StdEncoding.EncodeToString(sum[:]),
	}
}

// stretched returns the open payload p made n bytes longer, its content
// unchanged, and whether a deflate stream can be padded by exactly n bytes.
// Blocks without content are 5 bytes (stored) or 6 (fixed, then stored).
func (p payload) stretched(n int64) (payload, bool) {
	if n < 0 || n < 6*(n%5) {
		return p, false
	}
	p.noops += n
	return p, true
}

func (p payload) packedSize() int64 {
	if p.from != nil {
		return p.packed
	}
	return int64(len(p.head)+len(p.deflated)) + p.noops
}

func (p payload) write(w io.Writer) error {
	if p.from != nil {
		_, err := io.Copy(w, p.from)
		return err
	}
	if _, err := w.Write(p.head); err != nil {
		return err
	}
	if _, err := w.Write(p.deflated); err != nil || p.noops == 0 {
		return err
	}
	n := p.noops - int64(len(endBlock))
	six := n % 5
	blocks := bytes.Repeat([]byte{0x02, 0x00, 0x00, 0x00, 0xff, 0xff}, int(six))
	blocks = append(blocks, bytes.Repeat([]byte{0x00, 0x00, 0x00, 0xff, 0xff}, int((n-6*six)/5))...)
	_, err := w.Write(append(blocks, endBlock...))
	return err
}

const storedBlock = 65535

// storedSize is the length of n bytes as a deflate stream of stored blocks.
func storedSize(n int64) int64 {
	blocks := max((n+storedBlock-1)/storedBlock, 1)
	return n + 5*blocks
}

// storedReader turns n bytes of r into a deflate stream of stored blocks:
// what is compressed already stays as it is.
type storedReader struct {
	r    io.Reader
	left int64
	done bool
	buf  bytes.Buffer
}

func (s *storedReader) Read(p []byte) (int, error) {
	if s.buf.Len() == 0 {
		if s.done {
			return 0, io.EOF
		}
		n := min(s.left, storedBlock)
		s.left -= n
		s.done = s.left == 0
		final := byte(0)
		if s.done {
			final = 1
		}
		s.buf.Write([]byte{final, byte(n), byte(n >> 8), ^byte(n), ^byte(n >> 8)})
		if _, err := io.CopyN(&s.buf, s.r, n); err != nil {
			return 0, err
		}
	}
	return s.buf.Read(p)
}
