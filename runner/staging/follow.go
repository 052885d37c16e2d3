package staging

import (
	"context"
	"crypto/sha256"
	"hash"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// followAfter is how long most small captures take.
	followAfter = 200 * time.Millisecond
	// followEvery is how often new bytes are looked for.
	followEvery = 50 * time.Millisecond
	// followFrom is the size from which following a file pays.
	followFrom = 4 << 20
	// followAtMost bounds the open files of one capture.
	followAtMost = 32
)

// follower reads large files while a plugin writes them. It hashes new bytes,
// and tells the kernel to start writing them to the disk, so that little is left
// to hash and to sync when the plugin is done. It is only an optimisation: its
// result is used only if it gives the claimed hash (see digest), and an error
// just ends the following of that file.
type follower struct {
	root  *os.Root
	first *time.Timer
	stop  context.CancelFunc
	done  chan struct{}
	files []*followed
}

// followed is one file that is being written: its first at bytes are in hash.
type followed struct {
	file *os.File
	info fs.FileInfo
	hash hash.Hash
	at   int64
}

func follow(root *os.Root) *follower {
	ctx, stop := context.WithCancel(context.Background())
	f := &follower{root: root, stop: stop, done: make(chan struct{})}
	f.first = time.AfterFunc(followAfter, func() {
		defer close(f.done)
		tick := time.NewTicker(followEvery)
		defer tick.Stop()
		for {
			f.discover(".", 0)
			for _, known := range f.files {
				known.read(ctx)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return f
}

// end stops the follower, waits for it and hands over its files. Later calls give none.
func (f *follower) end() []*followed {
	f.stop()
	if f.first.Stop() {
		close(f.done)
	}
	<-f.done
	files := f.files
	f.files = nil
	return files
}

func closeAll(files []*followed) {
	for _, f := range files {
		f.file.Close()
	}
}

// discover opens large files that are not followed yet.
func (f *follower) discover(dir string, depth int) {
	entries, err := readDir(f.root, dir)
	if err != nil || depth > maxDepth {
		return
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if e.IsDir() {
			f.discover(name, depth+1)
			continue
		}
		if !e.Type().IsRegular() || len(f.files) >= followAtMost {
			continue
		}
		if info, err := f.root.Lstat(name); err == nil && info.Mode().IsRegular() && info.Size() >= followFrom && !f.knows(info) {
			f.open(name)
		}
	}
}

func (f *follower) open(name string) {
	file, err := f.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		file.Close()
		return
	}
	f.files = append(f.files, &followed{file: file, info: info, hash: sha256.New()})
}

func (f *follower) knows(info fs.FileInfo) bool {
	return slices.ContainsFunc(f.files, func(known *followed) bool { return os.SameFile(known.info, info) })
}

// read hashes what is new.
func (f *followed) read(ctx context.Context) {
	from := f.at
	f.at, _ = hashFrom(ctx, f.hash, f.file, f.at)
	if f.at > from {
		startWriting(f.file, from, f.at-from)
	}
}
