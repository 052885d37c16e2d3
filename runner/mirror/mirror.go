// Package mirror knows how plugins lie in a directory from which they are
// installed, and installs them: for each plugin, version and platform either a
// directory
//
//	HOST/NAMESPACE/NAME/VERSION/OS_ARCH/
//
// or an archive
//
//	HOST/NAMESPACE/NAME/dprun-plugin-NAME_VERSION_OS_ARCH.zip
//
// which hold the program, dprun-plugin-NAME, and whatever files it needs. That
// is the layout in which Terraform keeps providers. A package has one digest,
// over all its files and their names; it is the same for both forms.
package mirror

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
	"golang.org/x/mod/sumdb/dirhash"
)

// Program is the file name of a plugin's program.
func Program(name string) string { return "dprun-plugin-" + name }

// Package is a plugin's version for one platform.
type Package struct {
	Version  string // "1.2.0"
	Platform string // "linux_amd64"
	Path     string // of the directory or the archive
}

// Find lists the packages of a plugin in several mirrors, the newest version
// first. Of a version and platform that several hold, the first mirror's counts.
// A mirror that is not there is an error; one that does not hold the plugin is none.
func Find(mirrors []string, source string) ([]Package, error) {
	var all []Package
	for _, m := range mirrors {
		if info, err := os.Stat(m); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("the directory of plugins %s is not there, or is no directory", m)
		}
		dir := filepath.Join(m, filepath.FromSlash(source))
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look for plugins: %w", err)
		}
		for _, e := range entries {
			found, err := packagesOf(dir, path.Base(source), e)
			if err != nil {
				return nil, fmt.Errorf("look for plugins: %w", err)
			}
			for _, p := range found {
				if !slices.ContainsFunc(all, func(o Package) bool { return o.Version == p.Version && o.Platform == p.Platform }) {
					all = append(all, p)
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Package) int { return semver.Compare("v"+b.Version, "v"+a.Version) })
	return all, nil
}

// packagesOf reads one entry of a plugin's directory.
func packagesOf(dir, name string, e fs.DirEntry) ([]Package, error) {
	if rest, ok := strings.CutPrefix(e.Name(), Program(name)+"_"); ok && strings.HasSuffix(rest, ".zip") {
		version, platform, _ := strings.Cut(strings.TrimSuffix(rest, ".zip"), "_")
		if semver.IsValid("v"+version) && strings.Count(platform, "_") == 1 {
			return []Package{{version, platform, filepath.Join(dir, e.Name())}}, nil
		}
	}
	if !e.IsDir() || !semver.IsValid("v"+e.Name()) {
		return nil, nil
	}
	platforms, err := os.ReadDir(filepath.Join(dir, e.Name()))
	if err != nil {
		return nil, err
	}
	var out []Package
	for _, p := range platforms {
		if p.IsDir() && strings.Count(p.Name(), "_") == 1 {
			out = append(out, Package{e.Name(), p.Name(), filepath.Join(dir, e.Name(), p.Name())})
		}
	}
	return out, nil
}

// Digest is the digest of a package.
func Digest(packagePath string) (digest string, err error) {
	err = open(packagePath, func(files fs.FS) error {
		digest, err = digestOf(files)
		return err
	})
	return digest, err
}

// open opens a package, a directory or an archive.
func open(packagePath string, use func(fs.FS) error) error {
	info, err := os.Stat(packagePath)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return use(os.DirFS(packagePath))
	}
	z, err := zip.OpenReader(packagePath)
	if err != nil {
		return fmt.Errorf("read the archive %s: %w", packagePath, err)
	}
	return errors.Join(use(z), z.Close())
}

func digestOf(files fs.FS) (string, error) {
	names, err := regular(files)
	if err != nil {
		return "", err
	}
	return dirhash.Hash1(names, func(name string) (io.ReadCloser, error) { return files.Open(name) })
}

// maxPackage bounds what a package may hold, in bytes.
const maxPackage = 2 << 30

// regular lists the files of a package. It holds nothing but files: what a link
// leads to would be in no digest.
func regular(files fs.FS) (names []string, err error) {
	var total int64
	err = fs.WalkDir(files, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if total += info.Size(); total > maxPackage {
			return fmt.Errorf("the package holds more than %d bytes", int64(maxPackage))
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("the package holds %s, which is neither a file nor a directory", name)
		}
		names = append(names, name)
		return nil
	})
	return names, err
}
