package journal

import (
	"encoding/json"
	"fmt"

	"github.com/dprun/dprun/runner/event"
)

// step is one status of a history as it is stored: without what is the same
// for all of them, and without its number, which is its place.
type step struct {
	Code     string        `json:"c"`
	After    int64         `json:"t"` // nanoseconds since the step before; of the first one since 1970
	Final    bool          `json:"f,omitempty"`
	Message  string        `json:"m,omitempty"`
	Causes   []event.Cause `json:"k,omitempty"`
	Warnings []string      `json:"w,omitempty"`
}

// history is what is known of a task that has not ended, or of a run.
type history struct {
	body  []byte // the steps, comma-separated
	len   int
	at    int64 // the time of the last one
	files []string
}

// add appends a status, and returns the step as it was appended.
func (h *history) add(s event.Status) ([]byte, error) {
	at := stamp(s.Time)
	b, err := json.Marshal(step{Code: s.Code, After: at - h.at, Final: s.Final, Message: s.Message, Causes: s.Causes, Warnings: s.Warnings})
	if err != nil {
		return nil, fmt.Errorf("encode status %s of task %s: %w", s.Code, s.Task, err)
	}
	if h.len > 0 {
		h.body = append(h.body, ',')
	}
	h.body = append(h.body, b...)
	h.len, h.at = h.len+1, at
	return b, nil
}

// entered is what an entry holds of one history.
type entered struct {
	Task     string `json:"i"`
	Activity string `json:"a,omitempty"` // with Device and Domain, on the first step
	Device   string `json:"d,omitempty"`
	Domain   string `json:"o,omitempty"`
	Steps    []step `json:"h"`
}

// stored is where a copy of a task stands.
type stored struct {
	Task string `json:"i"`
	File string `json:"f"`
}

// encodeFiles is empty for none.
func encodeFiles(files []string) (string, error) {
	if len(files) == 0 {
		return "", nil
	}
	b, err := json.Marshal(files)
	return string(b), err
}

// decode reads stored JSON, of which nothing is an empty text.
func decode(text []byte, into any) error {
	if len(text) == 0 {
		return nil
	}
	return json.Unmarshal(text, into)
}
