package nfsclient

import (
	"context"
	"fmt"
)

// Procedure numbers of RFC 1813 §3.
const (
	procNull        = 0
	procGetAttr     = 1
	procSetAttr     = 2
	procLookup      = 3
	procRead        = 6
	procWrite       = 7
	procCreate      = 8
	procMkdir       = 9
	procRemove      = 12
	procRmdir       = 13
	procRename      = 14
	procLink        = 15
	procReadDirPlus = 17
	procFSStat      = 18
	procFSInfo      = 19
	procCommit      = 21
)

// How far a WRITE was carried out (stable_how).
const (
	unstable = 0
	fileSync = 2
)

// verifier identifies one life of a server, from one restart to the next. Data
// written UNSTABLE is safe only if COMMIT returns the verifier that WRITE returned.
type verifier [8]byte

func (d *decoder) verifier() (v verifier) {
	copy(v[:], d.take(len(v)))
	return v
}

func nfsRequest(proc uint32, replay bool, args encoder) request {
	return request{prog: progNFS, vers: versNFS, proc: proc, args: args.b, replay: replay}
}

// status reads the status with which every NFS result starts.
func (d *decoder) status() error {
	s := d.u32()
	if d.err != nil {
		return &ProtocolError{d.err.Error()}
	}
	if s != 0 {
		return Status(s)
	}
	return nil
}

// nfs makes one call whose results follow a status of zero.
func (c *client) nfs(ctx context.Context, proc uint32, replay bool, args encoder, decode func(*decoder)) error {
	return c.roundTrip(ctx, nfsRequest(proc, replay, args), func(d *decoder) error {
		if err := d.status(); err != nil {
			return err
		}
		decode(d)
		return nil
	})
}

func (c *client) null(ctx context.Context) error {
	return c.roundTrip(ctx, nfsRequest(procNull, true, encoder{}), func(*decoder) error { return nil })
}

func (c *client) getAttr(ctx context.Context, h handle) (a Attr, err error) {
	var e encoder
	e.opaque(h)
	err = c.nfs(ctx, procGetAttr, true, e, func(d *decoder) { a = d.attr() })
	return a, err
}

func (c *client) setAttr(ctx context.Context, h handle, s SetAttr) error {
	var e encoder
	e.opaque(h)
	e.setAttr(s)
	e.bool(false) // no guard
	return c.nfs(ctx, procSetAttr, true, e, (*decoder).wcc)
}

// dirop encodes a directory and a name in it (diropargs3).
func (e *encoder) dirop(dir handle, name string) {
	e.opaque(dir)
	e.str(name)
}

// lookup finds name in dir. If the server left the attributes out, it asks for them.
func (c *client) lookup(ctx context.Context, dir handle, name string) (h handle, a Attr, err error) {
	var e encoder
	e.dirop(dir, name)
	var known bool
	err = c.nfs(ctx, procLookup, true, e, func(d *decoder) {
		h = d.handle()
		a, known = d.postOpAttr()
		d.postOpAttr()
	})
	if err == nil && !known {
		a, err = c.getAttr(ctx, h)
	}
	return h, a, err
}

// created reads the results of CREATE and MKDIR; the server may leave the handle out.
func (d *decoder) created() (h handle) {
	if d.bool() {
		h = d.handle()
	}
	d.postOpAttr()
	d.wcc()
	return h
}

// createGuarded is the createmode3 that refuses a name that exists.
const createGuarded = 1

// create makes a file that must not exist.
func (c *client) create(ctx context.Context, dir handle, name string, mode uint32) (h handle, err error) {
	var e encoder
	e.dirop(dir, name)
	e.u32(createGuarded)
	e.setAttr(SetAttr{Mode: &mode})
	err = c.nfs(ctx, procCreate, false, e, func(d *decoder) { h = d.created() })
	if err == nil && h == nil {
		h, _, err = c.lookup(ctx, dir, name)
	}
	return h, err
}

func (c *client) mkdir(ctx context.Context, dir handle, name string, mode uint32) (h handle, err error) {
	var e encoder
	e.dirop(dir, name)
	e.setAttr(SetAttr{Mode: &mode})
	err = c.nfs(ctx, procMkdir, false, e, func(d *decoder) { h = d.created() })
	if err == nil && h == nil {
		h, _, err = c.lookup(ctx, dir, name)
	}
	return h, err
}

func (c *client) remove(ctx context.Context, proc uint32, dir handle, name string) error {
	var e encoder
	e.dirop(dir, name)
	return c.nfs(ctx, proc, false, e, (*decoder).wcc)
}

func (c *client) rename(ctx context.Context, from handle, oldName string, to handle, newName string) error {
	var e encoder
	e.dirop(from, oldName)
	e.dirop(to, newName)
	return c.nfs(ctx, procRename, false, e, func(d *decoder) {
		d.wcc()
		d.wcc()
	})
}

// link gives a file another name, which must not be taken in the directory.
func (c *client) link(ctx context.Context, file, dir handle, name string) error {
	var e encoder
	e.opaque(file)
	e.dirop(dir, name)
	return c.nfs(ctx, procLink, false, e, func(d *decoder) {
		d.postOpAttr()
		d.wcc()
	})
}

// Space is the answer to FSSTAT.
type Space struct {
	// Total, Free and Available are bytes; Available is what this client's
	// user may still use.
	Total, Free, Available uint64
	// TotalFiles and FreeFiles count files.
	TotalFiles, FreeFiles uint64
}

func (c *client) fsStat(ctx context.Context, h handle) (s Space, err error) {
	var e encoder
	e.opaque(h)
	err = c.nfs(ctx, procFSStat, true, e, func(d *decoder) {
		d.postOpAttr()
		s.Total, s.Free, s.Available = d.u64(), d.u64(), d.u64()
		s.TotalFiles, s.FreeFiles = d.u64(), d.u64()
		d.u64() // files available to this user
		d.u32() // seconds for which this is valid
	})
	return s, err
}

// Limits is the answer to FSINFO.
type Limits struct {
	ReadMax, ReadPreferred   uint32
	WriteMax, WritePreferred uint32
	DirPreferred             uint32
	MaxFileSize              uint64
}

func (c *client) fsInfo(ctx context.Context, h handle) (l Limits, err error) {
	var e encoder
	e.opaque(h)
	err = c.nfs(ctx, procFSInfo, true, e, func(d *decoder) {
		d.postOpAttr()
		l.ReadMax, l.ReadPreferred = d.u32(), d.u32()
		d.u32() // read multiple
		l.WriteMax, l.WritePreferred = d.u32(), d.u32()
		d.u32() // write multiple
		l.DirPreferred = d.u32()
		l.MaxFileSize = d.u64()
		d.take(12) // time granularity, properties
	})
	return l, err
}

// writeRequest returns a request to write data at offset. It does not copy data.
func writeRequest(h handle, offset uint64, data []byte) request {
	e := encoder{make([]byte, 0, maxHandle+24)}
	e.opaque(h)
	e.u64(offset)
	e.u32(uint32(len(data)))
	e.u32(unstable)
	e.u32(uint32(len(data)))
	r := nfsRequest(procWrite, true, e)
	r.data = data
	return r
}

// written is the result of a WRITE.
type written struct {
	count     uint32
	committed uint32
	verf      verifier
}

func decodeWritten(d *decoder, asked int) (w written, err error) {
	if err := d.status(); err != nil {
		return w, err
	}
	d.wcc()
	w.count = d.u32()
	w.committed = d.u32()
	w.verf = d.verifier()
	switch {
	case d.err != nil:
		return w, &ProtocolError{d.err.Error()}
	case uint64(w.count) > uint64(asked):
		return w, &ProtocolError{fmt.Sprintf("%d bytes written of %d sent", w.count, asked)}
	case w.committed > fileSync:
		return w, &ProtocolError{fmt.Sprintf("write committed as %d", w.committed)}
	}
	return w, nil
}

func commitRequest(h handle) request {
	var e encoder
	e.opaque(h)
	e.u64(0)
	e.u32(0) // the whole file
	return nfsRequest(procCommit, true, e)
}

func decodeCommit(d *decoder) (v verifier, err error) {
	if err := d.status(); err != nil {
		return v, err
	}
	d.wcc()
	v = d.verifier()
	if d.err != nil {
		return v, &ProtocolError{d.err.Error()}
	}
	return v, nil
}

func readRequest(h handle, offset uint64, count int) request {
	e := encoder{make([]byte, 0, maxHandle+16)}
	e.opaque(h)
	e.u64(offset)
	e.u32(uint32(count))
	return nfsRequest(procRead, true, e)
}

// decodeRead returns the bytes read, which alias the reply, and whether the file ends after them.
func decodeRead(d *decoder, asked int) (data []byte, eof bool, err error) {
	if err := d.status(); err != nil {
		return nil, false, err
	}
	d.postOpAttr()
	count := d.u32()
	eof = d.bool()
	data = d.opaque(asked)
	switch {
	case d.err != nil:
		return nil, false, &ProtocolError{d.err.Error()}
	case int(count) != len(data):
		return nil, false, &ProtocolError{fmt.Sprintf("a read of %d bytes carries %d", count, len(data))}
	}
	return data, eof, nil
}
