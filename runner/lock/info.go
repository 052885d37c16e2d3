package lock

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Info says who holds a lock, for messages. It is written by the holder and
// may be missing or out of date; all its fields are optional.
type Info struct {
	Key   string    `json:"key,omitempty"`
	Mode  Mode      `json:"mode,omitempty"`
	PID   int       `json:"pid,omitempty"`
	Run   string    `json:"run,omitempty"`
	Task  string    `json:"task,omitempty"`
	Since time.Time `json:"since,omitzero"`
	// Recovery is true for a process that finishes the run of another one.
	Recovery bool `json:"recovery,omitempty"`
	// Beginning is true for a run that is not in the journal yet: see [Lock.Begun].
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

const noteSuffix = ".holder"

// note is a holder's Info in a file of its own beside the lock.
type note struct {
	path string
	info Info
}

// writeNote leaves a new note. A note that cannot be written costs a message,
// not the lock, so the error may be ignored.
func writeNote(base string, info Info) (string, error) {
	b, err := json.Marshal(info)
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Dir(base), filepath.Base(base)+".*"+noteSuffix) // mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(b)
	return f.Name(), errors.Join(err, f.Close())
}

// readNotes reads the notes beside a lock, the newest first. What cannot be
// read (a note just being written) is left out.
func readNotes(base string) []note {
	paths, err := filepath.Glob(globEscape(base) + ".*" + noteSuffix)
	if err != nil {
		return nil
	}
	var notes []note
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			continue
		}
		n := note{path: p}
		if json.Unmarshal(b, &n.info) == nil {
			notes = append(notes, n)
		}
	}
	slices.SortFunc(notes, func(a, b note) int { return b.info.Since.Compare(a.info.Since) })
	return notes
}

// holder is the likeliest holder of a lock that is held: the newest note of a
// process that is there, else the newest note.
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

// removeNotes removes notes; one that is gone already is fine.
func removeNotes(notes []note) error {
	var errs []error
	for _, n := range notes {
		if err := os.Remove(n.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
