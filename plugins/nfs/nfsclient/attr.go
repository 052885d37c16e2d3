package nfsclient

import (
	"time"
)

// maxHandle is the longest file handle of version 3 (NFS3_FHSIZE).
const maxHandle = 64

// handle is the server's opaque name of a file.
type handle []byte

func (d *decoder) handle() handle {
	h := d.opaque(maxHandle)
	if d.err != nil {
		return nil
	}
	return append(handle(nil), h...)
}

// FileType is the kind of a file (ftype3).
type FileType uint32

// The kinds of RFC 1813 §2.5.
const (
	Regular     FileType = 1
	Directory   FileType = 2
	BlockDevice FileType = 3
	CharDevice  FileType = 4
	Symlink     FileType = 5
	Socket      FileType = 6
	FIFO        FileType = 7
)

// Attr holds a file's attributes as the server reported them.
type Attr struct {
	Type     FileType
	Mode     uint32 // permission bits
	NLink    uint32
	UID, GID uint32
	Size     uint64
	Used     uint64 // bytes on disk
	FSID     uint64
	FileID   uint64
	ATime    time.Time
	MTime    time.Time
	CTime    time.Time
}

// IsDir reports whether the file is a directory.
func (a Attr) IsDir() bool { return a.Type == Directory }

// IsRegular reports whether the file is a regular file.
func (a Attr) IsRegular() bool { return a.Type == Regular }

func (d *decoder) time() time.Time {
	s, ns := d.u32(), d.u32()
	return time.Unix(int64(s), int64(ns))
}

func (d *decoder) attr() Attr {
	var a Attr
	a.Type = FileType(d.u32())
	a.Mode = d.u32()
	a.NLink = d.u32()
	a.UID, a.GID = d.u32(), d.u32()
	a.Size, a.Used = d.u64(), d.u64()
	d.u64() // device numbers
	a.FSID, a.FileID = d.u64(), d.u64()
	a.ATime, a.MTime, a.CTime = d.time(), d.time(), d.time()
	return a
}

// postOpAttr reads attributes that a server may leave out.
func (d *decoder) postOpAttr() (Attr, bool) {
	if !d.bool() {
		return Attr{}, false
	}
	a := d.attr()
	return a, d.err == nil
}

// wcc skips weak cache consistency data, because this client keeps no cache.
func (d *decoder) wcc() {
	if d.bool() {
		d.take(24) // size, mtime, ctime before the operation
	}
	d.postOpAttr()
}

// SetAttr names the attributes to change; nil fields stay as they are.
type SetAttr struct {
	Mode, UID, GID *uint32
	Size           *uint64
}

func (e *encoder) setAttr(s SetAttr) {
	for _, p := range []*uint32{s.Mode, s.UID, s.GID} {
		e.bool(p != nil)
		if p != nil {
			e.u32(*p)
		}
	}
	e.bool(s.Size != nil)
	if s.Size != nil {
		e.u64(*s.Size)
	}
	e.u32(0) // leave atime
	e.u32(0) // leave mtime
}
