package fabricate

import (
	"hash/crc32"
	"io"
	"math/rand/v2"
)

// Inner is one domain's archive inside a backup.
type Inner struct {
	Domain string
	Size   int64
	Open   func() io.Reader
}

// WriteBackup writes a multi-domain backup: an outer archive with one dp-aux
// for all, and one archive per domain whose export.xml lists those dp-aux
// files without holding them.
func (f *Factory) WriteBackup(w io.Writer, d Device, user, comment string, inner []Inner, flaw Flaw) error {
	if flaw.NoEntries {
		return writeZip(w, nil)
	}
	entries := append([]entry(nil), f.aux()...)
	var names []string
	for _, in := range inner {
		names = append(names, in.Domain)
		sum := crc32.NewIEEE()
		if _, err := io.Copy(sum, in.Open()); err != nil {
			return err
		}
		entries = append(entries, entry{name: in.Domain + ".zip", payload: payload{
			size: in.Size, crc: sum.Sum32(),
			from: &storedReader{r: in.Open(), left: in.Size}, packed: storedSize(in.Size),
		}})
	}
	entries = append(entries, entry{name: "export.xml", payload: deflate(backupXML(d, user, comment, names, flaw))})
	return flaw.write(w, entries)
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
