package sftp

import (
	"sync"
	"time"
)

const (
	// stillThere is how long a directory that existed is assumed to exist. The
	// files of a set are stored right after each other.
	stillThere = 30 * time.Second
	// maxThere bounds the remembered directories.
	maxThere = 4096
	// plenty is room, in bytes, that need not be asked for again soon.
	plenty = 1 << 30
)

// there remembers directories that existed a moment ago, by their absolute
// names, and how much room they had.
type there struct {
	mu    sync.Mutex
	now   func() time.Time
	known map[string]place
}

type place struct {
	until       time.Time
	asked       bool // whether its room was asked for
	free, total int64
}

func newThere(now func() time.Time) *there { return &there{now: now, known: map[string]place{}} }

func (t *there) has(dir string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now().Before(t.known[dir].until)
}

func (t *there) add(dir string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.known) >= maxThere {
		clear(t.known)
	}
	t.known[dir] = place{until: t.now().Add(stillThere)}
}

func (t *there) remove(dir string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, dir)
}

// room returns the room in an existing directory, if it was asked for.
func (t *there) room(dir string) (free, total int64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.known[dir]
	return p.free, p.total, p.asked && t.now().Before(p.until)
}

func (t *there) setRoom(dir string, free, total int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p, ok := t.known[dir]; ok && free >= plenty { // otherwise somebody may free some meanwhile
		p.asked, p.free, p.total = true, free, total
		t.known[dir] = p
	}
}
