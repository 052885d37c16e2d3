package inflate

import (
	"encoding/binary"
	"errors"
	"io"
)

const (
	historySize = 32 << 10
	chunkSize   = 128 << 10
	inputSize   = 128 << 10

	// outputSlack is the room one step of the decoding loop may need beyond the flush mark: four literals, a match of 258 and
	// the overshoot of the widest copy.
	outputSlack = 4 + 258 + 64
	// inputSlack is what one step may read: two refills, which advance by 7 bytes at most and load 8.
	inputSlack = 32
	// inputPadding of zero bytes follows the end of the input, so that the loop needs no other variant there.
	inputPadding = 64
)

// Errors of a stream that is not whole. Neither says where: the caller knows which entry it reads.
var (
	// ErrCorrupt means that the stream breaks the rules of DEFLATE.
	ErrCorrupt = errors.New("the compressed data is corrupt")
	// ErrTruncated means that the input ended before the stream did.
	ErrTruncated = errors.New("the compressed data ends early")
)

// Result says what a stream was.
type Result struct {
	In  int64 // bytes of input consumed, the last one counted even if it is used in part
	Out int64 // bytes decoded
	// CleanEnd is false if a bit between the end of the stream and the end of its last byte is set. Encoders leave them zero.
	CleanEnd bool
}

// Sink takes decoded bytes. The slice must not be changed; it stays valid until the next call has returned, so that one chunk can
// be worked on while the next one is decoded.
type Sink func(p []byte) error

// Decoder decodes one stream after another. It must not be used by two goroutines at once.
type Decoder struct {
	src   io.Reader
	sink  Sink
	in    []byte
	pos   int // next byte of in to load
	end   int // end of real input in in
	eof   bool
	base  int64 // bytes of input before in[0]
	bitsN uint64
	bits  uint64

	bufs   [2][]byte
	cur    int
	out    []byte
	o      int // next byte of out to write
	start  int // first byte of out not yet given to the sink
	total  int64
	limit  int64
	lit    [litTableSize]uint32
	dist   [distTableSize]uint32
	lens   [numLit + numDist]uint8
	static bool // lit and dist hold the fixed code
}

// NewDecoder returns a Decoder with its buffers, about 500 KiB.
func NewDecoder() *Decoder {
	d := &Decoder{in: make([]byte, inputSize+inputPadding)}
	for i := range d.bufs {
		d.bufs[i] = make([]byte, historySize+chunkSize+outputSlack)
	}
	return d
}

// ErrLimit means that the stream holds more bytes than the caller allowed.
var ErrLimit = errors.New("the compressed data inflates to more than its declared size")

// Decode reads one stream from src and gives its bytes to sink, at most limit of them. It stops at the end of the stream, but may
// read src further. Errors of src and sink are returned as they are; otherwise the error is ErrCorrupt, ErrTruncated or ErrLimit.
// The result is right as far as decoding came.
func (d *Decoder) Decode(src io.Reader, limit int64, sink Sink) (Result, error) {
	d.src, d.sink, d.limit = src, sink, limit
	d.pos, d.end, d.eof, d.base = 0, 0, false, 0
	d.bits, d.bitsN = 0, 0
	d.out, d.o, d.start, d.total = d.bufs[d.cur], 0, 0, 0
	err := d.blocks()
	if err == nil {
		err = d.flush()
	}
	spare := d.bitsN & 7
	clean := d.bits&(1<<spare-1) == 0
	in := d.base + int64(d.pos) - int64(d.bitsN>>3)
	d.src, d.sink = nil, nil
	if real := d.base + int64(d.end); in > real {
		in = real
		if err == nil {
			err = ErrTruncated
		}
	}
	return Result{In: in, Out: d.total, CleanEnd: clean}, err
}

func (d *Decoder) blocks() error {
	for {
		if err := d.need(); err != nil {
			return err
		}
		head := d.take(3)
		var err error
		switch head >> 1 {
		case 0:
			err = d.stored()
		case 1:
			d.fixedTables()
			err = d.block()
		case 2:
			if err = d.dynamicTables(); err == nil {
				err = d.block()
			}
		default:
			err = ErrCorrupt
		}
		if err != nil {
			if err == ErrCorrupt && d.overrun() {
				return ErrTruncated
			}
			return err
		}
		if d.overrun() {
			return ErrTruncated
		}
		if head&1 != 0 {
			return nil
		}
	}
}

// overrun says whether bits beyond the end of the input were consumed.
func (d *Decoder) overrun() bool { return d.eof && d.pos-int(d.bitsN>>3) > d.end }

// need makes sure that at least 56 bits are in the bit buffer and that a step's worth of input follows, zero-padded at the end.
func (d *Decoder) need() error {
	if d.pos > d.end-inputSlack {
		if err := d.fill(); err != nil {
			return err
		}
	}
	d.bits |= binary.LittleEndian.Uint64(d.in[d.pos:]) << (d.bitsN & 63)
	d.pos += int((63 - d.bitsN) >> 3)
	d.bitsN |= 56
	return nil
}

func (d *Decoder) take(n uint64) uint64 {
	v := d.bits & (1<<n - 1)
	d.bits >>= n
	d.bitsN -= n
	return v
}

// fill reads input until a step can be taken or the input ends.
func (d *Decoder) fill() error {
	if d.eof {
		if d.pos > d.end+inputPadding-inputSlack {
			return ErrTruncated
		}
		return nil
	}
	// The bit buffer may hold up to 8 bytes that a stored block gives back: they stay in reach.
	from := max(0, d.pos-8)
	d.base += int64(from)
	d.end = copy(d.in, d.in[from:d.end])
	d.pos -= from
	for empty := 0; d.end-d.pos < inputSlack*2; {
		n, err := d.src.Read(d.in[d.end:inputSize])
		d.end += n
		if err == io.EOF {
			d.eof = true
			clear(d.in[d.end : d.end+inputPadding])
			return nil
		}
		if err != nil {
			return err
		}
		if n == 0 {
			if empty++; empty > 100 {
				return io.ErrNoProgress
			}
		}
	}
	return nil
}

// flush gives the sink what was decoded since the last flush and moves the history into the other buffer.
func (d *Decoder) flush() error {
	p := d.out[d.start:d.o]
	d.total += int64(len(p))
	if d.total > d.limit {
		return ErrLimit
	}
	if len(p) > 0 {
		if err := d.sink(p); err != nil {
			return err
		}
	}
	keep := min(d.o, historySize)
	d.cur ^= 1
	next := d.bufs[d.cur]
	copy(next, d.out[d.o-keep:d.o])
	d.out, d.o, d.start = next, keep, keep
	return nil
}

func (d *Decoder) stored() error {
	// Back to the byte boundary: whole bytes in the bit buffer go back to the input.
	d.pos -= int(d.bitsN >> 3)
	d.bits, d.bitsN = 0, 0
	if d.pos > d.end-inputSlack {
		if err := d.fill(); err != nil {
			return err
		}
	}
	if d.end-d.pos < 4 {
		d.pos = d.end
		return ErrTruncated
	}
	n := int(binary.LittleEndian.Uint16(d.in[d.pos:]))
	if n != int(^binary.LittleEndian.Uint16(d.in[d.pos+2:])) {
		return ErrCorrupt
	}
	d.pos += 4
	for n > 0 {
		if d.pos >= d.end {
			if err := d.fill(); err != nil {
				return err
			}
			if d.pos >= d.end {
				return ErrTruncated
			}
		}
		c := copy(d.out[d.o:historySize+chunkSize], d.in[d.pos:min(d.end, d.pos+n)])
		d.pos += c
		d.o += c
		n -= c
		if d.o >= historySize+chunkSize {
			if err := d.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Decoder) fixedTables() {
	if d.static {
		return
	}
	lens := &d.lens
	for i := range numLit {
		switch {
		case i < 144:
			lens[i] = 8
		case i < 256:
			lens[i] = 9
		case i < 280:
			lens[i] = 7
		default:
			lens[i] = 8
		}
	}
	for i := range numDist {
		lens[numLit+i] = 5
	}
	buildTable(d.lit[:], litBits, lens[:numLit], litEntry)
	buildTable(d.dist[:], distBits, lens[numLit:], distEntry)
	d.static = true
}

func (d *Decoder) dynamicTables() error {
	d.static = false
	if err := d.need(); err != nil {
		return err
	}
	nLit, nDist, nPre := int(d.take(5))+257, int(d.take(5))+1, int(d.take(4))+4
	if nLit > 286 || nDist > 30 {
		return ErrCorrupt
	}
	var pre [numPre]uint8
	for i := range nPre {
		if err := d.need(); err != nil {
			return err
		}
		pre[preOrder[i]] = uint8(d.take(3))
	}
	// The distance table is free until the code lengths are known: it holds their code.
	const preBits = 7
	if !buildTable(d.dist[:], preBits, pre[:], preEntry) {
		return ErrCorrupt
	}
	lens := d.lens[:nLit+nDist]
	for i := 0; i < len(lens); {
		if err := d.need(); err != nil {
			return err
		}
		e := d.dist[d.bits&(1<<preBits-1)]
		if e&entryExceptional != 0 {
			return ErrCorrupt
		}
		d.take(uint64(e & 0xff))
		symbol := uint8(e >> 16)
		if symbol < 16 {
			lens[i] = symbol
			i++
			continue
		}
		var value uint8
		var n int
		switch symbol {
		case 16:
			if i == 0 {
				return ErrCorrupt
			}
			value, n = lens[i-1], 3+int(d.take(2))
		case 17:
			n = 3 + int(d.take(3))
		default:
			n = 11 + int(d.take(7))
		}
		if i+n > len(lens) {
			return ErrCorrupt
		}
		for range n {
			lens[i] = value
			i++
		}
	}
	if lens[256] == 0 {
		return ErrCorrupt
	}
	if !buildTable(d.lit[:], litBits, lens[:nLit], litEntry) || !buildTable(d.dist[:], distBits, lens[nLit:], distEntry) {
		return ErrCorrupt
	}
	return nil
}
