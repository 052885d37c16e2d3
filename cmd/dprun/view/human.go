package view

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
)

// How often the screen is drawn, and how long the view may stay silent without a
// screen.
const (
	drawEvery      = 200 * time.Millisecond
	heartbeatEvery = 30 * time.Second
)

// Human is the view for a person.
type Human struct {
	o    Options
	outP painter
	errP painter

	mu      sync.Mutex
	err     error // the first error of writing the result
	track   *tracker
	screen  screen
	paying  time.Time        // since when recoveries of earlier runs are under way; zero: not now
	said    time.Time        // when something was last printed on standard error
	owed    []string         // from a summary; printed last
	group   group            // tasks that ended alike, not yet reported
	ended   map[string]alike // how tasks ended, as far as it was reported
	ticking chan struct{}
	stopped chan struct{}
}

// NewHuman returns a human view. It redraws by itself until Close, unless o.Manual is
// set.
func NewHuman(o Options) *Human {
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Human{o: o, outP: painter(o.ColorStdout), errP: painter(o.ColorStderr), screen: screen{w: o.Stderr, size: o.Size}}
	return h
}

// start begins the periodic drawing. The first run calls it.
func (h *Human) start() {
	if h.o.Manual || h.ticking != nil {
		return
	}
	h.ticking, h.stopped = make(chan struct{}), make(chan struct{})
	every := time.Second
	if h.o.Live {
		every = drawEvery
	}
	go func(stop, stopped chan struct{}) {
		defer close(stopped)
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				h.Tick()
			case <-stop:
				return
			}
		}
	}(h.ticking, h.stopped)
}

// Tick redraws the screen. Without a screen it prints a sign of life when one is due.
func (h *Human) Tick() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.track == nil && h.paying.IsZero() {
		return
	}
	h.flush()
	if h.o.Live && h.track != nil {
		h.draw()
		return
	}
	if now := h.o.Now(); h.o.Told != Failures && now.Sub(h.said) >= heartbeatEvery {
		h.said = now
		fmt.Fprintf(h.o.Stderr, "%s still running: %s\n", stamp(now), h.heartbeat(now))
	}
}

// heartbeat describes the state of the run and its longest steps.
func (h *Human) heartbeat(now time.Time) string {
	if h.track == nil {
		return "undoing what earlier runs left, for " + Span(now.Sub(h.paying))
	}
	s := h.track.overall(now)
	for i, k := range longest(h.track.active) {
		if i == 3 {
			return s + "; …"
		}
		s += fmt.Sprintf("; %s %s for %s", Clean(k.id), k.doing(), Span(now.Sub(k.since)))
		if a := k.amount(now); a != "" {
			s += " (" + a + ")"
		}
	}
	return s
}

func (h *Human) result(s string) {
	h.flush()
	h.screen.clear()
	_, err := io.WriteString(h.o.Stdout, s)
	h.err = cmp.Or(h.err, err)
}

// say prints on standard error, after the tasks collected so far.
func (h *Human) say(s string) {
	h.flush()
	h.put(s)
}

// put prints on standard error, above the screen.
func (h *Human) put(s string) {
	if s == "" {
		return
	}
	h.screen.clear()
	io.WriteString(h.o.Stderr, s) //nolint:errcheck // there is nowhere to report it
	h.said = h.o.Now()
	if h.o.Live && h.track != nil {
		h.draw()
	}
}

// Show implements [View].
func (h *Human) Show(result any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var b strings.Builder
	k, err := kindFor(result)
	if h.err = cmp.Or(h.err, err); err == nil {
		k.write(h, &b, h.outP, result)
	}
	h.result(b.String())
}

// Diagnostics implements [View].
func (h *Human) Diagnostics(l diag.List) {
	h.mu.Lock()
	defer h.mu.Unlock()
	style := diag.Style{Color: h.o.ColorStderr, Width: 78}
	if h.o.Size != nil {
		if columns, _ := h.o.Size(); columns > 0 {
			style.Width = min(columns, 120)
		}
	}
	for _, d := range l {
		h.say(straight(diag.Text(d, style)) + "\n")
	}
}

// Fail implements [View].
func (h *Human) Fail(f report.Failure) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.end()
	text := lines(f.Message)
	h.say(h.errP.paint(alarm, "Error:") + " " + strings.Join(text, "\n  ") + "\n")
}

// LogWriter implements [View].
func (h *Human) LogWriter() io.Writer { return logWriter{h} }

type logWriter struct{ h *Human }

func (w logWriter) Write(b []byte) (int, error) {
	w.h.mu.Lock()
	defer w.h.mu.Unlock()
	w.h.say(strings.Join(lines(string(b)), "\n") + "\n")
	return len(b), nil
}

func (h *Human) end() {
	h.flush()
	h.screen.clear()
	h.track, h.paying = nil, time.Time{}
}

// Close implements [View].
func (h *Human) Close() error {
	if h.ticking != nil {
		close(h.ticking)
		<-h.stopped
		h.ticking = nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.end()
	if len(h.owed) > 0 {
		var b strings.Builder
		writeOwedTexts(&b, h.outP, h.owed)
		h.result(b.String())
		h.owed = nil
	}
	return h.err
}

var _ event.Sink = (*Human)(nil)
