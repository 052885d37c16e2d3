// Package journal is dprun's memory: runs, their histories, what must be undone
// on devices, and a few facts that later runs need.
//
// It is one SQLite file in write-ahead mode with synchronous=FULL. If a call
// returns without an error, everything that it wrote is durable; if it returns an
// error, it has written nothing. One connection writes and several read; other
// processes may have the same file open. Times are stored as nanoseconds since
// 1970 in UTC; zero means no time.
//
// For an unfinished run the journal keeps entries, one for each commit, from
// which the run can be replayed. For a finished run it keeps the parts that dprun
// shows: a row for each task, and a body with the task's history and the places
// of its copies.
//
// Callers never hand a secret to this package.
package journal
