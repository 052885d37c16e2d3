package view

import "github.com/dprun/dprun/runner/status"

// tone is an ANSI colour; the empty one is the terminal's own.
type tone string

const (
	plain  tone = ""
	bold   tone = "\x1b[1m"
	faint  tone = "\x1b[2m"
	red    tone = "\x1b[31m"
	alarm  tone = "\x1b[1;31m"
	green  tone = "\x1b[32m"
	yellow tone = "\x1b[33m"
)

// painter colours text, or does not.
type painter bool

func (p painter) paint(t tone, s string) string {
	if !bool(p) || t == plain || s == "" {
		return s
	}
	return string(t) + s + "\x1b[0m"
}

// toneOf is the colour of a status code.
func toneOf(code string) tone {
	e, ok := status.Lookup(status.Code(code))
	if !ok {
		return plain
	}
	switch e.Class {
	case status.ClassSuccess:
		return green
	case status.ClassFailed, status.ClassInvalid:
		return red
	case status.ClassCritical:
		return alarm
	case status.ClassSkipped, status.ClassCancelled:
		return yellow
	}
	return plain
}

// bad reports whether a task's result has to be said again at the end.
func bad(code string) bool {
	e, ok := status.Lookup(status.Code(code))
	return !ok || e.Class != status.ClassSuccess && e.Class != status.ClassInterim && !e.Neutral
}
