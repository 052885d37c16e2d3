package nfsclient

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// errShort reports a reply that ends before all its fields were read.
var errShort = errors.New("message ends early")

// encoder appends XDR (RFC 4506) to b.
type encoder struct{ b []byte }

func (e *encoder) u32(v uint32) { e.b = binary.BigEndian.AppendUint32(e.b, v) }
func (e *encoder) u64(v uint64) { e.b = binary.BigEndian.AppendUint64(e.b, v) }

func (e *encoder) bool(v bool) {
	if v {
		e.u32(1)
	} else {
		e.u32(0)
	}
}

// fixed appends opaque data whose length the protocol fixes.
func (e *encoder) fixed(p []byte) {
	e.b = append(e.b, p...)
	e.b = append(e.b, zeros[:padding(len(p))]...)
}

func (e *encoder) opaque(p []byte) {
	e.u32(uint32(len(p)))
	e.fixed(p)
}

func (e *encoder) str(s string) {
	e.u32(uint32(len(s)))
	e.b = append(e.b, s...)
	e.b = append(e.b, zeros[:padding(len(s))]...)
}

var zeros [4]byte

// padding returns how many bytes round n up to XDR's unit of four.
func padding(n int) int { return (4 - n&3) & 3 }

// decoder reads XDR from b. The first error sticks and every later read returns a
// zero value, so a caller checks err once at the end. Slices that it returns alias b.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.b = nil
}

func (d *decoder) take(n int) []byte {
	if d.err != nil {
		return nil
	}
	if n > len(d.b) {
		d.fail(errShort)
		return nil
	}
	p := d.b[:n:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) u32() uint32 {
	p := d.take(4)
	if p == nil {
		return 0
	}
	return binary.BigEndian.Uint32(p)
}

func (d *decoder) u64() uint64 {
	p := d.take(8)
	if p == nil {
		return 0
	}
	return binary.BigEndian.Uint64(p)
}

func (d *decoder) bool() bool {
	v := d.u32()
	if v > 1 {
		d.fail(fmt.Errorf("boolean has the value %d", v))
	}
	return v == 1
}

// opaque reads variable-length data of at most limit bytes.
func (d *decoder) opaque(limit int) []byte {
	n := d.u32()
	if d.err != nil {
		return nil
	}
	if uint64(n) > uint64(limit) {
		d.fail(fmt.Errorf("field of %d bytes is longer than the %d allowed", n, limit))
		return nil
	}
	p := d.take(int(n))
	d.take(padding(int(n)))
	if d.err != nil {
		return nil
	}
	return p
}

func (d *decoder) str(limit int) string { return string(d.opaque(limit)) }
