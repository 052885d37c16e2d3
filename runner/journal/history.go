package journal

import (
	"encoding/json"
	"fmt"

	"github.com/dprun/dprun/runner/event"
)

// step is the stored form of one status in a history. It omits the fields that
// all statuses of the history share, and the number, which is its position.
type step struct {
	Code     string        `json:"c"`
	After    int64         `json:"t"` // nanoseconds since the previous step; the first step counts from 1970
	Final    bool          `json:"f,omitempty"`
	Message  string        `json:"m,omitempty"`
	Causes   []event.Cause `json:"k,omitempty"`
	Warnings []string      `json:"w,omitempty"`
}

// history is the history of a run, or of a task that has not ended.
type history struct {
	body  []byte // the steps, comma-separated
	len   int
	at    int64 // the time of the last step
	files []string
}

// add appends a status, and returns its encoded step.
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

// entered holds the steps that one entry adds to one history.
type entered struct {
	Task     string `json:"i"`
	Activity string `json:"a,omitempty"` // the first step of a task has it, with Device and Domain
	Device   string `json:"d,omitempty"`
	Domain   string `json:"o,omitempty"`
	Steps    []step `json:"h"`
}

// stored is the place of a copy of a task.
type stored struct {
	Task string `json:"i"`
	File string `json:"f"`
}

// encodeFiles returns an empty text for no files.
func encodeFiles(files []string) (string, error) {
	if len(files) == 0 {
		return "", nil
	}
	b, err := json.Marshal(files)
	return string(b), err
}

// decode reads stored JSON. An empty text stands for nothing.
func decode(text []byte, into any) error {
	if len(text) == 0 {
		return nil
	}
	return json.Unmarshal(text, into)
}
