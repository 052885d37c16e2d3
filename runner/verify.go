package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/cipher"
	"github.com/dprun/dprun/runner/report"
)

// VerifyRequest asks whether archives are whole.
type VerifyRequest struct {
	Paths []string // archives, directories of them, or manifests
	Keys  Keys     // decrypt what is encrypted
	// Found receives the verdict on each archive as soon as it is known.
	Found func(report.Archive)
}

// Verify checks gateway exports and secure backups, whether dprun made them or
// not. The exit code says whether all, some or none of them are whole. The error
// says that Verify could not finish.
func Verify(ctx context.Context, q VerifyRequest) (exit int, err error) {
	keys, err := q.Keys.read()
	if err != nil {
		return 0, err
	}
	whole, all := 0, 0
	found := func(a report.Archive) {
		all++
		if a.Whole {
			whole++
		}
		q.Found(a)
	}
	// Exports of one firmware share megabytes of files; archives of one directory
	// share manifests.
	verifier := archive.Verifier{Memo: archive.NewMemo(), Sets: &archive.Sets{}}
	for _, path := range q.Paths {
		files, err := verifier.Find(ctx, path)
		if err != nil {
			found(report.Archive{File: path, Error: err.Error()})
		}
		seen := map[string]bool{} // encrypted exports, and directories of encrypted secure backups
		for _, f := range files {
			shown, verify := f, func() (*archive.Report, error) { return verifier.VerifyFile(ctx, f) }
			if archive.Encrypted(f) {
				if _, err := os.Stat(filepath.Join(filepath.Dir(f), archive.ManifestName+backups.AgeSuffix)); err == nil {
					shown = filepath.Dir(f)
				}
				if seen[shown] {
					continue
				}
				seen[shown] = true
				verify = func() (*archive.Report, error) { return verifyEncrypted(ctx, keys, shown) }
			}
			r, err := verify()
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			found(report.Archive{File: shown, Report: r, Whole: err == nil && r.Whole(), Error: unverified(err)})
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	switch whole {
	case all:
		return 0, nil
	case 0:
		return 1, nil
	}
	return ExitPartly, nil
}

// verifyEncrypted verifies an encrypted export, or a directory with an encrypted
// secure backup. It keeps the decrypted files in a private temporary directory of
// the system, with copies of the manifests, which say what the files must be.
func verifyEncrypted(ctx context.Context, keys *cipher.Identities, name string) (*archive.Report, error) {
	if keys == nil {
		return nil, errors.New("it is encrypted: give the file with the secret key of one of its recipients with --identity")
	}
	temp, err := os.MkdirTemp("", "dprun-verify-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp) //nolint:errcheck // only this user can read it
	files, dir, target := []string{name}, filepath.Dir(name), ""
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		dir, target = name, temp
		if files, err = filepath.Glob(filepath.Join(globbed(name), "*"+backups.AgeSuffix)); err != nil {
			return nil, err
		}
	}
	for _, f := range files {
		to := filepath.Join(temp, strings.TrimSuffix(filepath.Base(f), backups.AgeSuffix))
		if _, err := decrypt(ctx, keys, f, to); err != nil {
			return nil, fmt.Errorf("decrypt %s: %w", filepath.Base(f), err)
		}
		target = cmp.Or(target, to)
	}
	manifests, err := filepath.Glob(filepath.Join(globbed(dir), "*"+backups.Suffix))
	if err != nil {
		return nil, err
	}
	for _, m := range manifests {
		if target == temp || strings.HasPrefix(filepath.Base(name), strings.TrimSuffix(filepath.Base(m), backups.Suffix)) {
			body, err := os.ReadFile(m)
			if err == nil {
				err = os.WriteFile(filepath.Join(temp, filepath.Base(m)), body, 0o600)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return archive.Verifier{}.VerifyFile(ctx, target)
}

// globbed returns a pattern that matches only this directory.
func globbed(dir string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(dir)
}

// unverified says why an archive could not be read completely.
func unverified(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file or directory"
	case errors.Is(err, fs.ErrPermission):
		return "this user may not read it"
	}
	return err.Error()
}
