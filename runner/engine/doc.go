// Package engine runs the machines of package lifecycle: it starts the actions
// that they want in flight, cancels those that they no longer want, journals
// what came back and publishes the statuses.
//
// One goroutine owns the machine. Every event is applied there, in batches:
// apply, commit (events, statuses and obligations in one transaction), publish,
// start. Nothing is published or sent before the commit that holds it, with
// one exception: when the journal cannot be written, what is owed to a device
// is still done.
package engine
