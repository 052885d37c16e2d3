package sdk

import (
	"context"
	"encoding/json"
)

// Hook is one configured script. Every error is a *failure.Error.
type Hook interface {
	// Run runs the script once and returns how it ended. A script that ran
	// and returned non-zero is a report, not an error; one that could not be
	// started, or was ended by the context, is an error. When Run returns,
	// nothing that it started is still alive. output gets what the script
	// prints, in order, bounded by the plugin.
	Run(ctx context.Context, r RunRequest, output func(Output)) (*RunReport, error)
	// Close releases the instance.
	Close() error
}

// RunRequest is what a script is told.
type RunRequest struct {
	// Context is a JSON object: run, plan, activity, device, domain, status …; goes to stdin.
	Context json.RawMessage
	// Env holds DPRUN_* variables; no secret is among them.
	Env map[string]string
	// Dir is where the script runs unless its configuration says otherwise:
	// the absolute path of the plan's directory; empty: anywhere.
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
	// Outputs is the "outputs" object of its standard output, when it printed one.
	Outputs map[string]json.RawMessage `json:"outputs,omitempty"`
	// Tail is the end of what it printed on both streams.
	Tail string `json:"tail,omitempty"`
}
