// Package execute does the actions that the machines want. It turns each action
// into calls of plugins, of the staging area and of the locks, and brings back
// the result. It decides nothing: the machines say what a failure means.
package execute
