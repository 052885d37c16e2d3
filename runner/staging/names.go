package staging

import "sync"

// names are those in one directory. The making of names and the syncs are counted, so that one
// sync does for all names that were made before it began, whoever has it made.
type names struct {
	syncing sync.Mutex

	mu      sync.Mutex
	made    int // the last one
	durable int // all up to this one are
	lost    int // the last one that a failed sync was to make durable; none up to it is sure to be
	err     error
}

// making numbers a name that has been made just now.
func (n *names) making() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.made++
	return n.made
}

// keep makes a name durable by a sync that begins after it was made. The error of a sync is that
// of all who relied on it: the next one may not be told of it.
func (n *names) keep(name int, sync func() error) error {
	n.syncing.Lock()
	defer n.syncing.Unlock()
	n.mu.Lock()
	durable, lost, made := n.durable, n.lost, n.made
	n.mu.Unlock()
	switch {
	case name <= lost:
		return n.err
	case name <= durable:
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
