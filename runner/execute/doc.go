// Package execute does the actions that the machines want: it turns each into
// calls of plugins, of the staging area and of the locks, and brings back the
// result. It decides nothing: what a failure means is the machines' word.
package execute
