package view

import (
	"io"
	"time"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
)

// View shows the results of commands. A run's events come through its
// [event.Sink] methods. Its methods may be called from several goroutines.
type View interface {
	event.Sink

	// Show shows a result: a value of a type that is in the table of results.
	Show(result any)
	// Diagnostics shows what is wrong or doubtful about a plan.
	Diagnostics(diag.List)
	// Graph draws a run.
	Graph(report.Graph, GraphFormat)
	// NothingToRecover says, to a person who watches, that there was nothing to
	// recover and that nothing is owed. It is no result: a scheduler sees nothing.
	NothingToRecover()
	// Paying says, to a person who watches, what is done before anything else
	// for earlier runs; then is what waits for that, or empty. It is no result.
	Paying(owed []report.Owed, then string)
	// Stopping says, to a person who watches, what a stop signal leads to;
	// again: it is not the first one.
	Stopping(signal string, again bool)
	// Fail says why a command could not do what was asked.
	Fail(report.Failure)

	// LogWriter is where log lines go, so that they do not run into what is drawn.
	LogWriter() io.Writer
	// Close ends drawing, prints what must come last, and returns the first
	// error of writing the result.
	Close() error
}

// Each gives what shows results one by one, as they come.
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
	// StateDir is the state directory that results are about; it is named where there are none.
	StateDir string
	// Live draws progress in place on standard error; else it is told in lines.
	Live bool
	// Together says that standard output and standard error are one place: what
	// was said on one is not said again on the other.
	Together bool
	// Told is how much of a run's course is told.
	Told Told
	// EveryTask shows the tasks of a preview one by one, however many there are,
	// and of a check what is well.
	EveryTask bool
	// Size tells how many columns and rows the terminal has; nil: not a terminal.
	Size func() (columns, rows int)
	// Now is the time; nil: [time.Now].
	Now func() time.Time
	// Manual leaves it to the caller to call Tick; else the view does, on its own.
	Manual bool
}

// FormatVersion is the version of the JSON output. Fields are only added.
const FormatVersion = 1
