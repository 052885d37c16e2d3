package runner

import "github.com/dprun/dprun/runner/state"

// StateDir says which state directory is meant: by a flag, else by the
// environment. It is not made.
func StateDir(flag string, env func(string) string) (string, error) { return state.Dir(flag, env) }
