// Package offspring ends processes that a plugin started and did not end: those
// that left its process group, as a daemon does, and so outlive it.
//
// It recognises them by the plugin's private directory, whose name is random: it
// is in the environment that they inherited, or they run in it. It does not find
// a process that has cleared its environment and changed its directory, nor one
// of another user. Only Linux can tell; elsewhere nothing is done.
package offspring
