package nfsclient

import (
	"encoding/binary"
	"fmt"
)

// Program numbers, versions and sizes of RFC 1813, RFC 1833 and RFC 5531.
const (
	progPortmap, versPortmap = 100000, 2
	progNFS, versNFS         = 100003, 3
	progMount, versMount     = 100005, 3

	rpcVersion    = 2
	authNone      = 0
	authSys       = 1
	maxAuthBytes  = 400
	maxGroups     = 16
	lastFragment  = 1 << 31
	maxTransfer   = 1 << 20              // largest READ or WRITE that is asked for
	maxRecord     = maxTransfer + 64<<10 // largest reply that is accepted
	maxFragments  = 1024                 // of one reply
	recordMarkLen = 4
)

// credential is an encoded AUTH_SYS credential (RFC 5531 appendix A).
type credential []byte

func newCredential(machine string, uid, gid uint32, groups []uint32) credential {
	if len(machine) > 255 {
		machine = machine[:255]
	}
	if len(groups) > maxGroups {
		groups = groups[:maxGroups]
	}
	var body encoder
	body.u32(0) // stamp
	body.str(machine)
	body.u32(uid)
	body.u32(gid)
	body.u32(uint32(len(groups)))
	for _, g := range groups {
		body.u32(g)
	}
	var e encoder
	e.u32(authSys)
	e.opaque(body.b)
	e.u32(authNone) // verifier
	e.u32(0)
	return e.b
}

// request is one remote call. It is kept so that it can be sent again.
type request struct {
	prog, vers, proc uint32
	// args are the encoded arguments. If data is not empty, args ends with its
	// length, and data follows as XDR opaque data without being copied.
	args []byte
	data []byte
	// replay marks a call whose effect is the same if it is sent twice.
	replay bool
}

// appendHeader appends the record mark and the call header to e.
func (r *request) appendHeader(e *encoder, xid uint32, cred credential) {
	start := len(e.b)
	e.u32(0) // record mark, set below
	e.u32(xid)
	e.u32(0) // CALL
	e.u32(rpcVersion)
	e.u32(r.prog)
	e.u32(r.vers)
	e.u32(r.proc)
	e.b = append(e.b, cred...)
	e.b = append(e.b, r.args...)
	n := len(e.b) - start - recordMarkLen + len(r.data) + padding(len(r.data))
	binary.BigEndian.PutUint32(e.b[start:], uint32(n)|lastFragment)
}

// parseReply checks the header of a reply and returns its results.
func parseReply(record []byte) (uint32, decoder, error) {
	d := decoder{b: record}
	xid := d.u32()
	if kind := d.u32(); d.err == nil && kind != 1 {
		return xid, d, &ProtocolError{fmt.Sprintf("message type %d is not a reply", kind)}
	}
	switch state := d.u32(); {
	case d.err != nil:
	case state == 0:
		return acceptedReply(xid, d)
	case state == 1:
		return deniedReply(xid, d)
	default:
		return xid, d, &ProtocolError{fmt.Sprintf("reply state %d", state)}
	}
	return xid, d, &ProtocolError{"reply header: " + d.err.Error()}
}

var acceptNames = map[uint32]string{
	1: "PROG_UNAVAIL", 2: "PROG_MISMATCH", 3: "PROC_UNAVAIL", 4: "GARBAGE_ARGS", 5: "SYSTEM_ERR",
}

func acceptedReply(xid uint32, d decoder) (uint32, decoder, error) {
	d.u32() // verifier flavor
	d.opaque(maxAuthBytes)
	state := d.u32()
	if d.err != nil {
		return xid, d, &ProtocolError{"reply header: " + d.err.Error()}
	}
	if state == 0 {
		return xid, d, nil
	}
	if name, ok := acceptNames[state]; ok {
		return xid, d, &RPCError{Reason: name}
	}
	return xid, d, &ProtocolError{fmt.Sprintf("accept state %d", state)}
}

var authNames = map[uint32]string{
	1: "AUTH_BADCRED", 2: "AUTH_REJECTEDCRED", 3: "AUTH_BADVERF", 4: "AUTH_REJECTEDVERF", 5: "AUTH_TOOWEAK",
}

func deniedReply(xid uint32, d decoder) (uint32, decoder, error) {
	switch state := d.u32(); {
	case d.err != nil:
		return xid, d, &ProtocolError{"reply header: " + d.err.Error()}
	case state == 0:
		return xid, d, &RPCError{Reason: "RPC_MISMATCH"}
	case state == 1:
		why := d.u32()
		if d.err != nil {
			return xid, d, &ProtocolError{"reply header: " + d.err.Error()}
		}
		if name, ok := authNames[why]; ok {
			return xid, d, &RPCError{Reason: name, Auth: true}
		}
		return xid, d, &RPCError{Reason: fmt.Sprintf("AUTH_%d", why), Auth: true}
	default:
		return xid, d, &ProtocolError{fmt.Sprintf("denial state %d", state)}
	}
}
