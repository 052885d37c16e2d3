// Package fabricate makes the files that a gateway hands out: configuration exports,
// multi-domain backups and secure-backup files.
//
// The files depend only on the input. They have the layout, names, modes and checksums
// of real exports and exactly the requested size, and they compress as well as real
// configuration does (more than five times). Making them is fast, because bulk entries
// repeat a few texts that are compressed and hashed once.
package fabricate
