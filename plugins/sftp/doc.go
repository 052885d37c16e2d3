// Package sftp is the destination plugin "sftp": files on an SSH server.
//
// A copy is written under a temporary name in its final directory with many
// requests in flight, synced with fsync@openssh.com and verified. It is
// published by a rename that replaces nothing. The server's key must be in the
// known_hosts file: nothing is trusted on first use.
//
// Sessions are pooled, with one connection each. A call that is given up cuts
// its connection, because the protocol has no other way to stop a request, and
// removes its temporary file over a new one.
package sftp
