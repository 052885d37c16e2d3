// Package exec runs scripts: an argument vector, no shell.
//
// A script gets a JSON object on standard input, DPRUN_* variables, and its
// secrets as files in a private directory; never in its arguments or its
// environment. Its output is passed on up to a bound. It runs in a process group
// of its own, and when a run is over no process of that group is alive.
package exec
