package runner

import (
	"context"
	"errors"
	"io/fs"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/runner/report"
)

// VerifyRequest asks whether archives are whole.
type VerifyRequest struct {
	Paths []string // archives, directories of them, or manifests
	// Found gets the verdict on each archive as soon as it is known.
	Found func(report.Archive)
}

// Verify checks gateway exports and secure backups, dprun's or not. The exit
// code says whether all, some or none of them are whole; the error, that it was
// not done to the end.
func Verify(ctx context.Context, q VerifyRequest) (exit int, err error) {
	whole, all := 0, 0
	found := func(a report.Archive) {
		all++
		if a.Whole {
			whole++
		}
		q.Found(a)
	}
	// Exports of one firmware share megabytes of files; archives of one directory share manifests.
	verifier := archive.Verifier{Memo: archive.NewMemo(), Sets: &archive.Sets{}}
	for _, path := range q.Paths {
		files, err := verifier.Find(ctx, path)
		if err != nil {
			found(report.Archive{File: path, Error: err.Error()})
		}
		for _, f := range files {
			r, err := verifier.VerifyFile(ctx, f)
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			found(report.Archive{File: f, Report: r, Whole: err == nil && r.Whole(), Error: unverified(err)})
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

// unverified says why an archive could not be read to its end.
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
