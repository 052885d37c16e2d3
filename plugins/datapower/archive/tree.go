package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// errNothing is the error for a directory without anything to verify.
var errNothing = errors.New("the directory holds no exports (*.zip, *.zip.age), no secure backup (" + ManifestName + ") and no manifests (*" + besideSuffix + ")")

// Find returns what there is to verify at a path, each for
// [Verifier.VerifyFile]. For a file, or the directory of a secure backup, that
// is the path itself. For any other directory it is every archive, every secure
// backup and every file that a manifest lists, at any depth. For a manifest it
// is the files that it lists. Files that a manifest lists are included even if
// they do not exist.
func (v Verifier) Find(ctx context.Context, name string) ([]string, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil || !info.IsDir() && !strings.HasSuffix(name, besideSuffix):
		return []string{name}, nil
	case !info.IsDir():
		return v.listedBy(name)
	case isSecureBackup(name):
		return []string{name}, nil
	}
	var found []string
	err = filepath.WalkDir(name, func(at string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return err
		case d.IsDir() && isSecureBackup(at):
			found = append(found, at)
		case d.IsDir():
		case strings.HasSuffix(at, besideSuffix):
			listed, err := v.listedBy(at)
			if err == nil { // otherwise the archives of this manifest report it
				found = append(found, listed...)
			}
		case strings.EqualFold(filepath.Ext(strings.TrimSuffix(at, encryptedSuffix)), ".zip"), d.Name() == ManifestName+encryptedSuffix:
			found = append(found, at)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for archives: %w", err)
	}
	slices.Sort(found)
	if found = slices.Compact(found); len(found) == 0 {
		return nil, errNothing
	}
	return found, nil
}

func isSecureBackup(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, ManifestName))
	return err == nil && info.Mode().IsRegular()
}

// Encrypted reports, by its name, whether a file from [Verifier.Find] is encrypted with age and must be decrypted
// first.
func Encrypted(name string) bool { return strings.HasSuffix(name, encryptedSuffix) }

// listedBy returns the files that a manifest lists. For the files of a secure backup it returns their
// directory once.
func (v Verifier) listedBy(name string) ([]string, error) {
	dir := filepath.Dir(name)
	manifests, err := v.Sets.in(dir)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(manifests, func(m beside) bool { return m.name == filepath.Base(name) })
	if i < 0 {
		return []string{name}, nil
	}
	if err := manifests[i].err; err != nil {
		return nil, fmt.Errorf("the manifest cannot be used: %w", err)
	}
	if _, ok := manifests[i].list(ManifestName); ok && isSecureBackup(dir) {
		return []string{dir}, nil
	}
	var out []string
	for _, f := range manifests[i].files {
		at := filepath.Join(dir, filepath.FromSlash(f.Name))
		if _, err := os.Stat(at); err == nil && filepath.Ext(at) == ".tgz" {
			continue // of a secure backup without its own list, which is reported
		}
		out = append(out, at)
	}
	return out, nil
}
