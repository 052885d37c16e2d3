// Package file stores files in a directory of a local file system.
//
// A file is written under a temporary name beside its final one, made durable,
// verified and then published under a name that nothing else has. Every path
// is resolved below the directory by the kernel's own means (os.Root), so that
// neither ".." nor a symbolic link leads out of it.
package file
