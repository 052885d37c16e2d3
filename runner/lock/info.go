package lock

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Info describes the holder of a lock, for messages. The holder writes it, so it may be
// missing or out of date, and all its fields are optional. The holder of an exclusive
// lock writes it into the lock's own file, and the holder of a shared lock into a file
// beside it.
type Info struct {
	Key   string    `json:"key,omitempty"`
	Mode  Mode      `json:"mode,omitempty"`
	PID   int       `json:"pid,omitempty"`
	Run   string    `json:"run,omitempty"`
	Task  string    `json:"task,omitempty"`
	Since time.Time `json:"since,omitzero"`
	// Recovery says that the process is finishing another process's run.
	Recovery bool `json:"recovery,omitempty"`
	// Beginning says that the run is not in the journal yet (see [Lock.Begun]).
	Beginning bool `json:"beginning,omitempty"`
}

// String names the holder as far as it is known.
func (i Info) String() string {
	var parts []string
	switch {
	case i.Run != "" && i.Recovery:
		parts = append(parts, "the recovery of run "+i.Run)
	case i.Run != "":
		parts = append(parts, "run "+i.Run)
	}
	if i.Task != "" {
		parts = append(parts, "task "+i.Task)
	}
	if i.PID != 0 {
		parts = append(parts, fmt.Sprintf("process %d", i.PID))
	}
	if !i.Since.IsZero() {
		parts = append(parts, "since "+i.Since.Format(time.RFC3339))
	}
	if len(parts) == 0 {
		return "an unknown process"
	}
	return strings.Join(parts, ", ")
}

const (
	noteSuffix = ".holder"
	noteLimit  = 64 << 10 // bytes
)

// note is what the lock's own file, or a file beside it, says about a holder.
type note struct {
	path string
	info Info
}

// tell writes the description of a holder over the content of a file. Readers use the
// first value only. A failure costs a message, not the lock, so callers may ignore the
// error.
func tell(file *os.File, info Info) error {
	b, err := json.Marshal(info)
	if err == nil {
		_, err = file.WriteAt(b, 0)
	}
	return err
}

// told reads a description that tell has written. It returns an empty one if it cannot
// be read.
func told(r io.Reader) (info Info) {
	if json.NewDecoder(r).Decode(&info) != nil {
		return Info{}
	}
	return info
}

// newNote writes the note of a shared holder beside the lock.
func newNote(base string, info Info) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Dir(base), filepath.Base(base)+".*"+noteSuffix) // mode 0600
	if err != nil {
		return nil, err
	}
	if err := tell(f, info); err != nil {
		return nil, errors.Join(err, os.Remove(f.Name()), f.Close())
	}
	return f, nil
}

// readNotes reads the notes about the holders of a lock, the newest first. It leaves
// out notes that cannot be read, because they are just being written, and notes that
// were taken back.
func readNotes(base string) []note {
	paths, err := filepath.Glob(globEscape(base) + ".*" + noteSuffix)
	if err != nil {
		return nil
	}
	var notes []note
	for _, p := range append(paths, base+lockSuffix) {
		f, err := os.Open(p)
		if err != nil {
			continue
		}
		n := note{path: p, info: told(f)}
		f.Close()
		if n.info.Mode == Exclusive || n.info.Mode == Shared && p != base+lockSuffix {
			notes = append(notes, n)
		}
	}
	slices.SortFunc(notes, func(a, b note) int { return b.info.Since.Compare(a.info.Since) })
	return notes
}

// holder returns the most likely holder of a lock that is held: the newest note of a
// live process, or else the newest note.
func holder(key, base string) Info {
	notes := readNotes(base)
	for _, n := range notes {
		if n.info.PID > 0 && !errors.Is(unix.Kill(n.info.PID, 0), unix.ESRCH) {
			return n.info
		}
	}
	if len(notes) > 0 {
		return notes[0].info
	}
	return Info{Key: key}
}

// removeNotes removes all notes beside a lock.
func removeNotes(base string) error {
	paths, errs := filepath.Glob(globEscape(base) + ".*" + noteSuffix)
	for _, p := range paths {
		if err := os.Remove(p); !errors.Is(err, fs.ErrNotExist) {
			errs = errors.Join(errs, err)
		}
	}
	return errs
}

func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
