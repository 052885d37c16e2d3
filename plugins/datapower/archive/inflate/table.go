package inflate

import "math/bits"

// Sizes of the decoding tables. A code longer than the primary index continues in a subtable; every subtable of one code has the
// same width. A complete code has at least two leaves below each subtable, which bounds their number: 144 × 16 for the
// literal/length code, 16 × 128 for the distance code. The arrays are powers of two so that a mask makes every index provably valid.
const (
	litBits  = 11
	distBits = 8

	litTableSize  = 8192
	distTableSize = 4096

	maxCodeLen = 15
	numLit     = 288
	numDist    = 32
	numPre     = 19
)

// A table entry packs what one lookup must know.
//
//	bits  0–7   bits to consume: code and extra bits
//	bits  8–11  length of the code alone
//	bit  12     exceptional: subtable, end of block, or no such code
//	bit  13     subtable: payload is its offset, bits 8–11 its width
//	bit  14     end of block
//	bits 16–30  payload: literal, base of the length or distance
//	bit  31     literal
const (
	entryExceptional = 1 << 12
	entrySubtable    = 1 << 13
	entryEndOfBlock  = 1 << 14
	entryLiteral     = 1 << 31

	entryInvalid = entryExceptional
)

var (
	lengthBase  = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase    = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distExtra   = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	preOrder    = [numPre]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
)

// symbolEntry returns the entry of a symbol without its code length.
type symbolEntry func(symbol int) uint32

func litEntry(symbol int) uint32 {
	switch {
	case symbol < 256:
		return entryLiteral | uint32(symbol)<<16
	case symbol == 256:
		return entryExceptional | entryEndOfBlock
	case symbol <= 285:
		return uint32(lengthBase[symbol-257])<<16 | uint32(lengthExtra[symbol-257])
	}
	return entryInvalid
}

func distEntry(symbol int) uint32 {
	if symbol >= len(distBase) {
		return entryInvalid
	}
	return uint32(distBase[symbol])<<16 | uint32(distExtra[symbol])
}

func preEntry(symbol int) uint32 { return uint32(symbol) << 16 }

// buildTable fills table for the code with the given lengths. It refuses what zlib refuses: an over-subscribed code, and an
// incomplete one unless it has no code at all or a single code of one bit.
func buildTable(table []uint32, tableBits int, lens []uint8, entry symbolEntry) bool {
	var count [maxCodeLen + 1]int
	for _, l := range lens {
		count[l&15]++
	}
	count[0] = 0
	longest, left := 0, 1
	for l := 1; l <= maxCodeLen; l++ {
		left = left<<1 - count[l]
		if left < 0 {
			return false
		}
		if count[l] > 0 {
			longest = l
		}
	}
	if left > 0 && longest > 1 {
		return false
	}
	primary := table[:1<<tableBits]
	if left > 0 {
		for i := range primary {
			primary[i] = entryInvalid
		}
	}

	var next [maxCodeLen + 2]int
	for l := 1; l <= maxCodeLen; l++ {
		next[l+1] = (next[l] + count[l]) << 1
	}
	if longest > tableBits {
		markSubtables(primary, tableBits, longest, next[tableBits]+count[tableBits])
	}
	subBits := longest - tableBits
	used := 1 << tableBits
	for symbol, l8 := range lens {
		l := int(l8 & 15)
		if l == 0 {
			continue
		}
		code := int(bits.Reverse16(uint16(next[l])) >> (16 - l))
		next[l]++
		e := entry(symbol) + uint32(l) | uint32(l)<<8
		if l <= tableBits {
			for i := code; i < len(primary); i += 1 << l {
				primary[i] = e
			}
			continue
		}
		p := &primary[code&(1<<tableBits-1)]
		if *p&(0xffff<<16) == 0 {
			*p = entryExceptional | entrySubtable | uint32(used)<<16 | uint32(subBits)<<8
			used += 1 << subBits
		}
		sub := table[*p>>16:][:1<<subBits]
		for i := code >> tableBits; i < len(sub); i += 1 << (l - tableBits) {
			sub[i] = e
		}
	}
	return true
}

// markSubtables clears the primary entries that will point to subtables: those from the first code longer than the index on.
func markSubtables(primary []uint32, tableBits, longest, first int) {
	for code := first; code < len(primary); code++ {
		primary[int(bits.Reverse16(uint16(code))>>(16-tableBits))] = entryExceptional | entrySubtable
	}
}
