package archive

import (
	"encoding/binary"
	"hash/maphash"
	"io"
	"sync"
)

// Memo remembers what compressed data inflates to. Gateways of one firmware put the same files, megabytes of them, into every
// export, so much of what a fleet's exports unpack to has been unpacked before. The key is a hash of an entry's compressed data:
// the same data inflates to the same content, whose length, CRC-32 and SHA-1 are then known, and one changed byte is another key.
// Everything else about an entry is checked as ever. A Memo may be shared by any number of verifications at once.
type Memo struct {
	seeds [2]maphash.Seed
	outer *Memo // knows more; nil: none
	most  int
	mu    sync.Mutex
	known map[memoKey]remembered
	order []memoKey // the oldest first
}

// memoKey is 128 bits of a hash whose seeds are drawn when a memo is made: two different entries share a key by chance once in
// 2^128, and nobody can make them. A SHA-256 would cost a fifth of what it saves.
type memoKey [2]uint64

// NewMemo returns an empty memo.
func NewMemo() *Memo {
	return &Memo{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, most: memoEntries, known: map[memoKey]remembered{}}
}

// within returns an empty memo that knows what m knows too, which may be nil.
func (m *Memo) within(most int) *Memo {
	inner := NewMemo()
	if inner.most = most; m != nil {
		inner.seeds, inner.outer = m.seeds, m
	}
	return inner
}

// remembered is what an entry that was right has inflated to.
type remembered struct {
	in, out int64
	crc     uint32
	sha1    []byte // nil: it was not asked for
}

const (
	memoEntries  = 4096
	memoSmallest = 4 << 10  // smaller entries inflate in no time
	memoLargest  = 64 << 20 // larger ones are hardly ever the same twice
)

// fits reports whether an entry is worth remembering.
func (m *Memo) fits(e *entry) bool {
	return m != nil && e.method == methodDeflate && e.packed >= memoSmallest && e.packed <= memoLargest
}

// keyOf reads an entry's compressed data through a buffer. Each half of the key chains the hashes of the buffer's fillings.
func (m *Memo) keyOf(src io.Reader, buf []byte) (memoKey, error) {
	var key memoKey
	const chain = 8 // bytes of the key in front of the data
	for {
		n, err := io.ReadFull(src, buf[chain:])
		if n > 0 {
			for i, seed := range m.seeds {
				binary.LittleEndian.PutUint64(buf, key[i])
				key[i] = maphash.Bytes(seed, buf[:chain+n])
			}
		}
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return key, nil
		default:
			return memoKey{}, err
		}
	}
}

func (m *Memo) lookup(key memoKey, needSHA1 bool) (remembered, bool) {
	m.mu.Lock()
	r, ok := m.known[key]
	m.mu.Unlock()
	if ok = ok && (r.sha1 != nil || !needSHA1); !ok && m.outer != nil {
		return m.outer.lookup(key, needSHA1)
	}
	return r, ok
}

func (m *Memo) remember(key memoKey, r remembered) {
	if m.outer != nil {
		m.outer.remember(key, r)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.known[key]; !ok {
		m.order = append(m.order, key)
	}
	m.known[key] = r
	if len(m.order) > m.most {
		delete(m.known, m.order[0])
		m.order = m.order[1:]
	}
}
