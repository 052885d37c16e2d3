package archive

import (
	"crypto/sha256"
	"io"
	"sync"
)

// Memo remembers what compressed data inflates to. Gateways of one firmware put the same files, megabytes of them, into every
// export, so much of what a fleet's exports unpack to has been unpacked before. The key is the SHA-256 of an entry's compressed
// data: the same data inflates to the same content, whose length, CRC-32 and SHA-1 are then known, and one changed byte is another
// key. Everything else about an entry is checked as ever. A Memo may be shared by any number of verifications at once; the zero
// value is empty and ready.
type Memo struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]remembered
	order [][sha256.Size]byte // the oldest first
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

// keyOf reads an entry's compressed data.
func (w *worker) keyOf(src io.Reader) (key [sha256.Size]byte, err error) {
	h := sha256.New()
	for {
		n, err := src.Read(w.buf)
		h.Write(w.buf[:n])
		if err == io.EOF {
			h.Sum(key[:0])
			return key, nil
		}
		if err != nil {
			return key, err
		}
	}
}

func (m *Memo) lookup(key [sha256.Size]byte, needSHA1 bool) (remembered, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.known[key]
	return r, ok && (r.sha1 != nil || !needSHA1)
}

func (m *Memo) remember(key [sha256.Size]byte, r remembered) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[[sha256.Size]byte]remembered{}
	}
	if _, ok := m.known[key]; !ok {
		m.order = append(m.order, key)
	}
	m.known[key] = r
	if len(m.order) > memoEntries {
		delete(m.known, m.order[0])
		m.order = m.order[1:]
	}
}
