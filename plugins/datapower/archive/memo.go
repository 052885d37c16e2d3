package archive

import (
	"encoding/binary"
	"hash/maphash"
	"io"
	"sync"
)

// Memo remembers what compressed data inflates to. Gateways of one firmware put the same megabytes of files into
// every export, so much of a fleet's exports has been inflated before. The key is a hash of an entry's compressed
// data. The same data inflates to the same content, whose length, CRC-32 and SHA-1 are then known; one changed
// byte gives another key. Everything else about an entry is checked as usual. Any number of verifications may
// share a Memo at the same time.
type Memo struct {
	seeds [2]maphash.Seed
	outer *Memo // is asked as well; nil: none
	most  int
	mu    sync.Mutex
	known map[memoKey]remembered
	order []memoKey // oldest first
}

// memoKey is 128 bits of a hash with seeds that are drawn when a memo is made. Two different entries share a key
// by chance once in 2^128, and nobody can construct such entries. A SHA-256 would cost a fifth of the time that
// the memo saves.
type memoKey [2]uint64

// NewMemo returns an empty memo.
func NewMemo() *Memo {
	return &Memo{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, most: memoEntries, known: map[memoKey]remembered{}}
}

// within returns an empty memo that also knows everything that m knows. m may
// be nil.
func (m *Memo) within(most int) *Memo {
	inner := NewMemo()
	if inner.most = most; m != nil {
		inner.seeds, inner.outer = m.seeds, m
	}
	return inner
}

// remembered is the result of inflating a correct entry.
type remembered struct {
	in, out int64
	crc     uint32
	sha1    []byte // nil: it was not computed
}

const (
	memoEntries  = 4096
	memoSmallest = 4 << 10  // smaller entries inflate quickly anyway
	memoLargest  = 64 << 20 // larger ones are hardly ever the same twice
)

// fits reports whether an entry is worth remembering.
func (m *Memo) fits(e *entry) bool {
	return m != nil && e.method == methodDeflate && e.packed >= memoSmallest && e.packed <= memoLargest
}

// keyOf reads an entry's compressed data through a buffer. Each half of the key chains the hashes of successive
// buffers.
func (m *Memo) keyOf(src io.Reader, buf []byte) (memoKey, error) {
	var key memoKey
	const chain = 8 // bytes of the previous key in front of the data
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
