package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

const (
	sigLocal      = 0x04034b50
	sigCentral    = 0x02014b50
	sigEnd        = 0x06054b50
	sigEnd64      = 0x06064b50
	sigLocator64  = 0x07064b50
	sigDescriptor = 0x08074b50

	localSize     = 30
	centralSize   = 46
	endSize       = 22
	end64Size     = 56
	locator64Size = 20

	flagEncrypted  = 1 << 0
	flagDescriptor = 1 << 3

	methodStored  = 0
	methodDeflate = 8

	// The directory is held in memory, so its claims are bounded: far above any domain, far below any memory.
	maxDirectory = 64 << 20
	maxEntries   = 500_000
	maxName      = 4096

	// maxRatio is the highest ratio that DEFLATE can reach. An entry that claims
	// more lies.
	maxRatio = 1032
	// maxInflation and inflationFloor bound the claims of all entries of an archive together.
	maxInflation   = 200
	inflationFloor = 1 << 30
)

// entry is one record of the central directory.
type entry struct {
	name     string
	crc      uint32
	modified uint32
	method   uint16
	flags    uint16
	packed   int64 // compressed size
	size     int64
	offset   int64 // of the local header
	bound    int64 // offset at which the next entry or the directory starts
	skip     bool  // its records are so wrong that reading it is pointless
}

func (e *entry) dir() bool { return strings.HasSuffix(e.name, "/") }

// zipFile is an open archive. label prefixes the names of its entries in findings.
type zipFile struct {
	label   string
	r       io.ReaderAt
	size    int64
	entries []entry
	byName  map[string]int
}

func (z *zipFile) path(name string) string { return z.label + name }

// lookup returns the entry of a listed file.
func (z *zipFile) lookup(src string) (int, bool) {
	if i, ok := z.byName[src]; ok {
		return i, true
	}
	i, ok := z.byName[sourceName(src)]
	return i, ok
}

// openZip reads the central directory and checks that its records fit together.
// It records what is wrong, and returns an error only if reading fails. An
// archive without a directory that can be found has no entries.
func openZip(rec *recorder, label string, r io.ReaderAt, size int64) (*zipFile, error) {
	z := &zipFile{label: label, r: r, size: size, byName: map[string]int{}}
	whole := strings.TrimSuffix(label, "/")
	end, err := findEnd(r, size)
	var bad *structureError
	if errors.As(err, &bad) {
		rec.add(Problem, CodeStructure, whole, "%s", bad.text)
		return z, nil
	}
	if err != nil {
		return nil, err
	}
	if end.trailing > 0 {
		rec.add(Problem, CodeTrailing, whole, "%d bytes follow the end of the archive, where a gateway writes none", end.trailing)
	}
	start := end.at - end.size
	shift := start - end.offset
	if shift != 0 {
		rec.add(Problem, CodeStructure, whole, "the central directory is %d bytes away from where the archive says it is: bytes were lost or added", shift)
	}
	if err := z.readEntries(rec, whole, start, end); err != nil {
		return nil, err
	}
	if len(z.entries) == 0 && end.count == 0 {
		rec.add(Problem, CodeEmpty, whole, "the archive has no entries: nothing was exported")
	}
	z.checkLayout(rec, whole, start, shift)
	return z, nil
}

// structureError is a finding about the whole archive.
type structureError struct{ text string }

func (e *structureError) Error() string { return e.text }

// endRecord holds the end of central directory record, including its zip64 form.
type endRecord struct {
	at       int64 // offset at which the directory must end
	size     int64
	offset   int64
	count    int64
	trailing int64
}

func findEnd(r io.ReaderAt, size int64) (endRecord, error) {
	if size == 0 {
		return endRecord{}, &structureError{"the file is empty"}
	}
	tail := make([]byte, min(size, endSize+0xffff))
	base := size - int64(len(tail))
	if err := readAt(r, tail, base); err != nil {
		return endRecord{}, err
	}
	for i := len(tail) - endSize; i >= 0; i-- {
		b := tail[i:]
		if binary.LittleEndian.Uint32(b) != sigEnd {
			continue
		}
		rest := len(b) - endSize - int(binary.LittleEndian.Uint16(b[20:]))
		if rest < 0 {
			continue
		}
		e := endRecord{
			at:       base + int64(i),
			count:    int64(binary.LittleEndian.Uint16(b[10:])),
			size:     int64(binary.LittleEndian.Uint32(b[12:])),
			offset:   int64(binary.LittleEndian.Uint32(b[16:])),
			trailing: int64(rest),
		}
		if e.count == 0xffff || e.size == 0xffffffff || e.offset == 0xffffffff {
			if err := e.readZip64(r); err != nil {
				return e, err
			}
		}
		if e.size < 0 || e.size > e.at {
			return e, &structureError{"the central directory is larger than the archive: the archive is damaged"}
		}
		if e.size > maxDirectory {
			return e, &structureError{fmt.Sprintf("the central directory has %d bytes, more than the %d that dprun reads", e.size, maxDirectory)}
		}
		return e, nil
	}
	if size >= 4 {
		var head [4]byte
		if err := readAt(r, head[:], 0); err != nil {
			return endRecord{}, err
		}
		if binary.LittleEndian.Uint32(head[:]) == sigLocal {
			return endRecord{}, &structureError{"the end of the archive is missing: it was cut short"}
		}
	}
	return endRecord{}, &structureError{"this is not a zip archive"}
}

func (e *endRecord) readZip64(r io.ReaderAt) error {
	if e.at < locator64Size+end64Size {
		return nil
	}
	var loc [locator64Size]byte
	if err := readAt(r, loc[:], e.at-locator64Size); err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(loc[:]) != sigLocator64 {
		return nil
	}
	at := int64(binary.LittleEndian.Uint64(loc[8:]))
	if at < 0 || at > e.at-locator64Size-end64Size {
		return &structureError{"the zip64 end record is not where the archive says it is: the archive is damaged"}
	}
	var b [end64Size]byte
	if err := readAt(r, b[:], at); err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(b[:]) != sigEnd64 {
		return &structureError{"the zip64 end record is damaged"}
	}
	e.at = at
	e.count = int64(binary.LittleEndian.Uint64(b[32:]))
	e.size = int64(binary.LittleEndian.Uint64(b[40:]))
	e.offset = int64(binary.LittleEndian.Uint64(b[48:]))
	return nil
}

func (z *zipFile) readEntries(rec *recorder, whole string, start int64, end endRecord) error {
	dir := make([]byte, end.size)
	if err := readAt(z.r, dir, start); err != nil {
		return err
	}
	for len(dir) > 0 {
		if len(dir) < centralSize || binary.LittleEndian.Uint32(dir) != sigCentral {
			rec.add(Problem, CodeStructure, whole, "the central directory is damaged after %d entries", len(z.entries))
			break
		}
		if len(z.entries) == maxEntries {
			rec.add(Problem, CodeLimit, whole, "the archive has more than %d entries", maxEntries)
			break
		}
		nameLen := int(binary.LittleEndian.Uint16(dir[28:]))
		extraLen := int(binary.LittleEndian.Uint16(dir[30:]))
		next := centralSize + nameLen + extraLen + int(binary.LittleEndian.Uint16(dir[32:]))
		if next > len(dir) {
			rec.add(Problem, CodeStructure, whole, "the central directory is damaged after %d entries", len(z.entries))
			break
		}
		e := entry{
			name:     string(dir[centralSize : centralSize+min(nameLen, maxName)]),
			flags:    binary.LittleEndian.Uint16(dir[8:]),
			method:   binary.LittleEndian.Uint16(dir[10:]),
			modified: binary.LittleEndian.Uint32(dir[12:]),
			crc:      binary.LittleEndian.Uint32(dir[16:]),
			packed:   int64(binary.LittleEndian.Uint32(dir[20:])),
			size:     int64(binary.LittleEndian.Uint32(dir[24:])),
			offset:   int64(binary.LittleEndian.Uint32(dir[42:])),
		}
		zip64Sizes(dir[centralSize+nameLen:][:extraLen], &e.size, &e.packed, &e.offset)
		if nameLen > maxName {
			rec.add(Problem, CodeName, z.path(e.name), "the name has %d bytes", nameLen)
			e.skip = true
		}
		z.entries = append(z.entries, e)
		dir = dir[next:]
	}
	// Writers without zip64 count entries modulo 65536.
	if int64(len(z.entries))&0xffff != end.count&0xffff {
		rec.add(Problem, CodeStructure, whole, "the archive says that it has %d entries, its directory lists %d", end.count, len(z.entries))
	}
	return nil
}

// zip64Sizes replaces the values that are marked as being in the zip64 extra field, in the field's order.
func zip64Sizes(extra []byte, values ...*int64) {
	for len(extra) >= 4 {
		id, n := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if n > len(extra)-4 {
			return
		}
		if field := extra[4 : 4+n]; id == 1 {
			for _, v := range values {
				if *v != 0xffffffff {
					continue
				}
				if len(field) < 8 {
					return
				}
				*v = int64(binary.LittleEndian.Uint64(field))
				field = field[8:]
			}
			return
		}
		extra = extra[4+n:]
	}
}

// checkLayout checks names, claims and positions of the entries, and prepares lookup.
func (z *zipFile) checkLayout(rec *recorder, whole string, start, shift int64) {
	order := make([]*entry, len(z.entries))
	var claimed int64
	for i := range z.entries {
		e := &z.entries[i]
		order[i] = e
		e.offset += shift
		e.bound = start
		p := z.path(e.name)
		if why := unsafeName(e.name); why != "" {
			rec.add(Problem, CodeName, p, "%s", why)
		}
		if _, twice := z.byName[e.name]; twice {
			rec.add(Problem, CodeStructure, p, "the archive holds two entries of this name")
		} else {
			z.byName[e.name] = i
		}
		switch {
		case e.size < 0 || e.packed < 0 || e.offset < 0 || e.offset > start-localSize || e.packed > start-localSize-e.offset:
			rec.add(Problem, CodeStructure, p, "the directory places it outside the archive")
			e.skip = true
		case e.method == methodStored && e.size != e.packed:
			rec.add(Problem, CodeSize, p, "it is stored uncompressed, but has sizes %d and %d", e.size, e.packed)
			e.skip = true
		case e.size > maxRatio*(e.packed+1):
			rec.add(Problem, CodeSize, p, "it claims to inflate from %d to %d bytes, which is impossible", e.packed, e.size)
			e.skip = true
		default:
			claimed = min(claimed+min(e.size, 1<<60), 1<<61)
		}
	}
	if claimed > inflationFloor && claimed/maxInflation > z.size {
		rec.add(Problem, CodeLimit, whole, "the entries claim to inflate to %d bytes, more than %d times the archive: they were not read", claimed, maxInflation)
		for i := range z.entries {
			z.entries[i].skip = true
		}
	}
	slices.SortFunc(order, func(a, b *entry) int {
		switch {
		case a.offset < b.offset:
			return -1
		case a.offset > b.offset:
			return 1
		}
		return 0
	})
	for i, e := range order {
		if i == 0 && e.offset > 0 {
			rec.add(Warning, CodeStructure, whole, "%d bytes precede the first entry", e.offset)
		}
		if i+1 < len(order) && !order[i+1].skip {
			e.bound = order[i+1].offset
		}
	}
}

// readError is an error of the medium, not of the archive.
type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// readAt fills p. If the source is shorter than its size said, that is a read error.
func readAt(r io.ReaderAt, p []byte, at int64) error {
	n, err := r.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	if err == io.EOF || err == nil {
		err = io.ErrUnexpectedEOF
	}
	return &readError{err}
}
