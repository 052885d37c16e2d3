// Package mirror finds and installs plugins in a directory of packages (a mirror). For
// each plugin, version and platform a mirror holds either a directory
//
//	HOST/NAMESPACE/NAME/VERSION/OS_ARCH/
//
// or an archive
//
//	HOST/NAMESPACE/NAME/dprun-plugin-NAME_VERSION_OS_ARCH.zip
//
// with the program dprun-plugin-NAME and all files that it needs. Terraform uses the
// same layout for providers. A package has one digest, over all its files and their
// names. Both forms have the same digest.
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

// Program returns the file name of a plugin's program.
func Program(name string) string { return "dprun-plugin-" + name }

// Package is a version of a plugin for one platform.
type Package struct {
	Version  string // "1.2.0"
	Platform string // "linux_amd64"
	Path     string // the directory or the archive
}

// Find lists the packages of a plugin in several mirrors, the newest version first. If
// several mirrors hold the same version and platform, it lists the one in the first
// mirror. A missing mirror is an error; a mirror without the plugin is not.
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

// packagesOf returns the packages in one entry of a plugin's directory.
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

// Digest returns the digest of a package.
func Digest(packagePath string) (digest string, err error) {
	err = open(packagePath, func(files fs.FS) error {
		digest, err = digestOf(files)
		return err
	})
	return digest, err
}

// open opens a package, which is a directory or an archive.
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

// maxPackage is the greatest size of a package's content, in bytes.
const maxPackage = 2 << 30

// regular lists the files of a package. It refuses links, because no digest would cover
// what they point to.
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
