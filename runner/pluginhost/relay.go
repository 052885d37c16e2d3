package pluginhost

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// maxLine is the longest line of a plugin, in bytes; longer ones are logged in
	// pieces.
	maxLine = 64 << 10
	// maxSecond is how much of a plugin's lines is logged in a second, in bytes.
	maxSecond = 1 << 20
	// maxTail is how much of the last lines is kept for an epitaph, in bytes.
	maxTail = 4 << 10
)

// relay logs the lines that a plugin writes, redacted, and keeps the last ones.
type relay struct {
	log    *slog.Logger
	redact func(string) string
	now    func() time.Time

	mu      sync.Mutex
	last    []string
	size    int
	inPanic bool

	second  time.Time // the start of the second that written covers
	written int
	flooded bool
}

func newRelay(log *slog.Logger, redact func(string) string) *relay {
	return &relay{log: log, redact: redact, now: time.Now}
}

// read relays everything from f until it ends.
func (r *relay) read(f io.Reader) {
	lines := bufio.NewReaderSize(f, maxLine)
	for {
		line, _, err := lines.ReadLine()
		if err != nil {
			return
		}
		r.line(string(line))
	}
}

// line relays one line. It takes apart a JSON object in the form of our SDK or of
// hclog, and relays any other line unchanged.
func (r *relay) line(line string) {
	if line == "" {
		return
	}
	level, message, attrs, ok := parseLine(line)
	if !ok {
		level, message = slog.LevelDebug, line
		r.mu.Lock()
		r.inPanic = r.inPanic || strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ")
		if r.inPanic {
			level = slog.LevelError
		}
		r.mu.Unlock()
	}
	message = r.redact(message)
	text := message
	for i := range attrs {
		value := r.redact(fmt.Sprint(attrs[i].Value.Any()))
		attrs[i] = slog.String(attrs[i].Key, value)
		text += " " + attrs[i].Key + "=" + value
	}
	r.keep(text)
	if level < slog.LevelError && !r.room(len(text)) {
		return
	}
	r.log.LogAttrs(context.Background(), level, message, attrs...)
}

// room reports whether n more bytes may be logged now.
func (r *relay) room(n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := r.now(); now.Sub(r.second) >= time.Second {
		r.second, r.written = now, 0
	}
	if r.written += n; r.written <= maxSecond {
		return true
	}
	if !r.flooded {
		r.flooded = true
		r.log.Warn("a plugin floods its log: what goes beyond 1 MiB in a second is left out, here and later; tell whoever wrote it")
	}
	return false
}

// parseLine reads a log line in hclog's JSON form.
func parseLine(line string) (slog.Level, string, []slog.Attr, bool) {
	if !strings.HasPrefix(line, "{") {
		return 0, "", nil, false
	}
	d := json.NewDecoder(strings.NewReader(line))
	d.UseNumber()
	var fields map[string]any
	if d.Decode(&fields) != nil {
		return 0, "", nil, false
	}
	message, ok := fields["@message"].(string)
	if !ok {
		return 0, "", nil, false
	}
	level := slog.LevelInfo
	switch fields["@level"] {
	case "trace", "debug":
		level = slog.LevelDebug
	case "warn":
		level = slog.LevelWarn
	case "error":
		level = slog.LevelError
	}
	var attrs []slog.Attr
	for k, v := range fields {
		switch k {
		case "@message", "@level", "@timestamp":
			continue
		}
		if _, nested := v.(map[string]any); nested {
			if raw, err := json.Marshal(v); err == nil {
				v = string(raw)
			}
		}
		attrs = append(attrs, slog.Any(strings.TrimPrefix(k, "@"), v))
	}
	slices.SortFunc(attrs, func(a, b slog.Attr) int { return strings.Compare(a.Key, b.Key) })
	return level, message, attrs, true
}

func (r *relay) keep(line string) {
	if len(line) > maxTail {
		line = line[:maxTail]
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = append(r.last, line)
	r.size += len(line) + 1
	for r.size > maxTail && len(r.last) > 1 {
		r.size -= len(r.last[0]) + 1
		r.last = r.last[1:]
	}
}

// tail returns the end of what the plugin wrote.
func (r *relay) tail() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.redact(strings.Join(r.last, "\n"))
}

// writer returns a writer that relays what is written to it, line by line.
func (r *relay) writer() io.Writer { return &lineWriter{relay: r} }

type lineWriter struct {
	relay *relay
	mu    sync.Mutex
	rest  []byte
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, b...)
	for {
		i := bytes.IndexByte(w.rest, '\n')
		if i < 0 && len(w.rest) < maxLine {
			return len(b), nil
		}
		if i < 0 {
			i = len(w.rest) - 1
		}
		w.relay.line(strings.TrimRight(string(w.rest[:i+1]), "\r\n"))
		w.rest = w.rest[i+1:]
	}
}

// logLevel returns the name of the lowest level that a logger accepts.
func logLevel(ctx context.Context, log *slog.Logger) string {
	for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn} {
		if log.Enabled(ctx, l) {
			return l.String()
		}
	}
	return slog.LevelError.String()
}
