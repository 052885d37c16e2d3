package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A marker stands beside a journal that was made. Without it an emptied or
// removed journal would look like that of a new state directory, and everything
// that it knew to be owed would be forgotten.
const markerSuffix = ".made"

// mark reports whether the journal of a path was made before.
func mark(path string) (bool, error) {
	_, err := os.Lstat(path + markerSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// setMark makes the marker durable.
func setMark(path string) error {
	f, err := os.OpenFile(path+markerSuffix, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), syncDir(path))
}

// empty reports whether a file holds no journal.
func empty(path string) bool {
	info, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0
}

// lost says that a journal was made here, and is gone.
func lost(path string) *Error {
	return &Error{Doing: "open it", Path: path, Kind: ErrLost, Err: fmt.Errorf("%s says that it was made, and it is empty, was removed or has lost its -wal file", path+markerSuffix),
		Remedy: "`dprun recover` brings back what the pending files name; look at the gateways of your plans (show domains); restore the journal from a copy, " +
			"or begin a new one with `dprun recover --ack journal`"}
}

// Restart puts what is left of a lost journal aside, under names that end in
// aside, and begins a new one.
func Restart(path string, now time.Time) (j *Journal, aside string, err error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, "", fmt.Errorf("begin journal %s anew: %w", path, err)
	}
	aside = ".lost-" + now.UTC().Format("20060102T150405Z")
	for _, s := range []string{"", "-wal", "-shm", markerSuffix} {
		if err := os.Rename(abs+s, abs+s+aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, "", explain("put it aside", abs, err)
		}
	}
	j, err = Open(abs)
	return j, aside, err
}
