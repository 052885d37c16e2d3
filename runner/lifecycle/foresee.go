package lifecycle

import (
	"fmt"
	"strings"
	"time"
)

// Overrun returns which work does not fit into the window that is open now or
// opens next, going by how long the tasks have taken so far. Empty: all of it
// fits, or nothing is known.
func (s RunSpec) Overrun(now time.Time, tasks []TaskSpec) string {
	w := s.Window
	if w == nil {
		return ""
	}
	from, ok := w.OpensAt(now)
	if !ok {
		return ""
	}
	closes, ends := w.ClosesAt(from)
	if !ends {
		return ""
	}
	left := closes.Sub(from)
	var down time.Duration
	var alone []string
	for _, t := range tasks {
		if t.needs(0) > left {
			alone = append(alone, t.ID)
		}
		if t.Quiesces() {
			down += t.Usual
		}
	}
	if n := s.Guard.MaxDevices; n > 0 {
		down /= time.Duration(n)
	}
	is := fmt.Sprintf("window %s is open for %s", w.Name, left.Round(time.Minute))
	switch {
	case len(alone) > 0:
		return fmt.Sprintf("%s, which is too short for %s: what they took so far, or their time-outs, do not fit", is, strings.Join(alone, ", "))
	case down > left:
		return fmt.Sprintf("%s, and the tasks that quiesce took %s so far, %d device(s) at once: the last ones will be cancelled; make the window longer, spread the devices over nights, or raise quiesce_guard.max_devices",
			is, down.Round(time.Minute), max(s.Guard.MaxDevices, 1))
	}
	return ""
}
