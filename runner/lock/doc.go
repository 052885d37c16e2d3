// Package lock keeps runs and tasks from working on the same thing at once. Locks have
// a key and are shared or exclusive. They hold across processes and within one.
//
// A lock is a flock on a file. The kernel frees it when the last descriptor of the open
// file is closed. So it lasts exactly as long as its holder or a plugin that inherited
// the descriptor ([Lock.File]); kill -9 and a crash free it too.
//
// Waiters queue at the key's gate, a second file. Because of the gate, new shared locks
// do not overtake a waiter for an exclusive lock.
//
// The tasks of a run share their lock of a device: the process takes it with the first
// task and frees it with the last. A waiter at the gate comes before the next task that
// would share the lock. Between two tasks the files stay open but unlocked.
//
// Every holder leaves a note ([Info]) for messages. Notes decide nothing. [Locks.Left]
// finds a note that outlived its holder, and the next exclusive holder removes or
// overwrites it.
package lock
