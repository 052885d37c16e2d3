// Package sshd starts a real OpenSSH server for tests and benchmarks.
//
// Every [Server] is an sshd process of its own. It listens on a free port of 127.0.0.1,
// has its own host keys and user key, and offers only internal-sftp. It runs as root
// and as an ordinary user. As root, sessions run as "nobody", so that file modes have
// an effect.
//
// If a machine has no sshd, the test fails and names `make deps`. It is never skipped.
package sshd
