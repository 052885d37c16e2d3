// Package plan is the plan language: it turns plan files into a compiled plan.
//
// It is pure: text and inputs in, a [Config] and diagnostics out. It opens no
// connection, starts no process and asks no clock; files are read through the
// [io/fs.FS] that it is given.
//
// [Load] reads the files, [Parse] understands their syntax and says which
// plugin types they need, [Compile] checks everything against the schemas of
// those plugins. Each returns what it could make out beside its diagnostics,
// so that one pass reports everything.
//
// Most arguments have one value. A destination's path, the configuration of
// scripts and activities and the domains of an activity are worked out for
// each task: they are kept as expressions, type-checked by [Compile] with the
// real devices, and evaluated by [Destination.PathFor], [Script.ConfigFor],
// [Activity.ConfigFor] and [Activity.DomainsFor], which may be called
// concurrently.
package plan
