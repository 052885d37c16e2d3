package view

import (
	"io"
	"time"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
)

// View shows the results of commands. The events of a run come through its [event.Sink]
// methods. Its methods may be called from several goroutines.
type View interface {
	event.Sink

	// Show shows a result. Its type must be in the table of results.
	Show(result any)
	// Diagnostics shows the errors and warnings about a plan.
	Diagnostics(diag.List)
	// Graph draws a run.
	Graph(report.Graph, GraphFormat)
	// NothingToRecover tells a person at a terminal that there was nothing to recover
	// and nothing is pending. It is not a result: a scheduler sees nothing.
	NothingToRecover()
	// Paying tells a person which recoveries of earlier runs come before anything else.
	// then names what waits for them; it may be empty. It is not a result.
	Paying(owed []report.Owed, then string)
	// Stopping tells a person what a stop signal causes. again means that it is not the
	// first one.
	Stopping(signal string, again bool)
	// Fail says why a command could not do its work.
	Fail(report.Failure)

	// LogWriter returns the writer for log lines. It keeps them apart from what is
	// drawn.
	LogWriter() io.Writer
	// Close stops drawing, prints what must come last, and returns the first error of
	// writing the result.
	Close() error
}

// Each returns a function that shows results one by one.
func Each[T any](v View) func(T) { return func(result T) { v.Show(result) } }

var (
	_ View = (*Human)(nil)
	_ View = (*JSON)(nil)
)

// Options say where and how a view writes.
type Options struct {
	Stdout io.Writer
	Stderr io.Writer
	// ColorStdout and ColorStderr turn ANSI colours on.
	ColorStdout bool
	ColorStderr bool
	// StateDir is the state directory that the results are about. The view names it
	// when there are no results.
	StateDir string
	// Live draws progress in place on standard error. Otherwise progress is printed in
	// lines.
	Live bool
	// Together says that standard output and standard error go to the same place, so
	// that nothing needs to appear on both.
	Together bool
	// Told is how much of a run's course is printed.
	Told Told
	// EveryTask lists every task of a preview and every finding of a check, also those
	// that are ok.
	EveryTask bool
	// Size returns the columns and rows of the terminal; nil: there is no terminal.
	Size func() (columns, rows int)
	// Now returns the time; nil: [time.Now].
	Now func() time.Time
	// Manual leaves calling Tick to the caller. Otherwise the view calls it.
	Manual bool
}

// FormatVersion is the version of the JSON output. Within a version, fields are only
// added.
const FormatVersion = 1
