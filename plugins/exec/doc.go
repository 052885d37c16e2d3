// Package exec runs scripts from an argument vector, without a shell.
//
// A script gets a JSON object on standard input, DPRUN_* variables, and its
// secrets as files in a private directory. Secrets are never in its arguments or
// its environment. Its output is passed on up to a limit. The script runs in its
// own process group, and when a run is over no process of that group is alive.
package exec
