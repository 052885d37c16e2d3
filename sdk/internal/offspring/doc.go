// Package offspring ends processes that a plugin started and did not end: those
// that left its process group, as a daemon does, and so outlive it.
//
// It recognises them by the random name of the plugin's private directory: the
// name is in the environment that they inherited, or they run in that directory.
// It does not find a process that has cleared its environment and changed its
// directory, nor one of another user. It works on Linux; on other systems it
// does nothing.
package offspring
