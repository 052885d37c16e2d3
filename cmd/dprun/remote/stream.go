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
	// silent is after how long without a word a stream counts as cut: the server says something every 15 seconds.
	silent = 45 * time.Second
	// lineAtMost bounds a line of a stream, in bytes: a summary of many tasks is one.
	lineAtMost = 16 << 20
)

// streams reads events after the one with a number, of a run or, without one, of all
// that comes from now on. It hands them to take until the stream ends, which is an
// error always. begun is called when nothing that follows is missed.
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
	defer resp.Body.Close() //nolint:errcheck // it was read
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

// readEvents reads a stream of events and hands over the data of each. heard is
// called for every line. It ends with an error.
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
			continue // a comment, or what stands in the data too
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
