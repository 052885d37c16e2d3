package file

import (
	"maps"
	"path"
	"sync"
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
			maps.DeleteFunc(d.names, func(_ string, n *names) bool { return n.kept() })
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
		n.mu.Lock()
		if n.made <= n.lost { // none yet, or it has failed: another sync is asked for
			n.made++
		}
		out = append(out, upTo{at, n, n.made, n.own})
		n.mu.Unlock()
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

// names are those in one directory. Their making and the syncs are counted, so that one sync does for
// all names that were made before it began, whoever has it made.
type names struct {
	syncing sync.Mutex

	mu      sync.Mutex
	own     bool // this process has made one
	made    int  // the last one
	durable int  // all up to this one are
	lost    int  // the last one that a failed sync was to make durable; none up to it is sure to be
	err     error
}

// making numbers a name that has been made just now.
func (n *names) making() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.own = true
	n.made++
}

// kept reports whether all are durable.
func (n *names) kept() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.durable == n.made
}

// keep makes names durable, by a sync that begins after they were made. The error of a sync is
// that of all who relied on it: the next one may not be told of it.
func (n *names) keep(last int, sync func() error) error {
	n.syncing.Lock()
	defer n.syncing.Unlock()
	n.mu.Lock()
	durable, lost, made := n.durable, n.lost, n.made
	n.mu.Unlock()
	switch {
	case last <= lost:
		return n.err
	case last <= durable:
		return nil
	}
	err := sync()
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil {
		n.lost, n.err = made, err
	} else {
		n.durable = made
	}
	return err
}
