// Package offspring ends what a plugin has started and not ended: processes
// that left its process group, as a daemon does, and so outlive it.
//
// They are told by the plugin's private directory, whose name is random: it
// stands in the environment that they inherited, or is where they run. One that
// has cleared its environment and changed its directory is not found, nor one
// of another user. Only Linux can tell; elsewhere nothing is done.
package offspring
