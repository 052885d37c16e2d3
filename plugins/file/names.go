package file

import (
	"maps"
	"path"
	"sync"
	"sync/atomic"

	"github.com/dprun/dprun/sdk/dirsync"
)

// directories are those that names were made in, so that stores of one moment share
// the sync of a directory that is above theirs.
type directories struct {
	mu    sync.Mutex
	names map[string]*names
}

// most bounds how many directories are remembered whose names are durable: of one that
// is not, one more sync is asked for.
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

// above gives the directories above one, the nearest first. Their names up to now are still to be
// made durable, those of another process too where this one has not synced the directory yet.
func (d *directories) above(dir string) (out []upTo) {
	for at := dir; at != "."; {
		at = path.Dir(at)
		n := d.of(at)
		last := n.Last()
		out = append(out, upTo{at, n, last, n.own.Load()})
	}
	return out
}

// upTo is one name of a directory and all that were made in it before.
type upTo struct {
	dir   string
	names *names
	last  int
	made  bool // by this process
}

// names are those in one directory.
type names struct {
	dirsync.Names
	own atomic.Bool // this process has made one
}

// making counts a name that has been made just now.
func (n *names) making() {
	n.own.Store(true)
	n.Made()
}
