package soma

import (
	"errors"
	"fmt"
)

var (
	errNotBase64 = errors.New("the text is not base64")
	errCutBase64 = errors.New("the base64 text ends in the middle of a group")
)

const badDigit = 1 << 31

// digits holds the value of every digit at each position in a group of four. Other bytes have the top bit set.
var digits = func() (t [4][256]uint32) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for place := range t {
		for c := range t[place] {
			t[place][c] = badDigit
		}
		for v, c := range []byte(alphabet) {
			t[place][c] = uint32(v) << (18 - 6*place)
		}
	}
	return t
}()

// base64Decoder decodes base64 that arrives in pieces. White space may appear anywhere, also as XML character references.
type base64Decoder struct {
	group [4]byte
	n     int // bytes in group
	pads  int
	chars int64 // read so far
	ref   []byte
	inRef bool
}

// decode appends the decoded bytes of src to dst. It uses all of src.
func (d *base64Decoder) decode(dst, src []byte) ([]byte, error) {
	for len(src) > 0 {
		if d.n == 0 && d.pads == 0 && !d.inRef && len(src) >= 8 {
			used := 0
			dst, used = decodeGroups(dst, src)
			d.chars += int64(used)
			if src = src[used:]; len(src) == 0 {
				break
			}
		}
		c := src[0]
		src = src[1:]
		d.chars++
		var err error
		if dst, err = d.char(dst, c); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// decodeGroups decodes pairs of plain groups while there are any. It returns how much of src it used.
func decodeGroups(dst, src []byte) ([]byte, int) {
	n := len(dst)
	need := n + len(src)/4*3 + 8
	if cap(dst) < need {
		dst = append(make([]byte, 0, need+need/4), dst...)
	}
	out := dst[:need]
	t0, t1, t2, t3 := &digits[0], &digits[1], &digits[2], &digits[3]
	left := src
	for len(left) >= 8 {
		s := left[:8:8]
		a := t0[s[0]] | t1[s[1]] | t2[s[2]] | t3[s[3]]
		b := t0[s[4]] | t1[s[5]] | t2[s[6]] | t3[s[7]]
		if (a|b)&badDigit != 0 {
			break
		}
		v := uint64(a)<<40 | uint64(b)<<16
		o := out[n : n+8 : n+8]
		o[0], o[1], o[2], o[3] = byte(v>>56), byte(v>>48), byte(v>>40), byte(v>>32)
		o[4], o[5], o[6], o[7] = byte(v>>24), byte(v>>16), byte(v>>8), byte(v)
		n += 6
		left = left[8:]
	}
	return dst[:n], len(src) - len(left)
}

func (d *base64Decoder) char(dst []byte, c byte) ([]byte, error) {
	switch {
	case d.inRef:
		return dst, d.reference(c)
	case c == ' ' || c == '\n' || c == '\r' || c == '\t':
		return dst, nil
	case c == '&':
		d.inRef, d.ref = true, d.ref[:0]
		return dst, nil
	case c == '=':
		d.pads++
		if d.pads == 1 && d.n < 2 || d.n+d.pads > 4 {
			return dst, d.bad()
		}
		if d.n+d.pads == 4 {
			v := digits[0][d.group[0]] | digits[1][d.group[1]]
			if d.n == 2 {
				dst = append(dst, byte(v>>16))
			} else {
				v |= digits[2][d.group[2]]
				dst = append(dst, byte(v>>16), byte(v>>8))
			}
		}
		return dst, nil
	case d.pads > 0 || digits[0][c] == badDigit:
		return dst, d.bad()
	}
	d.group[d.n] = c
	if d.n++; d.n == 4 {
		v := digits[0][d.group[0]] | digits[1][d.group[1]] | digits[2][d.group[2]] | digits[3][d.group[3]]
		dst = append(dst, byte(v>>16), byte(v>>8), byte(v))
		d.n = 0
	}
	return dst, nil
}

func (d *base64Decoder) reference(c byte) error {
	if c != ';' {
		if d.ref = append(d.ref, c); len(d.ref) > 8 {
			return d.bad()
		}
		return nil
	}
	d.inRef = false
	switch string(d.ref) {
	case "#9", "#10", "#13", "#32", "#x9", "#xA", "#xa", "#xD", "#xd", "#x20":
		return nil
	}
	return d.bad()
}

func (d *base64Decoder) bad() error {
	return fmt.Errorf("%w: character %d is not one of its digits", errNotBase64, d.chars)
}

// finish checks that the text ended at the end of a group.
func (d *base64Decoder) finish() error {
	switch {
	case d.inRef:
		return d.bad()
	case d.pads > 0 && d.n+d.pads == 4, d.pads == 0 && d.n == 0:
		return nil
	}
	return errCutBase64
}
