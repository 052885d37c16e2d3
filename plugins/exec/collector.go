package exec

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/dprun/dprun/sdk"
)

const (
	// maxLine bounds one piece of output, in bytes; a longer line is passed on in several pieces.
	maxLine = 16 << 10
	// maxTail is how many bytes of the end of the output are reported.
	maxTail = 8 << 10
)

// collector passes a script's output on, line by line, up to a limit. It keeps
// the end of the output, and standard output for the script's outputs.
type collector struct {
	limit int
	emit  func(sdk.Output)

	mu     sync.Mutex
	passed int
	cut    bool
	end    []byte
	stdout bytes.Buffer
	whole  bool // stdout holds all of standard output
}

func newCollector(limit int, emit func(sdk.Output)) *collector {
	if emit == nil {
		emit = func(sdk.Output) {}
	}
	return &collector{limit: limit, emit: emit, whole: true}
}

// read collects one stream until it ends.
func (c *collector) read(stream sdk.Stream, r io.Reader) {
	b := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := b.ReadSlice('\n')
		if len(line) > 0 {
			c.piece(stream, line)
		}
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}

func (c *collector) piece(stream sdk.Stream, p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end = append(c.end, p...)
	if len(c.end) > 2*maxTail {
		c.end = append(c.end[:0], c.end[len(c.end)-maxTail:]...)
	}
	if stream == sdk.Stdout {
		if c.whole = c.whole && c.stdout.Len()+len(p) <= c.limit; c.whole {
			c.stdout.Write(p)
		}
	}
	if c.passed += len(p); c.passed > c.limit {
		if !c.cut {
			c.cut = true
			c.emit(sdk.Output{Stream: sdk.Stderr, Text: fmt.Sprintf("dprun: more than %d bytes of output; the rest is not passed on\n", c.limit)})
		}
		return
	}
	c.emit(sdk.Output{Stream: stream, Text: strings.ToValidUTF8(string(p), "�")})
}

// finish makes later output be dropped.
func (c *collector) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.emit = func(sdk.Output) {}
}

// tail returns the end of both streams, if possible from the beginning of a line.
func (c *collector) tail() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	end := c.end
	if len(end) > maxTail {
		end = end[len(end)-maxTail:]
		if i := bytes.IndexByte(end, '\n'); i >= 0 && i < len(end)-1 {
			end = end[i+1:]
		}
	}
	return strings.ToValidUTF8(string(end), "�")
}

// lastLine returns the last line, for the text of an error.
func (c *collector) lastLine() string {
	t := strings.TrimSpace(c.tail())
	if i := strings.LastIndexByte(t, '\n'); i >= 0 {
		t = t[i+1:]
	}
	if t == "" {
		return ""
	}
	return "; its last line: " + t
}

// outputs reads the script's outputs: standard output, or its last line, is a
// JSON object with a member "outputs". Anything else is plain text, not an error.
func (c *collector) outputs() (map[string]json.RawMessage, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.whole {
		return nil, nil
	}
	all := bytes.TrimSpace(c.stdout.Bytes())
	last := all[bytes.LastIndexByte(all, '\n')+1:]
	for _, text := range [][]byte{all, last} {
		var object map[string]json.RawMessage
		if json.Unmarshal(text, &object) != nil || object["outputs"] == nil {
			continue
		}
		var outputs map[string]json.RawMessage
		if err := json.Unmarshal(object["outputs"], &outputs); err != nil {
			return nil, fmt.Errorf("read its outputs: \"outputs\" is not an object: %w", err)
		}
		return outputs, nil
	}
	return nil, nil
}
