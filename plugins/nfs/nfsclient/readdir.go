package nfsclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

const (
	dirBytes   = 32 << 10 // of one READDIRPLUS reply, names and attributes
	maxEntries = 1 << 20  // of one directory
)

// DirEntry is a file in a directory.
type DirEntry struct {
	Name string
	Attr Attr
}

// ReadDir returns the content of the directory, without "." and "..", sorted by name.
func (f *FS) ReadDir(ctx context.Context, path string) ([]DirEntry, error) {
	h, a, err := f.find(ctx, path)
	if err == nil && !a.IsDir() {
		err = ErrNotDir
	}
	if err != nil {
		return nil, opError("readdir", path, err)
	}
	entries, err := f.readDir(ctx, h)
	if err != nil {
		return nil, opError("readdir", path, err)
	}
	slices.SortFunc(entries, func(x, y DirEntry) int { return cmp.Compare(x.Name, y.Name) })
	return entries, nil
}

// dirPage is one reply to READDIRPLUS.
type dirPage struct {
	entries []rawEntry
	verf    verifier
	eof     bool
}

type rawEntry struct {
	DirEntry
	cookie uint64
	known  bool // the server sent the attributes too
}

func (f *FS) readDir(ctx context.Context, dir handle) ([]DirEntry, error) {
	var (
		all    []DirEntry
		cookie uint64
		verf   verifier
	)
	for {
		page, err := f.nfs.readDirPlus(ctx, dir, cookie, verf)
		if err != nil {
			return nil, err
		}
		for _, e := range page.entries {
			if e.Name == "." || e.Name == ".." {
				continue
			}
			if !e.known {
				_, e.Attr, err = f.nfs.lookup(ctx, dir, e.Name)
				if errors.Is(err, ErrNoEnt) {
					continue // it was removed meanwhile
				}
				if err != nil {
					return nil, err
				}
			}
			all = append(all, e.DirEntry)
		}
		if page.eof {
			return all, nil
		}
		if len(page.entries) == 0 || len(all) > maxEntries {
			return nil, &ProtocolError{fmt.Sprintf("a directory that does not end (%d entries so far)", len(all))}
		}
		cookie, verf = page.entries[len(page.entries)-1].cookie, page.verf
	}
}

func (c *client) readDirPlus(ctx context.Context, dir handle, cookie uint64, verf verifier) (page dirPage, err error) {
	var e encoder
	e.opaque(dir)
	e.u64(cookie)
	e.fixed(verf[:])
	e.u32(dirBytes)
	e.u32(dirBytes)
	req := nfsRequest(procReadDirPlus, true, e)
	err = c.roundTrip(ctx, req, func(d *decoder) (err error) {
		page, err = decodeDirPage(d)
		return err
	})
	return page, err
}

func decodeDirPage(d *decoder) (page dirPage, err error) {
	if err := d.status(); err != nil {
		return page, err
	}
	d.postOpAttr()
	page.verf = d.verifier()
	for d.bool() {
		var e rawEntry
		d.u64() // file id
		e.Name = d.str(maxName)
		e.cookie = d.u64()
		e.Attr, e.known = d.postOpAttr()
		if d.bool() {
			d.opaque(maxHandle)
		}
		if d.err != nil {
			break
		}
		if e.Name != "." && e.Name != ".." && checkName(e.Name) != nil {
			return page, &ProtocolError{fmt.Sprintf("a directory entry named %q", e.Name)}
		}
		page.entries = append(page.entries, e)
	}
	page.eof = d.bool()
	if d.err != nil {
		return page, &ProtocolError{d.err.Error()}
	}
	return page, nil
}
