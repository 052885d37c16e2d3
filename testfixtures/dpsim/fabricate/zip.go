package fabricate

import (
	"archive/zip"
	"encoding/binary"
	"io"
	"time"
)

// entry is one member of an archive and, if uri is set, one row of the
// files list of export.xml.
type entry struct {
	name     string // in the zip; empty: listed only
	dir      bool
	uri      string
	location string
	internal bool
	note     string // "missing" or "key": listed without a hash
	badHash  bool
	stored   bool // not deflated, mode 0644: an archive in an archive
	payload  payload
}

// made is the fixed modification time of everything fabricated, so that equal
// input gives equal bytes.
var made = time.Date(2025, 11, 3, 16, 56, 14, 0, time.UTC)

// extra is what Info-ZIP adds to entries: time stamps and owner, 24 bytes.
func extra() []byte {
	b := make([]byte, 0, 24)
	b = append(b, 'U', 'T', 5, 0, 1)
	b = binary.LittleEndian.AppendUint32(b, uint32(made.Unix()))
	b = append(b, 'u', 'x', 11, 0, 1)
	b = append(b, 4, 0, 0, 0, 0)
	return append(b, 4, 0, 0, 0, 0)
}

const (
	extraLen     = 24
	localHeader  = 30 + extraLen
	centralEntry = 46 + extraLen
	endRecord    = 22
	zip64Records = 76
)

// zipSize is the exact size of the archive that writeZip makes of entries.
func zipSize(entries []entry) int64 {
	var body, central int64
	n := 0
	for _, e := range entries {
		if e.name == "" {
			continue
		}
		n++
		body += localHeader + int64(len(e.name)) + e.payload.packedSize()
		central += centralEntry + int64(len(e.name))
	}
	total := body + central + endRecord
	if n >= 1<<16-1 || body >= 1<<32-1 || central >= 1<<32-1 {
		total += zip64Records
	}
	return total
}

// writeZip writes the archive in one forward pass. setgid gives directories
// that bit, as new firmware does.
func writeZip(w io.Writer, entries []entry, setgid bool) error {
	z := zip.NewWriter(w)
	for _, e := range entries {
		if e.name == "" {
			continue
		}
		h := &zip.FileHeader{Name: e.name, CreatorVersion: 3<<8 | 30, ReaderVersion: 20, Extra: extra()}
		//lint:ignore SA1019 CreateRaw writes these fields as they are and does not look at Modified
		h.ModifiedDate, h.ModifiedTime = dosTime(made)
		if e.dir {
			h.ReaderVersion = 10
			h.ExternalAttrs = 0o040755<<16 | 0x10
			if setgid {
				h.ExternalAttrs = 0o042755<<16 | 0x10
			}
		} else if e.stored {
			h.ReaderVersion = 10
			h.Method = zip.Store
			h.ExternalAttrs = 0o100644 << 16
			h.CRC32 = e.payload.crc
			h.CompressedSize64, h.UncompressedSize64 = uint64(e.payload.size), uint64(e.payload.size)
		} else {
			h.Method = zip.Deflate
			h.ExternalAttrs = 0o100600 << 16
			h.CRC32 = e.payload.crc
			h.CompressedSize64 = uint64(e.payload.packedSize())
			h.UncompressedSize64 = uint64(e.payload.size)
		}
		body, err := z.CreateRaw(h)
		if err != nil {
			return err
		}
		if e.dir {
			continue
		}
		if err := e.payload.write(body); err != nil {
			return err
		}
	}
	return z.Close()
}

func dosTime(t time.Time) (date, clock uint16) {
	date = uint16(t.Day() + int(t.Month())<<5 + (t.Year()-1980)<<9)
	clock = uint16(t.Second()/2 + t.Minute()<<5 + t.Hour()<<11)
	return date, clock
}
