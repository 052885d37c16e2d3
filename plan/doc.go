// Package plan is the plan language: it turns plan files into a compiled plan.
//
// It is pure: text and inputs in, a [Config] and diagnostics out. It opens no
// connection, starts no process and asks no clock. It reads files through the
// [io/fs.FS] that it is given.
//
// [Load] reads the files. [Parse] understands their syntax and says which plugin
// types they need. [Compile] checks everything against the schemas of those
// plugins. Each returns everything that it understood besides its diagnostics,
// so that one pass reports everything.
//
// Most arguments have one value. Four are worked out for each task: a
// destination's path, the configuration of scripts, that of activities, and the
// domains of an activity. They are kept as expressions. [Compile] type-checks
// them with the real devices; [Destination.PathFor], [Script.ConfigFor],
// [Activity.ConfigFor] and [Activity.DomainsFor] evaluate them, and may be
// called concurrently.
package plan
