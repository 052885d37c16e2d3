// Package lifecycle holds the two machines that decide everything a run does.
// [Task] walks one task through the phases of the status table. [Run] makes the
// decisions between tasks: expansion, plan gate, windows, error policy, order,
// limits, breaker, exit code.
//
// Both machines are pure: no I/O, no goroutine, no clock. Apply folds journalled
// events into them, and Pending returns the actions that should be in flight
// now. Pending is level-triggered: the engine starts new actions, cancels those
// that disappeared, and returns one Finished event for each action ID. A result
// for an ID that is no longer pending is recorded and ignored. Time comes only
// from events. Timers are actions, and an action may carry the earliest instant
// at which it may start, so polling and backoff belong to the machines too.
//
// No other package chooses a status code of package status.
package lifecycle
