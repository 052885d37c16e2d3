package nfsclient

import (
	"errors"
	"fmt"
	"io/fs"
)

// Status is an NFS version 3 status other than NFS3_OK (RFC 1813 §2.6). It is
// an error; compare it with errors.Is.
type Status uint32

// The statuses of RFC 1813, named as there.
const (
	ErrPerm        Status = 1
	ErrNoEnt       Status = 2
	ErrIO          Status = 5
	ErrNXIO        Status = 6
	ErrAcces       Status = 13
	ErrExist       Status = 17
	ErrXDev        Status = 18
	ErrNoDev       Status = 19
	ErrNotDir      Status = 20
	ErrIsDir       Status = 21
	ErrInval       Status = 22
	ErrFBig        Status = 27
	ErrNoSpc       Status = 28
	ErrROFS        Status = 30
	ErrMLink       Status = 31
	ErrNameTooLong Status = 63
	ErrNotEmpty    Status = 66
	ErrDQuot       Status = 69
	ErrStale       Status = 70
	ErrRemote      Status = 71
	ErrBadHandle   Status = 10001
	ErrNotSync     Status = 10002
	ErrBadCookie   Status = 10003
	ErrNotSupp     Status = 10004
	ErrTooSmall    Status = 10005
	ErrServerFault Status = 10006
	ErrBadType     Status = 10007
	ErrJukebox     Status = 10008
)

var statusText = map[Status][2]string{
	ErrPerm:        {"PERM", "not owner"},
	ErrNoEnt:       {"NOENT", "no such file or directory"},
	ErrIO:          {"IO", "input/output error on the server"},
	ErrNXIO:        {"NXIO", "no such device on the server"},
	ErrAcces:       {"ACCES", "permission denied"},
	ErrExist:       {"EXIST", "file exists"},
	ErrXDev:        {"XDEV", "rename across file systems"},
	ErrNoDev:       {"NODEV", "no such device"},
	ErrNotDir:      {"NOTDIR", "not a directory"},
	ErrIsDir:       {"ISDIR", "is a directory"},
	ErrInval:       {"INVAL", "invalid argument"},
	ErrFBig:        {"FBIG", "file too large"},
	ErrNoSpc:       {"NOSPC", "no space left on the server's file system"},
	ErrROFS:        {"ROFS", "read-only file system"},
	ErrMLink:       {"MLINK", "too many links"},
	ErrNameTooLong: {"NAMETOOLONG", "name too long"},
	ErrNotEmpty:    {"NOTEMPTY", "directory not empty"},
	ErrDQuot:       {"DQUOT", "quota exceeded"},
	ErrStale:       {"STALE", "stale file handle"},
	ErrRemote:      {"REMOTE", "too many levels of remote"},
	ErrBadHandle:   {"BADHANDLE", "bad file handle"},
	ErrNotSync:     {"NOT_SYNC", "update synchronisation mismatch"},
	ErrBadCookie:   {"BAD_COOKIE", "stale directory cookie"},
	ErrNotSupp:     {"NOTSUPP", "operation not supported"},
	ErrTooSmall:    {"TOOSMALL", "buffer too small"},
	ErrServerFault: {"SERVERFAULT", "error on the server"},
	ErrBadType:     {"BADTYPE", "type not supported"},
	ErrJukebox:     {"JUKEBOX", "the server asks to try later"},
}

// Name returns the status as RFC 1813 spells it, such as NFS3ERR_NOSPC.
func (s Status) Name() string {
	if t, ok := statusText[s]; ok {
		return "NFS3ERR_" + t[0]
	}
	return fmt.Sprintf("NFS3ERR_%d", uint32(s))
}

func (s Status) Error() string {
	if t, ok := statusText[s]; ok {
		return t[1] + " (" + s.Name() + ")"
	}
	return "unknown status (" + s.Name() + ")"
}

// Is makes a Status match the errors of io/fs that mean the same.
func (s Status) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return s == ErrNoEnt
	case fs.ErrExist:
		return s == ErrExist
	case fs.ErrPermission:
		return s == ErrPerm || s == ErrAcces
	}
	return false
}

// MountStatus is a refusal by the server's mount service (RFC 1813 §5.1.5).
type MountStatus uint32

// The refusals of RFC 1813.
const (
	MountErrPerm        MountStatus = 1
	MountErrNoEnt       MountStatus = 2
	MountErrIO          MountStatus = 5
	MountErrAcces       MountStatus = 13
	MountErrNotDir      MountStatus = 20
	MountErrInval       MountStatus = 22
	MountErrNameTooLong MountStatus = 63
	MountErrNotSupp     MountStatus = 10004
	MountErrServerFault MountStatus = 10006
)

// Name returns the status as RFC 1813 spells it, such as MNT3ERR_ACCES.
func (s MountStatus) Name() string {
	if t, ok := statusText[Status(s)]; ok {
		return "MNT3ERR_" + t[0]
	}
	return fmt.Sprintf("MNT3ERR_%d", uint32(s))
}

func (s MountStatus) Error() string {
	switch s {
	case MountErrNoEnt:
		return "no such export (" + s.Name() + ")"
	case MountErrAcces, MountErrPerm:
		return "there is no such export, or it is not offered to this client (" + s.Name() + ")"
	}
	if t, ok := statusText[Status(s)]; ok {
		return t[1] + " (" + s.Name() + ")"
	}
	return "refused (" + s.Name() + ")"
}

// Is makes a MountStatus match the errors of io/fs that mean the same.
func (s MountStatus) Is(target error) bool { return Status(s).Is(target) }

// Errors that are not statuses of a server.
var (
	// ErrVerifierChanged: the server's write verifier changed between a WRITE
	// and the COMMIT. Data that the server had only in memory may be lost, so
	// the file must be written again from its start (see [File.Rewind]).
	ErrVerifierChanged = errors.New("the server lost unwritten data (its write verifier changed); the file must be sent again")
	// ErrTimeout: the server accepted a connection but did not answer in time.
	ErrTimeout = errors.New("the server does not answer")
	// ErrClosed: the FS was closed.
	ErrClosed = errors.New("the NFS client is closed")
	// ErrDisconnected: the connection ended during a call. The server may or
	// may not have carried the call out.
	ErrDisconnected = errors.New("the connection to the server was lost")
	// ErrNoProgress: the server acknowledges writes of zero bytes.
	ErrNoProgress = errors.New("the server accepts a write but writes no bytes")
)

// OpError says which operation on which path failed.
type OpError struct {
	// Op is the operation, such as "write" or "mount".
	Op string
	// Path is the path within the export, or the export for a mount.
	Path string
	// Err is the cause: a Status, a MountStatus, a context's error or one of
	// this package's errors.
	Err error
}

func (e *OpError) Error() string {
	if e.Path == "" {
		return "nfs " + e.Op + ": " + e.Err.Error()
	}
	return "nfs " + e.Op + " " + e.Path + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *OpError) Unwrap() error { return e.Err }

func opError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &OpError{Op: op, Path: path, Err: err}
}

// ProtocolError reports a reply that the protocol does not allow.
type ProtocolError struct {
	// Detail says what is wrong with it.
	Detail string
}

func (e *ProtocolError) Error() string { return "the server sent a malformed reply: " + e.Detail }

// RPCError reports a call that the server's RPC layer refused (RFC 5531 §9).
type RPCError struct {
	// Reason is the refusal as RFC 5531 spells it, such as PROG_UNAVAIL.
	Reason string
	// Auth says that the server refused the credentials.
	Auth bool
}

func (e *RPCError) Error() string { return "the server refused the call: " + e.Reason }

// Is makes a refusal of credentials match [fs.ErrPermission].
func (e *RPCError) Is(target error) bool { return e.Auth && target == fs.ErrPermission }
