// Package store keeps files at a destination, all or nothing.
//
// A destination that has names, directories and some way to rename a file
// implements [Files], a few operations on whole files. [Atomic] or [New] adds
// everything else that dprun expects of a destination: temporary names,
// verification, durability, file modes, names that are taken, cleaning up, and
// a check of all of it with a few bytes. An object store, whose objects appear
// whole and under their final name, implements [Objects]; [NewObjects] adds the
// same to it.
package store
