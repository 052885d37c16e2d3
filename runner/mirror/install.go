package mirror

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// packages is the directory of installed packages, below the directory of plugins.
const packages = "packages"

// Installed returns the directory of the package that an installed plugin's program
// belongs to; its last element is the version. It fails for a program that [Install]
// did not install.
func Installed(program string) (string, error) {
	target, err := filepath.EvalSymlinks(program)
	if err != nil {
		return "", err
	}
	if dir := filepath.Dir(target); filepath.Base(filepath.Dir(filepath.Dir(dir))) == packages {
		return dir, nil
	}
	return "", fmt.Errorf("%s was not installed by dprun init", program)
}

// Install copies the package with the given digest into the directory of plugins, and
// makes it the version in use. If that version is installed already, it is replaced.
// back makes the version before it the one in use again.
func Install(p Package, name, digest, plugins string) (back func() error, err error) {
	home := filepath.Join(plugins, packages, name)
	// The parent directory is private, also if this is the first use of the state
	// directory.
	if err := errors.Join(os.MkdirAll(plugins, 0o700), os.MkdirAll(home, 0o755)); err != nil {
		return nil, err
	}
	program := filepath.Join(plugins, Program(name))
	if info, err := os.Lstat(program); err == nil && info.Mode()&fs.ModeSymlink == 0 {
		return nil, fmt.Errorf("%s was put there by hand: remove it, so that the locked one can take its place", program)
	}
	fresh, err := os.MkdirTemp(home, ".new-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(fresh) }()
	if err := open(p.Path, func(files fs.FS) error { return copyFiles(files, fresh, Program(name)) }); err != nil {
		return nil, err
	}
	// The mirror may have changed meanwhile, so the copy is what must have the digest.
	if got, err := Digest(fresh); err != nil || got != digest {
		return nil, errors.Join(err, fmt.Errorf("the package %s has the digest %s, and %s was expected", p.Path, got, digest))
	}
	final := filepath.Join(home, p.Version)
	if err := os.RemoveAll(final); err != nil {
		return nil, err
	}
	if err := os.Rename(fresh, final); err != nil {
		return nil, err
	}
	before, _ := os.Readlink(program)
	back = func() error {
		if before == "" {
			return os.Remove(program)
		}
		return lead(program, before, home)
	}
	return back, lead(program, filepath.Join(packages, name, p.Version, Program(name)), home)
}

// lead replaces a program by a link to another file, in one step.
func lead(program, to, home string) error {
	link := filepath.Join(home, ".link")
	_ = os.Remove(link)
	if err := os.Symlink(to, link); err != nil {
		return err
	}
	return os.Rename(link, program)
}

// copyFiles copies a package. Only the owner can write to the copy.
func copyFiles(files fs.FS, to, program string) error {
	if err := os.Chmod(to, 0o755); err != nil {
		return err
	}
	names, err := regular(files)
	if err != nil {
		return err
	}
	for _, name := range names {
		info, err := fs.Stat(files, name)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if info.Mode()&0o111 != 0 || name == program {
			mode = 0o755
		}
		if err := copyFile(files, name, filepath.Join(to, filepath.FromSlash(name)), mode); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(to, program)); err != nil {
		return fmt.Errorf("the package holds no %s", program)
	}
	return nil
}

func copyFile(files fs.FS, name, to string, mode fs.FileMode) error {
	in, err := files.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.LimitReader(in, maxPackage))
	return errors.Join(err, out.Sync(), out.Close())
}
