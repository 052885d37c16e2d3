package sftp

import (
	"context"
	"errors"
	"io"
	"net"
	"os"

	pkgsftp "github.com/pkg/sftp"

	"github.com/dprun/dprun/sdk/failure"
)

// Status codes of SFTP. Those above 8 belong to later drafts of the protocol;
// some servers use them in version 3 too.
const (
	statusNoSuchFile   = 2
	statusPermission   = 3
	statusFailure      = 4
	statusUnsupported  = 8
	statusWriteProtect = 12
	statusNoSpace      = 14
	statusQuota        = 15
)

// readOnlyFlag is ST_RDONLY in a statvfs reply.
const readOnlyFlag = 1

// status returns the SFTP status code of an error, or -1. The library has its
// own errors for two of the codes.
func status(err error) int {
	var s *pkgsftp.StatusError
	switch {
	case errors.As(err, &s):
		return int(s.Code)
	case errors.Is(err, os.ErrNotExist):
		return statusNoSuchFile
	case errors.Is(err, os.ErrPermission):
		return statusPermission
	}
	return -1
}

// lost reports whether an error means that the connection is lost.
func lost(err error) bool {
	var n net.Error
	return errors.Is(err, pkgsftp.ErrSSHFxConnectionLost) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.As(err, &n)
}

// explain turns the server's answer to an operation in dir into a failure that
// says why. SFTP has one code for everything from a full disk to a broken one,
// so explain asks the file system.
func (d *destination) explain(ctx context.Context, s *session, err error, dir string) *failure.Error {
	if f, ok := errors.AsType[*failure.Error](err); ok {
		return f
	}
	switch {
	case ctx.Err() != nil:
		return failure.From(ctx.Err())
	case s.stalled.Load():
		return failure.New(failure.Timeout, failure.Stalled, "%s did not answer a request for %s", d.config.addr(), d.config.StallTimeout).
			WithRemedy("look at the server's disk, quota and log; a server that is only slow needs a longer stall_timeout")
	case !s.alive() || lost(err):
		return failure.New(failure.Unavailable, failure.Unreachable, "the connection to %s was lost", d.config.addr()).
			WithRemedy("check the server and the network")
	case errors.Is(err, os.ErrNotExist):
		return failure.New(failure.NotFound, failure.NoSuchFile, "there is no such file or directory: %w", os.ErrNotExist)
	case errors.Is(err, os.ErrPermission):
		return failure.New(failure.Denied, failure.NoAccess, "the server refuses it: permission denied").
			WithRemedy("give user %s write permission in %s on the server; if the user has it, the SFTP service itself may be read-only (sftp-server -R)", d.config.Username, dir)
	}
	switch status(err) {
	case statusWriteProtect:
		return d.readOnly()
	case statusNoSpace, statusQuota:
		return d.noSpace("no room or quota left")
	case statusUnsupported:
		return failure.New(failure.Precondition, failure.Unsupported, "the server does not support it").
			WithRemedy("let the server's administrator allow it, or use another SFTP server")
	case statusFailure:
		if f := d.explainGeneric(s, dir); f != nil {
			return f
		}
	}
	return failure.New(failure.Unavailable, "", "the server reports a failure without a cause: %w", err).
		WithRemedy("look at the server's log; a full disk and a used-up quota of user %s are the usual causes", d.config.Username)
}

// explainWrite is explain for data that a server refused after it had accepted
// the file. If the server names no cause, all known servers mean a quota or a
// full disk, and waiting does not help.
func (d *destination) explainWrite(ctx context.Context, s *session, err error, dir string) *failure.Error {
	f := d.explain(ctx, s, err, dir)
	if f.Reason == "" && status(err) == statusFailure {
		f = d.noSpace("the server refuses more data and names no cause; usually a quota is used up or a disk is full")
		f.Remedy += "; if there is room, look at the server's log"
	}
	return f
}

// explainGeneric asks the file system of the nearest directory that exists.
func (d *destination) explainGeneric(s *session, dir string) *failure.Error {
	if !s.has(extStatVFS) {
		return nil
	}
	v, err := s.sftp.StatVFS(dir)
	if err != nil {
		if v, err = s.sftp.StatVFS(s.base); err != nil {
			return nil
		}
	}
	switch {
	case v.Flag&readOnlyFlag != 0:
		return d.readOnly()
	case v.Blocks > 0 && v.Bavail*v.Frsize < full:
		return d.noSpace("the file system is full")
	case v.Files > 0 && v.Favail == 0:
		return d.noSpace("the file system has no inode left")
	}
	return nil
}

// full is the room in bytes below which a file system that refused a write
// counts as full. Less than one packet's worth may be left over.
const full = 1 << 20

func (d *destination) readOnly() *failure.Error {
	return failure.New(failure.Denied, failure.ReadOnly, "the file system is mounted read-only").WithRemedy("mount it writable on the server")
}

func (d *destination) noSpace(why string) *failure.Error {
	return failure.New(failure.NoSpace, failure.OutOfSpace, "%s", why).
		WithRemedy("make room at %s, or raise the quota of user %s", d.config.location(d.config.Directory), d.config.Username)
}

func (d *destination) directoryRemedy() string {
	return "make it on the server, writable by user " + d.config.Username + ", or correct `directory`"
}
