// Package sshd starts a real OpenSSH server for tests and benchmarks.
//
// Every [Server] is an sshd process of its own: 127.0.0.1 only, a free port,
// its own host keys and user key, internal-sftp and nothing else. It runs
// both as root and as an ordinary user. As root, sessions run as "nobody", so
// that file modes mean something.
//
// A machine without sshd is an error that names `make deps`, never a
// reason to skip.
package sshd
