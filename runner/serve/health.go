package serve

import (
	"fmt"
	"sync"
	"time"
)

// late is the time without a beat after which the scheduler counts as hanging.
const late = time.Minute

// Health is the state of a server, for anybody who asks over HTTP. Readers need no
// login, so it holds words and counts but no names.
type Health struct {
	mu        sync.Mutex
	beat      time.Time // of this machine's own clock
	loaded    bool
	broken    int
	recovered bool
	journal   bool
	stopping  bool
}

func (h *Health) set(change func(*Health)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h)
}

// Live reports whether the scheduler is moving.
func (h *Health) Live() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.beat) < late
}

// Ready says in one line for each part whether it works. Invalid plan files are
// mentioned, but do not make the server unready.
func (h *Health) Ready() (text string, ready bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ready = true
	part := func(name string, ok bool, otherwise string) {
		if !ok {
			text, ready = text+name+": "+otherwise+"\n", false
			return
		}
		text += name + ": ok\n"
	}
	part("scheduler", time.Since(h.beat) < late, "does not answer")
	part("journal", h.journal, "cannot be written")
	part("recovery", h.recovered, "under way")
	part("plans", h.loaded, "not read yet")
	if h.broken > 0 {
		text += fmt.Sprintf("plan files that do not validate: %d\n", h.broken)
	}
	if h.stopping {
		text, ready = text+"stopping\n", false
	}
	return text, ready
}
