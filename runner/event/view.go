package event

import "time"

// Sink receives what a run publishes. It is called after the journal's commit, from one
// goroutine at a time. Views implement it.
type Sink interface {
	// Run announces a run before its first status.
	Run(RunInfo)
	// Status delivers one entry of a history.
	Status(Status)
	// Progress reports on a running transfer. It is not journalled.
	Progress(Progress)
	// Log delivers a line of output of a script or plugin.
	Log(Log)
	// Summary ends a run.
	Summary(Summary)
	// Settled reports what was undone, outside a run, for a run that died or ended.
	Settled(Settled)
}

// StatusesSink is a sink that takes all statuses of a commit at once, in order.
type StatusesSink interface {
	Statuses([]Status)
}

// Settled is a target that a recovery has seen back in service, or a device from which
// it removed the files of a run.
type Settled struct {
	Run    string    `json:"run"`
	Task   string    `json:"task"`
	Plan   string    `json:"plan,omitempty"`
	Kind   string    `json:"kind"` // unquiesce, discard
	Device string    `json:"device"`
	Domain string    `json:"domain,omitempty"`
	Since  time.Time `json:"since"` // when it became pending
	Time   time.Time `json:"time"`
}

// RunInfo announces a run.
type RunInfo struct {
	Run     string    `json:"run"`
	Plan    string    `json:"plan"`
	Only    string    `json:"only,omitempty"` // the part of the plan that it is for; empty: all
	Started time.Time `json:"started"`
	// Recovery says that this is an interrupted run that is being finished.
	Recovery bool `json:"recovery,omitempty"`
}

// Progress is the progress of one action. Sizes are in bytes.
type Progress struct {
	Run    string    `json:"run"`
	Task   string    `json:"task"`
	Action string    `json:"action"` // for example "capture/persisted/1"
	Bytes  int64     `json:"bytes"`
	Total  int64     `json:"total,omitempty"` // 0: unknown
	Time   time.Time `json:"time"`
}

// Log is a line of output of a program that ran for a task or a run.
type Log struct {
	Run    string    `json:"run"`
	Task   string    `json:"task,omitempty"`
	Time   time.Time `json:"time"`
	Stream string    `json:"stream"` // stdout, stderr, plugin, guard
	Text   string    `json:"text"`
}

// Summary is the result of a run.
type Summary struct {
	Run      string `json:"run"`
	Plan     string `json:"plan"`
	Only     string `json:"only,omitempty"` // the part of the plan that it was for; empty: all
	Code     string `json:"code"`
	Message  string `json:"message"`
	ExitCode int    `json:"exit_code"`
	// ProcessExit is the exit code of the process if something other than the run
	// decides it; ProcessWhy says what.
	ProcessExit int          `json:"process_exit_code,omitempty"`
	ProcessWhy  string       `json:"process_exit_why,omitempty"`
	Started     time.Time    `json:"started"`
	Ended       time.Time    `json:"ended"`
	Tasks       []TaskResult `json:"tasks"`
	Succeeded   int          `json:"succeeded"`
	Failed      int          `json:"failed"`
	Cancelled   int          `json:"cancelled"`
	Skipped     int          `json:"skipped"`
	Bytes       int64        `json:"bytes"`              // captured
	Withheld    int          `json:"withheld,omitempty"` // files that the devices do not give out, of all tasks
	// Warnings say which notifications failed and what to do.
	Warnings []string `json:"warnings,omitempty"`
	// Owed lists what could not be undone. Each entry ends with the command to type.
	Owed []string `json:"owed,omitempty"`
	// Evidence is the run's record; nil: it could not be written.
	Evidence *Evidence `json:"evidence,omitempty"`
}

// Evidence identifies the newest record of what was done. The record holds the digest
// of the one before. By keeping sequence and digest elsewhere, an auditor can prove
// that no record was cut off.
type Evidence struct {
	Sequence int64  `json:"sequence"`
	Digest   string `json:"digest"` // SHA-256, lower-case hex
	Signed   bool   `json:"signed"`
	// Missing lists destinations that lack some records, each with the reason. The next
	// run sends them again.
	Missing []string `json:"missing,omitempty"`
}

// TaskResult is one task of a summary.
type TaskResult struct {
	Task     string        `json:"task"`
	Activity string        `json:"activity"`
	Device   string        `json:"device"`
	Domain   string        `json:"domain,omitempty"`
	Code     string        `json:"code"`
	Message  string        `json:"message,omitempty"`
	Duration time.Duration `json:"duration_ns"`
	Bytes    int64         `json:"bytes,omitempty"`
	Files    []string      `json:"files,omitempty"` // where the copies are
	Causes   []Cause       `json:"causes,omitempty"`
	Warnings []string      `json:"warnings,omitempty"`
	// Withheld counts the files that the device does not give out, such as keys and
	// certificates. The manifest beside the copy names them.
	Withheld int `json:"withheld,omitempty"`
}
