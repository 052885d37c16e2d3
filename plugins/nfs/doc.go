// Package nfs is the destination plugin "nfs": files on an NFS server.
//
// It reaches the server in one of two ways. With `server` and `export` it
// speaks NFS version 3 itself (package nfsclient), so that no mount and no
// privilege but that of a low port is needed. With `mount` it writes to a
// directory that the operating system has mounted, after making sure that what
// stands there is a live NFS mount and not the empty directory below one.
//
// A copy is written under a temporary name in its final directory, made durable
// on the server (COMMIT, or fsync), verified, and published by a link, which never
// replaces, or by a rename where the server has no links.
package nfs
