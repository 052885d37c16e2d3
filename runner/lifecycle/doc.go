// Package lifecycle holds the two machines that decide everything a run does:
// [Task] walks one task through the phases of the status table, [Run] decides
// what is decided between tasks (expansion, plan gate, windows, error policy,
// order, limits, breaker, exit code).
//
// Both are pure: no I/O, no goroutine, no clock. They are folded from
// journalled events (Apply) and say what should be in flight now (Pending).
// Pending is level-triggered: the engine starts what is new, cancels what
// disappeared and returns one Finished event per action ID. A result for an ID
// that is no longer pending is recorded and ignored. Time comes from events
// alone; timers are actions, and an action may carry the instant before which
// it must not start, so polling and backoff live here as well.
//
// No status code of package status is chosen anywhere else.
package lifecycle
