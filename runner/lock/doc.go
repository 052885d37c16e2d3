// Package lock excludes runs and tasks from each other: by key, shared or
// exclusive, across processes and within one.
//
// A lock is a flock on a file. The kernel frees it when the last descriptor
// of the open file is closed, so it survives its holder for as long as a
// plugin that inherited the descriptor ([Lock.File]) lives, and never longer:
// kill -9 and a crash free it as well.
//
// Who waits stands at the key's gate, a second file: one that waits for an
// exclusive lock is not overtaken by a stream of shared ones.
//
// Tasks of one run share their lock of a device: the process takes it with the first,
// and frees it with the last. Whoever waits at the gate comes before the next task that
// would share it. Between two tasks the files stay open, and unlocked.
//
// Every holder leaves a note ([Info]) for messages. Notes decide nothing; one
// that outlived its holder is found by [Locks.Left], and removed or
// overwritten by the next exclusive holder.
package lock
