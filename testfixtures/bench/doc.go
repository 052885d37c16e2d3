// Command bench measures dprun beside the tools that do the same work without it.
//
// Absolute times say more about a machine than about a program, so every figure is a
// ratio. dprun and its peer take turns, round by round, with the same input and the
// same servers. The result is the median of the rounds' ratios. With -old the peer is
// an older dprun. docs/benchmarks.md says what the figures mean.
//
// No test depends on a time. A missed target is printed as MISS, and the program still
// ends with 0. It ends with 1 if something could not be measured.
package main
