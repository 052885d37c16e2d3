// Package engine runs the machines of package lifecycle: it starts the actions
// that they want in flight, cancels those that they no longer want, journals
// what came back and publishes the statuses.
//
// One goroutine owns the machine. Every event is applied there, in batches:
// apply, commit (events, statuses and obligations in one transaction), publish,
// start. Nothing is published before the commit that holds it, and nothing is
// sent before it that could not be sent again: an action that must not be
// repeated, one that pays what is owed, and a store wait for the commit. What
// can be repeated begins at once, and its events may wait a moment for others,
// to be committed together. There is one exception: when the journal cannot be
// written, what is owed to a device is still done.
package engine
