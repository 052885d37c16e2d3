// Command bench measures dprun beside the tools that do the same work without it.
//
// Absolute times say more about a machine than about a program, so every
// figure is a ratio: dprun and its peer take turns, round by round, on the same
// input against the same servers, and the median of the rounds' ratios counts.
// With -old the peer is an older dprun. docs/benchmarks.md says what the figures mean.
//
// Nothing is timed in a test: a target that is missed is printed as MISS and
// the program ends with 0. It ends with 1 when something could not be measured.
package main
