// Package journal is what dprun remembers: runs, what happened in them, what
// is owed to devices, and a few facts that later runs need.
//
// It is one SQLite file in write-ahead mode with synchronous=FULL. Whatever a
// call has written is durable when the call returns without an error, and
// nothing of it is there when it returns one. One connection writes, several
// read; other processes may have the same file open. Times are stored as
// nanoseconds since 1970 in UTC, zero being no time.
//
// Of an unfinished run it keeps entries, one for each commit, from which the run
// can be replayed. Of a finished one it keeps what is shown: a row for each
// task, and a body with its history and where its copies are.
//
// No secret is ever handed to this package.
package journal
