// Package staging keeps captured files until every destination has them.
//
// A plugin writes a capture into an empty private directory ([Staging.Capture]),
// which is then sealed ([Dir.Seal]). The host trusts no claim: it looks at what
// is there, measures and hashes every file itself, makes files and directories
// durable, and makes the files read-only. Only sealed files are stored.
//
// The layout is RUN/TASK/VARIANT-N/files. TASK is readable, and mostly gives the
// task's ID back. N counts attempts, so that a late writer of an attempt that
// was given up cannot reach the next one. A finished task leaves its
// directories, empty, to the next task of the run: making directories costs more
// than everything else here.
package staging
