package inflate

import "encoding/binary"

// block decodes the symbols of one block with the tables that are set. The state of the loop lives in local variables; it is put
// back before anything else looks at it.
func (d *Decoder) block() error {
	var (
		in       = d.in
		pos      = d.pos
		bitbuf   = d.bits
		bitsN    = d.bitsN
		out      = d.out
		o        = d.o
		lit      = &d.lit
		dist     = &d.dist
		outMark  = historySize + chunkSize
		inMark   = d.inMark()
		err      error
		e        uint32
		finished bool
	)
	for !finished {
		if pos > inMark {
			d.pos = pos
			if err = d.fill(); err != nil {
				break
			}
			pos, inMark = d.pos, d.inMark()
		}
		if o >= outMark {
			d.o = o
			if err = d.flush(); err != nil {
				out, o = d.out, d.o
				break
			}
			out, o = d.out, d.o
		}

		bitbuf |= binary.LittleEndian.Uint64(in[pos:]) << (bitsN & 63)
		pos += int((63 - bitsN) >> 3)
		bitsN |= 56

		e = lit[bitbuf&(1<<litBits-1)]
		if e&entryLiteral != 0 {
			// Three literals of the primary table take 33 bits at most; what follows them is looked up after a refill.
			w := out[o : o+4 : o+4]
			bitbuf >>= e & 63
			bitsN -= uint64(e & 63)
			w[0] = byte(e >> 16)
			o++
			e = lit[bitbuf&(1<<litBits-1)]
			if e&entryLiteral != 0 {
				bitbuf >>= e & 63
				bitsN -= uint64(e & 63)
				w[1] = byte(e >> 16)
				o++
				e = lit[bitbuf&(1<<litBits-1)]
				if e&entryLiteral != 0 {
					bitbuf >>= e & 63
					bitsN -= uint64(e & 63)
					w[2] = byte(e >> 16)
					o++
					continue
				}
			}
			bitbuf |= binary.LittleEndian.Uint64(in[pos:]) << (bitsN & 63)
			pos += int((63 - bitsN) >> 3)
			bitsN |= 56
		}
		if e&entryExceptional != 0 {
			if e&entrySubtable != 0 {
				e = lit[(e>>16+uint32(bitbuf>>litBits)&(1<<(e>>8&15)-1))&(litTableSize-1)]
				if e&entryLiteral != 0 {
					bitbuf >>= e & 63
					bitsN -= uint64(e & 63)
					out[o] = byte(e >> 16)
					o++
					continue
				}
			}
			if e&entryExceptional != 0 {
				if e&entryEndOfBlock == 0 {
					err = ErrCorrupt
					break
				}
				bitbuf >>= e & 63
				bitsN -= uint64(e & 63)
				finished = true
				continue
			}
		}
		length := int(e>>16) + int(bitbuf&(1<<(e&63)-1)>>(e>>8&15))
		bitbuf >>= e & 63
		bitsN -= uint64(e & 63)

		e = dist[bitbuf&(1<<distBits-1)]
		if e&entryExceptional != 0 {
			if e&entrySubtable != 0 {
				e = dist[(e>>16+uint32(bitbuf>>distBits)&(1<<(e>>8&15)-1))&(distTableSize-1)]
			}
			if e&entryExceptional != 0 {
				err = ErrCorrupt
				break
			}
		}
		back := int(e>>16) + int(bitbuf&(1<<(e&63)-1)>>(e>>8&15))
		bitbuf >>= e & 63
		bitsN -= uint64(e & 63)
		if back > o {
			err = ErrCorrupt
			break
		}

		from, stop := o-back, o+length
		switch {
		case back >= 32:
			// Copies of 32 and 16 bytes overshoot into the slack, which the next symbol overwrites.
			for {
				*(*[32]byte)(out[o:]) = *(*[32]byte)(out[from:])
				o += 32
				if o >= stop {
					break
				}
				from += 32
			}
		case back >= 8:
			for o < stop {
				binary.LittleEndian.PutUint64(out[o:], binary.LittleEndian.Uint64(out[from:]))
				o += 8
				from += 8
			}
		case back == 1:
			word := uint64(out[from]) * 0x0101010101010101
			for o < stop {
				binary.LittleEndian.PutUint64(out[o:], word)
				o += 8
			}
		default:
			for o < stop {
				out[o] = out[from]
				o++
				from++
			}
		}
		o = stop
	}
	d.pos, d.bits, d.bitsN, d.out, d.o = pos, bitbuf, bitsN, out, o
	return err
}

// inMark is the last position from which a step may be taken without asking for input.
func (d *Decoder) inMark() int {
	if d.eof {
		return d.end + inputPadding - inputSlack
	}
	return d.end - inputSlack
}
