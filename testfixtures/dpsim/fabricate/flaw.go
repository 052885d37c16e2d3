package fabricate

import (
	"bytes"
	"io"
)

// Flaw says what is wrong with an archive on purpose; the zero value: nothing.
type Flaw struct {
	NoEntries bool  // a zip file that holds nothing, of 22 bytes
	EmptyRoot bool  // export.xml has its root element alone
	NoDetails bool  // export.xml lacks export-details
	NoFiles   bool  // export.xml lacks the list of files
	Trailing  int64 // so many bytes follow the archive's end
}

func (f Flaw) write(w io.Writer, entries []entry, setgid bool) error {
	if err := writeZip(w, entries, setgid); err != nil {
		return err
	}
	_, err := w.Write(bytes.Repeat([]byte{0x55}, int(f.Trailing)))
	return err
}
