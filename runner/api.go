// Package runner runs compiled plans: it brings together the language, the
// plugins, the machines, the journal, the staging area and the locks.
//
// A command opens what it needs: [OpenPlugins] and [Load] for everything that
// only reads a plan, [Open] for everything that uses the state directory.
package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/secret"
	"github.com/dprun/dprun/sdk"
)

// Source names a plan and the values of its variables.
type Source struct {
	Path     string   // a plan file, or a directory of them
	VarFiles []string // --var-file, in order
	Vars     []string // --var NAME=VALUE, in order
	Environ  []string // the environment, for DPRUN_VAR_NAME and secret_env

	files fs.FS // the plan's directory as it was when it was checked; nil: as it is
}

// fs is the directory that holds the plan.
func (s Source) fs(dir string) fs.FS {
	if s.files != nil {
		return s.files
	}
	return os.DirFS(dir)
}

// Loaded is a compiled plan file.
type Loaded struct {
	Config *plan.Config

	file    *plan.File
	inputs  plan.Inputs
	secrets *secret.Store // what was read for it; nil: nothing
}

// Options are the parts that every operation on the state directory shares.
type Options struct {
	StateDir string // absolute
	Version  string // dprun's own
	// Bundled are the plugins that this program serves itself, by name.
	Bundled map[string]func() sdk.Plugin
	Environ []string
	Log     *slog.Logger
	Clock   clock.Clock
	// Group is how long an event that nothing depends on may wait to be written
	// with others; zero: 10 ms, negative: not at all.
	Group time.Duration
}

// ApplyRequest asks for a run.
type ApplyRequest struct {
	Operation
	Source   Source
	Plan     string // the plan's name; empty: the only one of the file
	Parallel int    // overrides limits.parallel when positive
	Change   string // a change number or the like, for the record of evidence
	Run      string // the ID that the run gets, by [journal.NewRunID]; empty: a new one
	By       string // who asks for it, where that is not the user that dprun runs as
	Reason   string // why, likewise for the record
	Only     string // --only: site=fra,activity=domains,device=fra-*,domain=orders
	// Read gets what there is to say about the plan, and why it cannot be run,
	// before what is due for earlier runs is done, which may take minutes. Nil:
	// the result has it.
	Read func(found plan.Diagnostics, broken error, due []report.Owed)
	// Confirm is asked before anything that will be quiesced is touched. An error
	// ends the operation with it. Nil: the caller has the answer already.
	Confirm func(report.Disruption) error
	// Guard makes the arguments with which this program, started again, calls
	// [Guard] for a run. A run that may quiesce starts such a process first, and
	// fails without it. Nil: no run is guarded; then the caller sees to it that
	// somebody recovers when this process dies.
	Guard func(run string) (args []string)
}

// PreviewRequest asks what a run would do.
type PreviewRequest struct {
	Source  Source
	Plan    string
	Only    string
	Offline bool // stop at what is known without contacting anything
	// DryNight goes through the whole run but for what changes something:
	// quiesces, captures, stores, scripts.
	DryNight bool
}

// Error is an operation that could not be begun; it carries the exit code.
type Error struct {
	ExitCode int
	Err      error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// The exit codes of operations that do not come to a run. Those of a run are
// the run machine's.
const (
	ExitPartly  = 3  // some of it went well
	ExitInvalid = 10 // the plan has errors
	ExitPlugin  = 11 // a plugin is missing, untrusted or broken at start
	ExitRunning = 12 // the same plan is already running, or its run is being recovered
	ExitNothing = 14 // nothing to do
	ExitCheck   = 15 // a check of the whole plan has failed
	ExitOwed    = 16 // a device may still be quiesced
	ExitAway    = 17 // it is back, but a script that should lead traffic back has not worked
	ExitUsage   = 64
	ExitBug     = 70
	ExitSIGINT  = 130
	ExitSIGTERM = 143
)

func errorf(code int, format string, args ...any) *Error {
	return &Error{ExitCode: code, Err: fmt.Errorf(format, args...)}
}

// CodeOf is the exit code that an error calls for.
func CodeOf(err error) int {
	if e := new(Error); errors.As(err, &e) {
		return e.ExitCode
	}
	return 1
}

// conclude settles with what exit code an operation ends, and what is said of
// its error: that a device may be quiesced wins over everything else.
func conclude(res *report.Result, err *error) {
	if all := slices.Concat(res.Told, res.Diagnostics); *err == nil && all.HasErrors() {
		*err = Invalid(all)
	}
	if *err == nil {
		return
	}
	if res.ExitCode == ExitOwed || res.ExitCode == ExitAway {
		*err = &Error{res.ExitCode, errors.New((*err).Error())}
	}
	res.ExitCode = CodeOf(*err)
	if res.Unknown == nil || !strings.Contains(res.Unknown.Message, (*err).Error()) { // a lost journal is both
		res.Failure = &report.Failure{Message: (*err).Error(), ExitCode: res.ExitCode}
	}
}
