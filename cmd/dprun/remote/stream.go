package remote

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/report"
)

const (
	// silent is how long a stream may be silent before it counts as cut: the server
	// sends something every 15 seconds.
	silent = 45 * time.Second
	// lineAtMost is the longest line of a stream, in bytes. The summary of a run with
	// many tasks is one line.
	lineAtMost = 16 << 20
)

// streams passes events to take until the stream ends; it always returns an error. With
// a run, it reads that run's events that follow the number after. Without one, it reads
// all events from now on. It calls begun once no later event can be missed.
func (c *Client) streams(ctx context.Context, run string, after int64, begun func(), take func(report.LiveEvent)) error {
	doing, path, header := "follow run "+run, runPath(run)+"/events", map[string]string{"Accept": "text/event-stream", "Last-Event-ID": strconv.FormatInt(after, 10)}
	if run == "" {
		doing, path = "follow the runs", "/events"
		delete(header, "Last-Event-ID")
	}
	ctx, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	quiet := time.AfterFunc(silent, func() { cut(fmt.Errorf("it has said nothing for %s", silent)) })
	defer quiet.Stop()
	resp, err := c.send(ctx, request{doing: doing, method: http.MethodGet, path: path, header: header})
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it is only read
	if kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); kind != "text/event-stream" {
		return c.failed(doing, fmt.Errorf("it answers %q and no events", kind), c.otherVersion())
	}
	begun()
	err = readEvents(resp.Body, func() { quiet.Reset(silent) }, func(data []byte) error {
		var e report.LiveEvent
		if err := json.Unmarshal(data, &e); err != nil {
			return fmt.Errorf("an event cannot be read: %w", err)
		}
		take(e)
		return nil
	})
	if why := context.Cause(ctx); why != nil {
		err = why
	}
	return c.failed(doing, unanswered{err}, "it is tried again")
}

// readEvents reads a stream of events and passes the data of each to take. It calls
// heard for every line. It always returns an error.
func readEvents(r io.Reader, heard func(), take func(data []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), lineAtMost)
	var data []byte
	for lines.Scan() {
		heard()
		line := bytes.TrimSuffix(lines.Bytes(), []byte("\r"))
		if len(line) == 0 {
			if data != nil {
				if err := take(data); err != nil {
					return err
				}
			}
			data = nil
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if string(name) != "data" {
			continue // a comment, or a field that the data repeats
		}
		if data != nil {
			data = append(data, '\n')
		}
		data = append(data, bytes.TrimPrefix(value, []byte(" "))...)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return errors.New("the connection has ended")
}
