package file

import (
	"maps"
	"path"
	"sync"
	"sync/atomic"

	"github.com/dprun/dprun/sdk/dirsync"
)

// directories are the directories in which names were made. Concurrent stores share
// the sync of a directory above theirs.
type directories struct {
	mu    sync.Mutex
	names map[string]*names
}

// most bounds the remembered directories whose names are all durable. A directory that
// is forgotten is synced once more.
const most = 4096

func (d *directories) of(dir string) *names {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.names[dir]
	if n == nil {
		if len(d.names) >= most {
			maps.DeleteFunc(d.names, func(_ string, n *names) bool { return n.Durable() })
		}
		if d.names == nil {
			d.names = map[string]*names{}
		}
		n = &names{}
		d.names[dir] = n
	}
	return n
}

// above returns the directories above dir, the nearest first. Their present names must still be made
// durable, including those of another process if this process has not synced the directory yet.
func (d *directories) above(dir string) (out []upTo) {
	for at := dir; at != "."; {
		at = path.Dir(at)
		n := d.of(at)
		last := n.Last()
		out = append(out, upTo{at, n, last, n.own.Load()})
	}
	return out
}

// upTo is a name in a directory, with all names that were made there before.
type upTo struct {
	dir   string
	names *names
	last  int
	made  bool // by this process
}

// names are the names in one directory.
type names struct {
	dirsync.Names
	own atomic.Bool // this process has made one
}

// making counts a name that was made just now.
func (n *names) making() {
	n.own.Store(true)
	n.Made()
}
