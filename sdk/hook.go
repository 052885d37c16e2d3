package sdk

import (
	"context"
	"encoding/json"
)

// Hook is one configured script. Every error is a *failure.Error.
type Hook interface {
	// Run runs the script once and returns how it ended. A script that exits
	// with a non-zero code is a report, not an error. A script that could not
	// be started, or that the context ended, is an error. When Run returns,
	// every process that it started has ended. output receives what the script
	// prints, in order; the plugin limits how much.
	Run(ctx context.Context, r RunRequest, output func(Output)) (*RunReport, error)
	// Close releases the instance.
	Close() error
}

// RunRequest tells a script what it runs for.
type RunRequest struct {
	// Context is a JSON object for the script's standard input: run, plan,
	// activity, device, domain, status …; see package script.
	Context json.RawMessage
	// Env holds the DPRUN_* variables. It never holds a secret.
	Env map[string]string
	// Dir is the absolute path of the plan's directory. The script runs there
	// unless its configuration names another directory; empty: anywhere.
	Dir string
	// Arguments are appended to the script's own.
	Arguments []string
}

// Stream names an output stream of a script.
type Stream string

// The streams.
const (
	Stdout Stream = "stdout" // standard output
	Stderr Stream = "stderr" // standard error
)

// Output is a piece of what a script printed.
type Output struct {
	Stream Stream `json:"stream"` // where it was printed
	Text   string `json:"text"`   // valid UTF-8, any number of lines
}

// RunReport is how a script ended.
type RunReport struct {
	ExitCode int `json:"exit_code"` // 0: it succeeded
	// Outputs is the "outputs" object that the script printed on standard
	// output; nil: it printed none.
	Outputs map[string]json.RawMessage `json:"outputs,omitempty"`
	// Tail is the end of what the script printed on both streams.
	Tail string `json:"tail,omitempty"`
}
