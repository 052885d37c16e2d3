package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A marker beside the journal shows that the journal was made. Without it, an
// emptied or removed journal would look like that of a new state directory, and
// dprun would forget everything that must be undone.
const markerSuffix = ".made"

// mark reports whether a journal was made at this path before.
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

// empty reports whether a file is missing or has no bytes.
func empty(path string) bool {
	info, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0
}

// lost is the error for a journal that was made at this path and is gone.
func lost(path string) *Error {
	return &Error{Doing: "open it", Path: path, Kind: ErrLost, Err: fmt.Errorf("%s shows that it was made, and now it is empty, removed or without its -wal file", path+markerSuffix),
		Remedy: "`dprun recover` brings back what the pending files name; look at the gateways of your plans (show domains); restore the journal from a copy, " +
			"or begin a new one with `dprun recover --ack journal`"}
}

// Restart renames what is left of a lost journal, and begins a new one. aside is
// the suffix of the renamed files.
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
	if j, err = Open(abs); err != nil {
		return nil, aside, err
	}
	// The numbers of its news begin above those of any journal before it, so that a
	// follower who comes with one of those is told of the gap.
	err = j.exec(context.Background(), "number the news anew", "INSERT INTO feed (last, n, run, kind, body) SELECT ?, 1, '', ?, '' WHERE NOT EXISTS (SELECT 1 FROM feed)", now.UnixMilli(), NewsGap)
	if err != nil {
		return nil, aside, errors.Join(err, j.Close())
	}
	return j, aside, nil
}
