// Package runner holds the use cases of dprun. It connects the language, the
// plugins, the machines, the journal, the staging area and the locks.
//
// A command opens only what it needs: [OpenPlugins] and [Load] to read a plan,
// [Open] to use the state directory.
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

	files fs.FS // the plan's directory as it was when it was checked; nil: as it is now
}

// fs returns the directory that holds the plan.
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
	secrets *secret.Store // the secrets that were read for it; nil: none
}

// Options are needed by every operation on the state directory.
type Options struct {
	StateDir string // absolute
	Version  string // version of dprun
	// Bundled are the plugins that are part of this program, by name.
	Bundled map[string]func() sdk.Plugin
	Environ []string
	Log     *slog.Logger
	Clock   clock.Clock
	// Group is the longest time for which an event may wait to be written together
	// with others, if nothing depends on it. Zero: 10 ms, negative: no wait.
	Group time.Duration
}

// ApplyRequest asks for a run.
type ApplyRequest struct {
	Operation
	Source   Source
	Plan     string // the plan's name; empty: the only one of the file
	Parallel int    // overrides limits.parallel when positive
	Change   string // a change number, for the record of evidence
	Run      string // the run's ID, from [journal.NewRunID]; empty: a new one
	By       string // the person who asks; empty: the user that dprun runs as
	Reason   string // the reason, for the record of evidence
	Only     string // --only: site=fra,activity=domains,device=fra-*,domain=orders
	// Read receives the diagnostics of the plan, the reason why it cannot run, and
	// what earlier runs left. It is called before their recovery begins, which may
	// take minutes. Nil: only the result has the diagnostics.
	Read func(found plan.Diagnostics, broken error, due []report.Owed)
	// Confirm is called before dprun touches a gateway that the run will quiesce. An
	// error ends the operation. Nil: the caller has the consent already.
	Confirm func(report.Disruption) error
	// Guard returns the arguments with which this program, started again, calls
	// [Guard] for a run. A run that may quiesce starts this process first, and fails
	// if it cannot. Nil: the run has no guard, and the caller makes sure that
	// somebody recovers if this process dies.
	Guard func(run string) (args []string)
}

// PreviewRequest asks what a run would do.
type PreviewRequest struct {
	Source  Source
	Plan    string
	Only    string
	Offline bool // contact nothing, and stop at what is known without that
	// DryNight runs the whole plan without the steps that change something:
	// quiesces, captures, stores and scripts.
	DryNight bool
}

// Error says that an operation could not begin. It carries the exit code.
type Error struct {
	ExitCode int
	Err      error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// The exit codes of operations that do not reach a run. The run machine defines
// those of a run.
const (
	ExitPartly  = 3  // a part succeeded
	ExitInvalid = 10 // the plan has errors
	ExitPlugin  = 11 // a plugin is missing, untrusted or broken at start
	ExitRunning = 12 // the same plan is already running, or its run is being recovered
	ExitNothing = 14 // nothing to do
	ExitCheck   = 15 // a check of the whole plan has failed
	ExitOwed    = 16 // a device may still be quiesced
	ExitAway    = 17 // the device is back, but the script that leads traffic back to it has failed
	ExitWaits   = 18 // nothing is done yet: a second person must approve it first
	ExitUsage   = 64
	ExitBug     = 70
	ExitSIGINT  = 130
	ExitSIGTERM = 143
)

func errorf(code int, format string, args ...any) *Error {
	return &Error{ExitCode: code, Err: fmt.Errorf(format, args...)}
}

// CodeOf returns the exit code for an error; 1 if the error carries none.
func CodeOf(err error) int {
	if e := new(Error); errors.As(err, &e) {
		return e.ExitCode
	}
	return 1
}

// conclude decides the exit code and the failure of a result. A device that may
// be quiesced wins over every other reason.
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
	if res.Unknown == nil || !strings.Contains(res.Unknown.Message, (*err).Error()) { // a lost journal is in both
		res.Failure = &report.Failure{Message: (*err).Error(), ExitCode: res.ExitCode}
	}
}
