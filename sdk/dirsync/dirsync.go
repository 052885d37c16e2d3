// Package dirsync shares the syncs that make names in a directory durable. The making of names and the
// syncs are counted, so that one sync does for all names that were made before it began, whoever has it made.
package dirsync

import "sync"

// Names are those in one directory. The zero value has none. Its methods may be called concurrently.
type Names struct {
	syncing sync.Mutex

	mu      sync.Mutex
	made    int // the last one
	durable int // all up to this one are
	lost    int // the last one that a failed sync was to make durable; none up to it is sure to be
	err     error
}

// Made numbers a name that has been made just now.
func (n *Names) Made() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.made++
	return n.made
}

// Last is the number of the last name. Where none was made, or a sync of the last one has failed, it
// is a new number, for which there will be another sync: another process may have made names.
func (n *Names) Last() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.made <= n.lost {
		n.made++
	}
	return n.made
}

// Durable reports whether all names are.
func (n *Names) Durable() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.durable == n.made
}

// Keep makes the names up to a number durable, by a sync that begins after they were made. The error
// of a sync is that of all who relied on it: the kernel may not tell the next one of it.
func (n *Names) Keep(last int, sync func() error) error {
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
