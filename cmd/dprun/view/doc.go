// Package view shows the results of commands. Commands never print. They pass structs
// to a [View], which is either the human one or the JSON one. Both show the same
// structs, so they cannot drift apart.
//
// Standard output holds the result. The human view writes progress, warnings and
// diagnostics to standard error. The JSON view writes everything to standard output,
// one object a line.
package view
