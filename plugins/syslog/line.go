package syslog

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/dprun/dprun/sdk/script"
)

const (
	// lineAtMost bounds a line, in bytes. By RFC 5424 servers should accept 2 KiB; rsyslog cuts at 8 KiB.
	lineAtMost = 2048
	// linesAtMost bounds the lines of one notification.
	linesAtMost = 50
)

// The severities that are used.
const (
	sevCrit    = 2
	sevErr     = 3
	sevWarning = 4
	sevNotice  = 5
	sevInfo    = 6
)

func severity(c script.Context) int {
	if c.Notice == nil {
		return sevNotice
	}
	switch c.Notice.Event {
	case script.Critical:
		return sevCrit
	case script.Failed:
		return sevErr
	case script.Partial, script.Missed:
		return sevWarning
	}
	return sevInfo
}

// lines returns the lines to send for a script's context: one for the run or,
// for a critical notification, one for each gateway that needs attention.
func (h *hook) lines(c script.Context, now time.Time) [][]byte {
	if c.Notice == nil || c.Notice.Event != script.Critical || len(c.Tasks) == 0 {
		return [][]byte{h.line(c, now)}
	}
	var out [][]byte
	for _, t := range c.Tasks[:min(len(c.Tasks), linesAtMost)] {
		one := c
		one.Tasks = []script.Task{t}
		one.Status, one.Message, one.Device, one.Domain = t.Status, t.Message, t.Device, t.Domain
		out = append(out, h.line(one, now))
	}
	return out
}

// line returns one message of RFC 5424 in plain ASCII, which needs no byte order mark.
func (h *hook) line(c script.Context, now time.Time) []byte {
	host := h.config.Hostname
	if host == "" {
		host, _ = os.Hostname()
	}
	head := fmt.Sprintf("<%d>1 %s %s %s %d %s %s ", facility(h.config.Facility)*8+severity(c), now.UTC().Format("2006-01-02T15:04:05.000000Z"),
		cmp.Or(word(host, 255), "-"), cmp.Or(word(h.config.AppName, 48), "-"), os.Getpid(), cmp.Or(word(msgID(c), 32), "-"), h.data(c))
	text := c.Headline()
	if c.Message != "" {
		text += ": " + c.Message
	}
	return []byte(head + script.ASCII(text, max(0, lineAtMost-len(head))))
}

func msgID(c script.Context) string {
	if c.Notice != nil {
		return string(c.Notice.Event)
	}
	return c.Hook
}

// word returns text as a field of the header.
func word(text string, longest int) string {
	return strings.ReplaceAll(script.ASCII(text, longest), " ", "_")
}

// data returns the structured data. Each value is bounded, so that together
// they leave room for the text.
func (h *hook) data(c script.Context) string {
	if h.config.Data == "-" {
		return "-"
	}
	out := "[" + h.config.Data
	param := func(name, value string) {
		if value != "" {
			out += " " + name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`).Replace(script.ASCII(value, 100)) + `"`
		}
	}
	param("run", c.Run)
	param("plan", c.Plan)
	param("hook", c.Hook)
	param("status", c.Status)
	param("device", c.Device)
	param("domain", c.Domain)
	if n := c.Notice; n != nil {
		param("event", string(n.Event))
		param("id", n.ID)
		if n.ExitCode != nil {
			param("exit_code", strconv.Itoa(*n.ExitCode))
		}
		if n.Counts != nil {
			param("succeeded", strconv.Itoa(n.Counts.Succeeded))
			param("failed", strconv.Itoa(n.Counts.Failed))
			param("skipped", strconv.Itoa(n.Counts.Skipped+n.Counts.Cancelled))
		}
		param("evidence", n.Evidence)
		if len(n.Owed) > 0 {
			param("owed", strconv.Itoa(len(n.Owed)))
		}
	}
	return out + "]"
}
