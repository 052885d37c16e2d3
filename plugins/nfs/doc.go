// Package nfs is the destination plugin "nfs": files on an NFS server.
//
// It reaches the server in one of two ways. With `server` and `export` it speaks
// NFS version 3 itself (package nfsclient). That needs no mount, and no privilege
// except that of a low port. With `mount` it writes to a directory that the
// operating system has mounted. It first makes sure that this is a live NFS mount,
// not the empty directory below one.
//
// A copy is written under a temporary name in its final directory, made durable on
// the server (COMMIT, or fsync) and verified. It is published by a link, which
// never replaces, or by a rename if the server has no links.
package nfs
