// Package dirsync shares the syncs that make names in a directory durable. One sync serves all names that
// were made before it began, no matter who made them or who waits for it.
package dirsync

import "sync"

// Names are the names in one directory. The zero value holds none. Its methods may be called
// concurrently.
type Names struct {
	syncing sync.Mutex

	mu      sync.Mutex
	made    int // number of the last name
	durable int // names up to this number are durable
	lost    int // number of the last name that a failed sync covered; no name up to it is sure to be durable
	err     error
}

// Made returns the number of a name that was made just now.
func (n *Names) Made() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.made++
	return n.made
}

// Last returns the number of the last name. If none was made, or if a sync of the last one has
// failed, it returns a new number, so that there will be another sync: another process may have made
// names.
func (n *Names) Last() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.made <= n.lost {
		n.made++
	}
	return n.made
}

// Durable reports whether all names are durable.
func (n *Names) Durable() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.durable == n.made
}

// Keep makes the names up to a number durable, by a sync that begins after they were made. If that
// sync fails, everybody who relied on it gets the error: the kernel may not report it to the next
// sync.
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
