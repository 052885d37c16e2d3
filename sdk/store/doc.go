// Package store keeps files at a destination, all or nothing.
//
// A destination that has names, directories and some way to give a file
// another name implements [Files], a few operations on whole files, and gets
// from [Atomic] or [New] everything that dprun expects of a destination: temporary names,
// verification, durability, file modes, what to do about a name that is taken,
// clearing up, and checking all of it with a few bytes. The decisions are made
// here, once. An object store, whose objects appear whole and under their
// final name, implements [Objects], and gets the same from [NewObjects].
package store
