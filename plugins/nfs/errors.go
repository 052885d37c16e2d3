package nfs

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"slices"
	"syscall"

	"github.com/dprun/dprun/plugins/nfs/nfsclient"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/store"
)

// errNotMounted and errHanging are the errors of a mounted directory that the
// operating system does not have.
var (
	errNotMounted = errors.New("it is not on a live NFS mount")
	errHanging    = errors.New("the mount does not answer")
)

// class is the meaning of an error.
type class struct {
	kind   failure.Kind
	reason failure.Reason
	remedy string
}

// explain adds kind, reason and remedy to an error of a tree; nil stays nil.
func explain(err error) error {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*failure.Error](err); ok {
		return f
	}
	c := classify(err)
	f := failure.New(c.kind, c.reason, "%w", err)
	f.Remedy = c.remedy
	return f
}

// doing is explain with what was being done.
func doing(what string, err error) error {
	if err == nil {
		return nil
	}
	return store.Explain(what, explain(err))
}

// notADirectory are the errors that mean that a file is in place of a needed directory.
var notADirectory = []error{nfsclient.ErrNotDir, syscall.ENOTDIR}

const (
	remedyServer = "check that the NFS server runs, and whether a firewall is in between"
	remedyMount  = "mount the export (if a stale mount is there, first find out who else uses it), or set server and export instead of mount"
)

func classify(err error) class {
	switch {
	case errors.Is(err, context.Canceled):
		return class{failure.Cancelled, "", ""}
	case errors.Is(err, errNotMounted):
		return class{failure.Precondition, failure.NotMounted, remedyMount}
	case errors.Is(err, errHanging):
		return class{failure.Timeout, failure.Unreachable, "check the NFS server and the mount"}
	case errors.Is(err, nfsclient.ErrVerifierChanged):
		return class{failure.Unavailable, failure.NotDurable, "look at the server's log: the server restarts while files are written"}
	case isOneOf(err, nfsclient.ErrNoSpc, nfsclient.ErrDQuot, syscall.ENOSPC, syscall.EDQUOT):
		return class{failure.NoSpace, failure.OutOfSpace, "make room on the server, or raise the quota"}
	case isOneOf(err, nfsclient.ErrROFS, syscall.EROFS):
		return class{failure.Denied, failure.ReadOnly, "export and mount the file system for writing"}
	case isOneOf(err, notADirectory...):
		return class{failure.NotFound, failure.NoDirectory, "a file is in place of a needed directory: name another directory, or change the destination's `path`"}
	case isOneOf(err, nfsclient.ErrStale, nfsclient.ErrBadHandle, syscall.ESTALE):
		return class{failure.Unavailable, failure.Unreachable, "the server exports something other than before; check the export"}
	case isOneOf(err, nfsclient.ErrNameTooLong, syscall.ENAMETOOLONG):
		return class{failure.Precondition, failure.BadConfig, "shorten the destination's `path`"}
	case isOneOf(err, nfsclient.MountErrAcces, nfsclient.MountErrPerm):
		return class{failure.Denied, failure.NoAccess, "check `export` (`showmount -e SERVER` lists the exports) and the server's list of clients"}
	case errors.Is(err, fs.ErrPermission):
		return class{failure.Denied, failure.NoAccess, "check the export's list of clients, uid and gid, root squashing and the directory's owner"}
	}
	return classifyRest(err)
}

// classifyRest classifies errors that may be wrapped in ones that say more.
func classifyRest(err error) class {
	var (
		mount    nfsclient.MountStatus
		status   nfsclient.Status
		rpc      *nfsclient.RPCError
		protocol *nfsclient.ProtocolError
		dial     *net.OpError // not net.Error, which every errno is
		name     *net.DNSError
	)
	switch {
	case errors.As(err, &mount) && mount == nfsclient.MountErrNoEnt:
		return class{failure.NotFound, failure.NoDirectory, "check `export`; `showmount -e SERVER` lists the exports"}
	case errors.Is(err, fs.ErrNotExist):
		return class{failure.NotFound, failure.NoSuchFile, ""}
	case errors.Is(err, nfsclient.ErrTimeout), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return class{failure.Timeout, failure.Unreachable, remedyServer}
	case errors.As(err, &dial) && dial.Timeout():
		return class{failure.Timeout, failure.Unreachable, remedyServer}
	case isOneOf(err, nfsclient.ErrDisconnected, nfsclient.ErrClosed), errors.As(err, &dial), errors.As(err, &name):
		return class{failure.Unavailable, failure.Unreachable, remedyServer}
	case errors.As(err, &rpc):
		return class{failure.Unavailable, failure.Unreachable, "the server must offer NFS version 3 over TCP; check nfs_port and mount_port"}
	case errors.As(err, &protocol):
		return class{failure.Unavailable, failure.Unreachable, "check that nfs_port and mount_port are those of an NFS server"}
	case errors.As(err, &status), errors.As(err, &mount), isOneOf(err, nfsclient.ErrNoProgress, syscall.EIO):
		return class{failure.Unavailable, "", "look at the server's log"}
	}
	return class{failure.Internal, "", ""}
}

func isOneOf(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(t error) bool { return errors.Is(err, t) })
}
