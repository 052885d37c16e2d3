package archive

import (
	"bytes"
	"context"
	"crypto/md5"  //nolint:gosec // a manifest may use it; it is compared, not trusted
	"crypto/sha1" //nolint:gosec // what the gateway lists
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"hash"
	"hash/crc32"
	"io"
)

// newHash returns the hash whose sums have n bytes, or nil.
func newHash(n int) hash.Hash {
	switch n {
	case md5.Size:
		return md5.New() //nolint:gosec // see the import
	case sha1.Size:
		return sha1.New() //nolint:gosec // see the import
	case sha256.Size:
		return sha256.New()
	case sha512.Size:
		return sha512.New()
	}
	return nil
}

// contents is the result of reading an entry to its end.
type contents struct {
	size int64
	sum  []byte // of the hash that was asked for
	read bool   // the entry was read to its end and matches its records
}

// readEntry reads an entry to its end and checks it against its records. In one
// pass it hands the bytes to extra and to the hash, if they are not nil. It
// records what is wrong. It returns an error of the medium, of the context or of
// extra.
func (z *zipFile) readEntry(ctx context.Context, rec *recorder, w *worker, i int, h hash.Hash, extra func([]byte) error, overlap bool) (contents, error) {
	e := &z.entries[i]
	if e.skip {
		return contents{}, nil
	}
	p := z.path(e.name)
	at, ok, err := z.localHeader(rec, w, e)
	if err != nil || !ok {
		return contents{}, err
	}
	var key memoKey
	useMemo := extra == nil && (h == nil || h == w.sha1) && w.memo.fits(e)
	if useMemo {
		if key, err = w.memo.keyOf(&medium{r: io.NewSectionReader(z.r, at, e.packed)}, w.buf); err != nil {
			return contents{}, err
		}
		if k, ok := w.memo.lookup(key, h != nil); ok && k.out == e.size && k.crc == e.crc && k.in == e.packed {
			rec.count(func(r *Report) { r.Uncompressed += k.out })
			return contents{size: k.out, sum: k.sha1, read: true}, nil
		}
	}
	sums := &summer{ctx: ctx, hash: h, extra: extra}
	defer sums.stop()
	overlap = overlap && h != nil && e.method == methodDeflate
	if overlap {
		sums.start()
	}
	src := &medium{r: io.NewSectionReader(z.r, at, e.packed)}
	var res passed
	switch e.method {
	case methodStored:
		res, err = copyStored(src, w.buf, sums.write)
	case methodDeflate:
		res, err = w.inflater.decode(src, e.size, sums.write, overlap)
	default:
		rec.add(Problem, CodeStructure, p, "it is packed with method %d, which gateways do not use", e.method)
		return contents{}, nil
	}
	sums.stop()
	rec.count(func(r *Report) { r.Uncompressed += res.out })
	out := contents{size: res.out}
	switch {
	case errors.Is(err, errLimit):
		rec.add(Problem, CodeContent, p, "it inflates to more than the %d bytes of its directory entry", e.size)
		return out, nil
	case errors.Is(err, errCorrupt), errors.Is(err, errTruncated):
		rec.add(Problem, CodeContent, p, "%v, after %d bytes of content", err, res.out)
		return out, nil
	case err != nil:
		return out, err
	case res.out != e.size:
		rec.add(Problem, CodeSize, p, "it holds %d bytes, its directory entry says %d", res.out, e.size)
		return out, nil
	case sums.crc != e.crc:
		rec.add(Problem, CodeContent, p, "its CRC-32 is %08x, its directory entry says %08x", sums.crc, e.crc)
		return out, nil
	case res.in != e.packed:
		rec.add(Problem, CodeContent, p, "its compressed data ends after %d of %d bytes", res.in, e.packed)
		return out, nil
	}
	if h != nil {
		out.sum = h.Sum(nil)
	}
	if useMemo {
		w.memo.remember(key, remembered{in: res.in, out: res.out, crc: sums.crc, sha1: out.sum})
	}
	out.read = true
	return out, nil
}

// medium marks read errors of the source, so that they are not taken for faults of the archive.
type medium struct{ r io.Reader }

func (m *medium) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if err != nil && err != io.EOF {
		err = &readError{err}
	}
	return n, err
}

func copyStored(src io.Reader, buf []byte, to sink) (passed, error) {
	var res passed
	for {
		n, err := src.Read(buf)
		if n > 0 {
			res.in += int64(n)
			res.out += int64(n)
			if err := to(buf[:n]); err != nil {
				return res, err
			}
		}
		if err == io.EOF {
			return res, nil
		}
		if err != nil {
			return res, err
		}
	}
}

// summer computes CRC-32 and a hash of the bytes that pass. After start, the hash runs in
// parallel to the decoder.
type summer struct {
	ctx   context.Context
	crc   uint32
	hash  hash.Hash
	extra func([]byte) error
	todo  chan []byte
	done  chan struct{}
	busy  bool
}

func (s *summer) start() {
	s.todo, s.done = make(chan []byte), make(chan struct{})
	go func() {
		for p := range s.todo {
			s.hash.Write(p)
			s.done <- struct{}{}
		}
		close(s.done)
	}()
}

// stop waits for the hash. It may be called more than once.
func (s *summer) stop() {
	if s.todo == nil {
		return
	}
	if s.busy {
		<-s.done
	}
	close(s.todo)
	<-s.done
	s.todo = nil
}

func (s *summer) write(p []byte) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if s.todo != nil {
		if s.busy {
			<-s.done
		}
		s.todo <- p
		s.busy = true
	} else if s.hash != nil {
		s.hash.Write(p)
	}
	s.crc = crc32.Update(s.crc, crc32.IEEETable, p)
	if s.extra != nil {
		return s.extra(p)
	}
	return nil
}

// localHeader checks the header in front of an entry's data against the directory and returns where the data
// starts.
func (z *zipFile) localHeader(rec *recorder, w *worker, e *entry) (int64, bool, error) {
	p := z.path(e.name)
	b := w.buf[:min(int64(localSize+len(e.name)+512), z.size-e.offset)]
	if err := readAt(z.r, b, e.offset); err != nil {
		return 0, false, err
	}
	if len(b) < localSize || binary.LittleEndian.Uint32(b) != sigLocal {
		rec.add(Problem, CodeStructure, p, "there is no header in front of its data")
		return 0, false, nil
	}
	nameLen, extraLen := int(binary.LittleEndian.Uint16(b[26:])), int(binary.LittleEndian.Uint16(b[28:]))
	if nameLen != len(e.name) || len(b) < localSize+nameLen || !bytes.Equal(b[localSize:localSize+nameLen], []byte(e.name)) {
		rec.add(Problem, CodeStructure, p, "the header in front of its data has another name")
		return 0, false, nil
	}
	flags := binary.LittleEndian.Uint16(b[6:])
	crc := binary.LittleEndian.Uint32(b[14:])
	packed, size := int64(binary.LittleEndian.Uint32(b[18:])), int64(binary.LittleEndian.Uint32(b[22:]))
	if extra := b[localSize+nameLen:]; len(extra) >= extraLen {
		zip64Sizes(extra[:extraLen], &size, &packed)
	}
	described := flags&flagDescriptor != 0
	switch {
	case (flags|e.flags)&flagEncrypted != 0:
		rec.add(Problem, CodeStructure, p, "it is marked as encrypted")
		return 0, false, nil
	case flags != e.flags, binary.LittleEndian.Uint16(b[8:]) != e.method,
		!described && (crc != e.crc || packed != e.packed || size != e.size):
		rec.add(Problem, CodeStructure, p, "the header in front of its data contradicts its directory entry")
	case binary.LittleEndian.Uint32(b[10:]) != e.modified:
		rec.add(Warning, CodeStructure, p, "the header in front of its data has another time than its directory entry")
	}
	at := e.offset + localSize + int64(nameLen) + int64(extraLen)
	gap := e.bound - at - e.packed
	switch {
	case gap < 0:
		rec.add(Problem, CodeStructure, p, "its data overlaps with what follows")
		return 0, false, nil
	case described && gap >= 12 && gap <= 24:
		tail := b[:gap]
		if err := readAt(z.r, tail, at+e.packed); err != nil {
			return 0, false, err
		}
		if !descriptorMatches(tail, e) {
			rec.add(Problem, CodeStructure, p, "the record after its data contradicts its directory entry")
		}
	case gap > 0:
		rec.add(Warning, CodeStructure, p, "%d bytes after its data belong to no entry", gap)
	}
	return at, true, nil
}

// descriptorMatches compares a data descriptor, with or without signature, with 4- or 8-byte sizes.
func descriptorMatches(b []byte, e *entry) bool {
	if len(b) == 16 || len(b) == 24 {
		if binary.LittleEndian.Uint32(b) != sigDescriptor {
			return false
		}
		b = b[4:]
	}
	switch len(b) {
	case 12:
		return binary.LittleEndian.Uint32(b) == e.crc && int64(binary.LittleEndian.Uint32(b[4:])) == e.packed&0xffffffff &&
			int64(binary.LittleEndian.Uint32(b[8:])) == e.size&0xffffffff
	case 20:
		return binary.LittleEndian.Uint32(b) == e.crc && int64(binary.LittleEndian.Uint64(b[4:])) == e.packed &&
			int64(binary.LittleEndian.Uint64(b[12:])) == e.size
	}
	return false
}
