// Package journal is dprun's memory: runs, what happened in them, what must be
// undone on devices, and a few facts that later runs need.
//
// It is one SQLite file in write-ahead mode with synchronous=FULL. If a call
// returns without an error, everything that it wrote is durable; if it returns
// an error, none of it was written. One connection writes, several read; other
// processes may have the same file open. Times are stored as nanoseconds since
// 1970 in UTC; zero means no time.
//
// For an unfinished run it keeps entries, one for each commit, from which the
// run can be replayed. For a finished run it keeps what is shown: a row for each
// task, and a body with the task's history and the places of its copies.
//
// No secret is ever handed to this package.
package journal
