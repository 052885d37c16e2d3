package serve

import (
	"fmt"
	"sync"
	"time"
)

// late is after how long without a beat the scheduler counts as hanging.
const late = time.Minute

// Health is how a server is, for whoever asks by HTTP. It tells words and
// counts, and no name: nobody has to say who he is to read it.
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

// Live reports whether the scheduler moves.
func (h *Health) Live() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.beat) < late
}

// Ready says of each part whether it works, in a line each. Files that do not validate keep the
// server from nothing, and are told.
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
