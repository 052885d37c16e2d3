// Package plan is the plan language: it turns plan files into a compiled plan.
//
// It is pure: it takes text and inputs and returns a [Config] and diagnostics.
// It opens no connection, starts no process and asks no clock. It reads files
// only through the [io/fs.FS] that it is given.
//
// [Load] reads the files. [Parse] reads their syntax and says which plugin types
// they need. [Compile] checks everything against the schemas of those plugins.
// Besides diagnostics each returns everything that it understood, so that one
// pass reports everything.
//
// Most arguments have one value. Four are evaluated for each task: a
// destination's path, the configurations of scripts and of activities, and the
// domains of an activity. They are kept as expressions. [Compile] type-checks
// them with the real devices. [Destination.PathFor], [Script.ConfigFor],
// [Activity.ConfigFor] and [Activity.DomainsFor] evaluate them and may be called
// concurrently.
package plan
