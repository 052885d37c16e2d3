package soma

import (
	"io"
	"time"
)

// watchdog reads a body and calls stalled if a read takes longer than the limit. Time between reads does not count: it is the
// reader's own.
type watchdog struct {
	body  io.ReadCloser
	timer *time.Timer
	limit time.Duration
}

func newWatchdog(body io.ReadCloser, limit time.Duration, stalled func()) *watchdog {
	w := &watchdog{body: body, limit: limit, timer: time.AfterFunc(limit, stalled)}
	w.timer.Stop()
	return w
}

func (w *watchdog) Read(p []byte) (int, error) {
	w.timer.Reset(w.limit)
	n, err := w.body.Read(p)
	w.timer.Stop()
	return n, err
}

// close drops the connection unless the body was read to its end.
func (w *watchdog) close() {
	w.timer.Stop()
	_ = w.body.Close()
}
