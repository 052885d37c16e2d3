// Package fabricate makes the files a gateway would hand out: configuration
// exports, multi-domain backups and secure-backup files.
//
// What it makes is deterministic for its input, has the layout, names, modes
// and checksums of real exports, is exactly as large as asked for, and
// deflates the way real configuration does (more than five times). It is fast
// because bulk entries repeat a few texts that are compressed and hashed once.
package fabricate
