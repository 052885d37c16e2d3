// Package view shows what commands have to say. Commands never print: they
// hand structs to a [View], which is either the human one or the JSON one.
// Both are made from the same structs, so they cannot drift apart.
//
// Standard output holds the result. Progress, warnings and diagnostics of the
// human view go to standard error; the JSON view puts everything on standard
// output, one object a line.
package view
