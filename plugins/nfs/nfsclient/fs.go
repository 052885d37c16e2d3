package nfsclient

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

const (
	maxName     = 255
	maxDepth    = 64
	defaultFile = 0o640
)

// split splits a path into its names. It refuses a path that leaves the export.
func split(path string) ([]string, error) {
	var names []string
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || name == "." {
			continue
		}
		if err := checkName(name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	if len(names) > maxDepth {
		return nil, ErrNameTooLong
	}
	return names, nil
}

func checkName(name string) error {
	switch {
	case len(name) > maxName:
		return ErrNameTooLong
	case name == "" || name == "." || name == "..", strings.ContainsAny(name, "/\x00"):
		return fmt.Errorf("%q is not a file name: %w", name, ErrInval)
	}
	return nil
}

// walk looks up one name after the other, starting at the root.
func (f *FS) walk(ctx context.Context, names []string) (handle, Attr, error) {
	if len(names) == 0 {
		a, err := f.nfs.getAttr(ctx, f.root)
		return f.root, a, err
	}
	h := f.root
	var a Attr
	for i, name := range names {
		var err error
		if h, a, err = f.nfs.lookup(ctx, h, name); err != nil {
			return nil, Attr{}, err
		}
		if i < len(names)-1 && !a.IsDir() {
			return nil, Attr{}, ErrNotDir
		}
	}
	return h, a, nil
}

// parent returns the handle of the directory that holds path, and the last name of path.
func (f *FS) parent(ctx context.Context, path string) (handle, string, error) {
	names, err := split(path)
	if err != nil {
		return nil, "", err
	}
	if len(names) == 0 {
		return nil, "", fmt.Errorf("the export's root cannot be changed: %w", ErrInval)
	}
	last := len(names) - 1
	if last == 0 {
		return f.root, names[0], nil
	}
	dir, a, err := f.walk(ctx, names[:last])
	if err == nil && !a.IsDir() {
		err = ErrNotDir
	}
	return dir, names[last], err
}

func (f *FS) find(ctx context.Context, path string) (handle, Attr, error) {
	names, err := split(path)
	if err != nil {
		return nil, Attr{}, err
	}
	return f.walk(ctx, names)
}

// Stat returns the attributes of path. It does not follow a symbolic link.
func (f *FS) Stat(ctx context.Context, path string) (Attr, error) {
	_, a, err := f.find(ctx, path)
	return a, opError("stat", path, err)
}

// StatFS returns the space of the file system that holds path.
func (f *FS) StatFS(ctx context.Context, path string) (Space, error) {
	h, _, err := f.find(ctx, path)
	if err != nil {
		return Space{}, opError("statfs", path, err)
	}
	s, err := f.nfs.fsStat(ctx, h)
	return s, opError("statfs", path, err)
}

// MkdirAll makes the directory path and the missing ones above it.
func (f *FS) MkdirAll(ctx context.Context, path string) error {
	return opError("mkdir", path, f.mkdirAll(ctx, path))
}

func (f *FS) mkdirAll(ctx context.Context, path string) error {
	names, err := split(path)
	if err != nil {
		return err
	}
	dir := f.root
	for _, name := range names {
		next, a, err := f.nfs.lookup(ctx, dir, name)
		if errors.Is(err, ErrNoEnt) {
			next, err = f.nfs.mkdir(ctx, dir, name, f.dirMode())
			a.Type = Directory
			if errors.Is(err, ErrExist) { // somebody else was faster
				next, a, err = f.nfs.lookup(ctx, dir, name)
			}
		}
		if err != nil {
			return err
		}
		if !a.IsDir() {
			return ErrNotDir
		}
		dir = next
	}
	return nil
}

// dirMode returns the mode of new directories.
func (f *FS) dirMode() uint32 { return f.fileMode | f.fileMode&0o444>>2 | 0o300 }

// Create makes the file path. If it exists, it fails with ErrExist.
func (f *FS) Create(ctx context.Context, path string) (*File, error) {
	dir, name, err := f.parent(ctx, path)
	if err != nil {
		return nil, opError("create", path, err)
	}
	h, err := f.nfs.create(ctx, dir, name, f.fileMode)
	if err != nil {
		return nil, opError("create", path, err)
	}
	return f.newFile(h, path), nil
}

// Open opens a regular file for reading.
func (f *FS) Open(ctx context.Context, path string) (*File, error) {
	h, a, err := f.find(ctx, path)
	if err == nil && !a.IsRegular() {
		err = fmt.Errorf("not a regular file: %w", ErrInval)
	}
	if err != nil {
		return nil, opError("open", path, err)
	}
	return f.newFile(h, path), nil
}

// Link gives a file another name. If the name is taken it fails with ErrExist.
// Servers whose file system has no links answer ErrNotSupp, or refuse in another
// way. After a lost connection (ErrDisconnected) it may have happened or not.
func (f *FS) Link(ctx context.Context, file, name string) error {
	h, _, err := f.find(ctx, file)
	if err != nil {
		return opError("link", file, err)
	}
	dir, last, err := f.parent(ctx, name)
	if err != nil {
		return opError("link to", name, err)
	}
	return opError("link", file+" to "+name, f.nfs.link(ctx, h, dir, last))
}

// Rename renames a file and replaces what has the new name. After a lost
// connection (ErrDisconnected) it may have happened or not.
func (f *FS) Rename(ctx context.Context, from, to string) error {
	fromDir, fromName, err := f.parent(ctx, from)
	if err != nil {
		return opError("rename", from, err)
	}
	toDir, toName, err := f.parent(ctx, to)
	if err != nil {
		return opError("rename to", to, err)
	}
	return opError("rename", from+" to "+to, f.nfs.rename(ctx, fromDir, fromName, toDir, toName))
}

// Remove removes a file.
func (f *FS) Remove(ctx context.Context, path string) error {
	return f.unlink(ctx, "remove", procRemove, path)
}

// RemoveDir removes an empty directory.
func (f *FS) RemoveDir(ctx context.Context, path string) error {
	return f.unlink(ctx, "rmdir", procRmdir, path)
}

func (f *FS) unlink(ctx context.Context, op string, proc uint32, path string) error {
	dir, name, err := f.parent(ctx, path)
	if err == nil {
		err = f.nfs.remove(ctx, proc, dir, name)
	}
	return opError(op, path, err)
}
