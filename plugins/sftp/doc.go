// Package sftp is the destination plugin "sftp": files on an SSH server.
//
// A copy is written under a temporary name in its final directory with many
// requests in flight, flushed with fsync@openssh.com, verified, and published
// by a rename that does not replace anything. The server's key must be in the
// known_hosts file: nothing is trusted on first use.
//
// Sessions are pooled, one connection each; a request that is given up cuts
// its connection, since the protocol has no other way to stop, and removes
// its temporary file over a fresh one.
package sftp
