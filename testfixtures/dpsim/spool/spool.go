// Package spool keeps the payloads that a simulated appliance serves, already in
// base64, in unlinked temporary files. An archive of a gigabyte is made once, in
// constant memory. Every reply after that is a plain copy of a file.
package spool

import (
	"bufio"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"
)

// Spool stores blobs. Small ones share a file; large ones get one each. The
// files have no name on disk, so nothing is left behind however the process
// ends.
type Spool struct {
	dir string

	mu     sync.Mutex
	shared *os.File
	end    int64
	own    []*os.File
}

// New returns a spool whose files live in dir ("" is the system's temporary
// directory).
func New(dir string) *Spool { return &Spool{dir: dir} }

// Close releases the space of all blobs.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	files := s.own
	if s.shared != nil {
		files = append(files, s.shared)
	}
	s.own, s.shared, s.end = nil, nil, 0
	var first error
	for _, f := range files {
		if err := f.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Blob is one payload: its raw facts, and its base64 text for reading at any
// offset.
type Blob struct {
	Size   int64  // raw bytes
	SHA256 string // of the raw bytes, lower-case hex
	SHA1   string
	SHA512 string

	file io.ReaderAt
	base int64
}

// TextLen is the length of the blob's base64 text.
func (b *Blob) TextLen() int64 { return (b.Size + 2) / 3 * 4 }

// Text returns the base64 text from offset off on, n bytes long.
func (b *Blob) Text(off, n int64) *io.SectionReader {
	return io.NewSectionReader(b.file, b.base+off, n)
}

// ReadAt reads the raw bytes.
func (b *Blob) ReadAt(p []byte, off int64) (int, error) {
	if off >= b.Size {
		return 0, io.EOF
	}
	want := min(int64(len(p)), b.Size-off)
	first, last := off/3, (off+want+2)/3
	text := make([]byte, (last-first)*4)
	if _, err := b.file.ReadAt(text, b.base+first*4); err != nil {
		return 0, fmt.Errorf("read the spooled payload: %w", err)
	}
	raw := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(raw, text)
	if err != nil {
		return 0, fmt.Errorf("decode the spooled payload: %w", err)
	}
	got := copy(p[:want], raw[off-first*3:n])
	if got < len(p) {
		return got, io.EOF
	}
	return got, nil
}

// sharedLimit is the estimated size up to which a blob goes into the shared
// file.
const sharedLimit = 4 << 20

// Add stores what write produces. estimate is its likely size, and checksums
// says whether SHA-1 and SHA-512 are wanted beside SHA-256.
func (s *Spool) Add(estimate int64, checksums bool, write func(io.Writer) error) (*Blob, error) {
	if estimate <= sharedLimit {
		return s.addShared(checksums, write)
	}
	f, err := s.unlinked()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.own = append(s.own, f)
	s.mu.Unlock()
	buf := bufio.NewWriterSize(f, 1<<20)
	b, err := encode(buf, checksums, write)
	if err != nil {
		return nil, err
	}
	if err := buf.Flush(); err != nil {
		return nil, fmt.Errorf("write the spool: %w", err)
	}
	b.file = f
	return b, nil
}

func (s *Spool) addShared(checksums bool, write func(io.Writer) error) (*Blob, error) {
	var text memory
	b, err := encode(&text, checksums, write)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shared == nil {
		if s.shared, err = s.unlinked(); err != nil {
			return nil, err
		}
	}
	if _, err := s.shared.WriteAt(text, s.end); err != nil {
		return nil, fmt.Errorf("write the spool: %w", err)
	}
	b.file, b.base = s.shared, s.end
	s.end += int64(len(text))
	return b, nil
}

func (s *Spool) unlinked() (*os.File, error) {
	f, err := os.CreateTemp(s.dir, "dpsim-spool-*")
	if err != nil {
		return nil, fmt.Errorf("create a spool file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("unlink the spool file: %w", err)
	}
	return f, nil
}

type memory []byte

func (m *memory) Write(p []byte) (int, error) {
	*m = append(*m, p...)
	return len(p), nil
}

func encode(dst io.Writer, checksums bool, write func(io.Writer) error) (*Blob, error) {
	enc := base64.NewEncoder(base64.StdEncoding, dst)
	sha := sha256.New()
	sums := []hash.Hash{sha}
	if checksums {
		sums = append(sums, sha1.New(), sha512.New())
	}
	var size counter
	all := []io.Writer{enc, &size}
	for _, h := range sums {
		all = append(all, h)
	}
	if err := write(io.MultiWriter(all...)); err != nil {
		return nil, err
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("write the spool: %w", err)
	}
	b := &Blob{Size: int64(size), SHA256: hex.EncodeToString(sha.Sum(nil))}
	if checksums {
		b.SHA1 = hex.EncodeToString(sums[1].Sum(nil))
		b.SHA512 = hex.EncodeToString(sums[2].Sum(nil))
	}
	return b, nil
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
