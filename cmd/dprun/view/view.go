package view

import (
	"io"
	"time"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk/schema"
)

// View shows the results of commands. A run's events come through its
// [event.Sink] methods. Its methods may be called from several goroutines.
type View interface {
	event.Sink

	// Version says which dprun this is.
	Version(report.Version)
	// Diagnostics shows what is wrong or doubtful about a plan.
	Diagnostics(diag.List)
	// Init is the result of init.
	Init(report.Init)
	// Validation is the result of validate.
	Validation(report.Validation)
	// Format is what fmt found in one file.
	Format(report.Format)
	// Preview is what a run would do.
	Preview(*report.Preview)
	// Check is what a plan's next run will find.
	Check(*report.Check)
	// Graph draws a run.
	Graph(report.Graph, GraphFormat)
	// Owed lists what is still owed; an empty list says that nothing is.
	Owed([]report.Owed)
	// Hold says what forbids quiesces now, if something does.
	Hold(report.Hold)
	// NothingToRecover says, to a person who watches, that there was nothing to
	// recover and that nothing is owed. It is no result: a scheduler sees nothing.
	NothingToRecover()
	// Paying says, to a person who watches, what is done before anything else
	// for earlier runs; then is what waits for that, or empty. It is no result.
	Paying(owed []report.Owed, then string)
	// Stopping says, to a person who watches, what a stop signal leads to;
	// again: it is not the first one.
	Stopping(signal string, again bool)
	// Acknowledged says what somebody took responsibility for.
	Acknowledged(report.Acknowledged)
	// Runs lists runs.
	Runs([]report.Run)
	// RunDetail is one run with every task's history.
	RunDetail(report.RunDetail)
	// Logs are lines of output kept of a run.
	Logs([]event.Log)
	// Backups lists sets.
	Backups([]report.Backup)
	// Backup is one set with everything that is known of it.
	Backup(report.BackupDetail)
	// Imported says which sets were found at one destination.
	Imported(report.Imported)
	// BackupFault is one thing that is wrong with what stands at a destination.
	BackupFault(report.BackupFault)
	// CheckedDestination says how the backups at one destination stand.
	CheckedDestination(report.CheckedDestination)
	// FetchedBackup says which files of a backup were fetched.
	FetchedBackup(report.FetchedBackup)
	// Pack says what is in a directory for the worst day.
	Pack(report.Pack)
	// Coverage says what of a plan has a good backup that is young enough.
	Coverage(*report.Coverage)
	// Evidence lists records of what was done.
	Evidence([]report.EvidenceRecord)
	// EvidenceRecord is one of them with all that it holds.
	EvidenceRecord(report.EvidenceDetail)
	// ExportedEvidence says which records were copied.
	ExportedEvidence(report.ExportedEvidence)
	// VerifiedEvidence is the verdict on records.
	VerifiedEvidence(report.VerifiedEvidence)
	// Schedule says when a plan is due next.
	Schedule(report.Schedule)
	// DrilledSet shows what came of one set of a drill, Drill the drill in the end.
	DrilledSet(report.DrilledSet)
	Drill(*report.Drill)
	// Firings says what a server has decided about the times at which plans were due.
	Firings(report.Firings)
	// PrunedBackups says what retention made of the sets at one destination.
	PrunedBackups(report.PrunedBackups)
	// Rehearsal says what a restore would do.
	Rehearsal(report.Rehearsal)
	// Restore says how a restore ended.
	Restore(report.Restore)
	// Pruned says what was removed.
	Pruned(report.Pruned)
	// Swept says what was removed at one destination.
	Swept(report.Swept)
	// Archive is the verdict on one archive.
	Archive(report.Archive)
	// Diff is how two archives differ.
	Diff(report.Diff)
	// Drift is how what a device or domain runs differs from its last good backup.
	Drift(report.Drift)
	// Codes lists the catalogues of codes.
	Codes([]report.Explanation)
	// Explanation explains one code.
	Explanation(report.Explanation)
	// Plugins lists plugins.
	Plugins([]report.Plugin)
	// Plugin describes one plugin.
	Plugin(schema.Plugin)
	// NewPlugin says which files of a plugin to begin with were written.
	NewPlugin(report.NewPlugin)
	// PluginRule is what a test found about one rule for plugins.
	PluginRule(report.PluginRule)
	// PluginTest is the result of a test of a plugin.
	PluginTest(report.PluginTest)
	// Fail says why a command could not do what was asked.
	Fail(report.Failure)

	// LogWriter is where log lines go, so that they do not run into what is drawn.
	LogWriter() io.Writer
	// Close ends drawing, prints what must come last, and returns the first
	// error of writing the result.
	Close() error
}

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
