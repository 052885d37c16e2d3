// Package staging keeps captured files until every destination has them.
//
// A capture is written by a plugin into an empty private directory ([Staging.Capture])
// and then sealed ([Dir.Seal]): the host looks at what is there, trusts nothing
// that was claimed, measures and hashes every file itself, makes files and
// directories durable and the files read-only. Only what was sealed is stored.
//
// The layout is RUN/TASK/VARIANT-N/files, where TASK is readable, and mostly gives the
// task's ID back. N counts attempts, so that a late writer of an attempt that was given
// up cannot reach the next one. A task that is done leaves its directories, empty, to
// the run's next one: making directories costs more than all else here.
package staging
