// Package engine runs the machines of package lifecycle. It starts the actions
// that they want in flight, cancels those that they no longer want, journals the
// results and publishes the statuses.
//
// One goroutine owns the machine. It applies events in batches: apply, commit
// (events, statuses and obligations in one transaction), publish, start. It
// publishes nothing before the commit that holds it. Three kinds of action wait
// for the commit: one that must not be repeated, one that undoes an obligation,
// and a store. An action that can be repeated starts at once, and its events may
// wait a moment to be committed together with others. There is one exception:
// when the journal cannot be written, the engine still does what must be undone
// on a device.
package engine
