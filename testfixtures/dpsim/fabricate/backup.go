package fabricate

import (
	"hash/crc32"
	"io"
	"math/rand/v2"
	"time"
)

// Inner is one domain's archive inside a backup.
type Inner struct {
	Domain string
	Size   int64
	Open   func() io.Reader
}

// Backup says what a multi-domain backup is of.
type Backup struct {
	Device  Device
	User    string
	Comment string
	Time    time.Time // as of an export
	Inner   []Inner
	Flaw    Flaw
}

// WriteBackup writes a multi-domain backup: an outer archive with one dp-aux
// for all, and one archive per domain whose export.xml lists those dp-aux
// files without holding them.
func (f *Factory) WriteBackup(w io.Writer, b Backup) error {
	if b.Flaw.NoEntries {
		return writeZip(w, nil, false)
	}
	var entries []entry
	var names []string
	for _, in := range b.Inner {
		names = append(names, in.Domain)
		sum := crc32.NewIEEE()
		if _, err := io.Copy(sum, in.Open()); err != nil {
			return err
		}
		nested := entry{name: in.Domain + ".zip", stored: true, payload: payload{size: in.Size, crc: sum.Sum32(), from: in.Open(), packed: in.Size}}
		if b.Device.DeflateNested {
			nested.stored = false
			nested.payload.from, nested.payload.packed = &storedReader{r: in.Open(), left: in.Size}, storedSize(in.Size)
		}
		entries = append(entries, nested)
	}
	if b.Device.Stores {
		entries = append(entries, f.aux()...)
	} else {
		entries = append(append([]entry(nil), f.aux()...), entries...)
	}
	entries = append(entries, entry{name: "export.xml", payload: deflate(backupXML(b.Device, b.User, b.Comment, b.Time, names, b.Flaw))})
	return b.Flaw.write(w, entries, b.Device.Stores)
}

// WriteSealed writes size bytes that look encrypted, as the files of a secure
// backup do, always the same ones for the same seed.
func WriteSealed(w io.Writer, seed uint64, size int64) error {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	_, err := io.CopyN(w, rand.NewChaCha8(key), size)
	return err
}
