package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/runner/report"
)

// Diff says how the second of two gateway exports differs from the first. Each is an archive, or a manifest that lists one. Nothing of a state
// directory is read, and no device asked.
func Diff(ctx context.Context, a, b string) (report.Diff, error) {
	verifier := archive.Verifier{Sets: &archive.Sets{}}
	for _, path := range []*string{&a, &b} {
		found, err := verifier.Find(ctx, *path)
		switch {
		case err != nil:
			return report.Diff{}, fmt.Errorf("%s: %s", *path, unverified(err))
		case len(found) != 1:
			return report.Diff{}, fmt.Errorf("%s has %d archives: name one of them, such as %s", *path, len(found), found[0])
		}
		*path = found[0]
	}
	d, err := verifier.Diff(ctx, a, b)
	if ctx.Err() != nil {
		return report.Diff{}, ctx.Err()
	}
	if unread := new(fs.PathError); errors.As(err, &unread) {
		return report.Diff{}, fmt.Errorf("%s: %s", unread.Path, unverified(err))
	}
	if err != nil {
		return report.Diff{}, err
	}
	side := func(file string, r *archive.Report) report.DiffSide {
		return report.DiffSide{File: file, Kind: r.Kind, Domains: append([]string{}, r.Domains...), Device: r.Device, Made: r.Made}
	}
	out := report.Diff{A: side(a, d.A), B: side(b, d.B), Same: len(d.Differences) == 0, Differences: d.Differences, Omitted: d.Omitted, Withheld: d.Withheld}
	for _, x := range d.Differences {
		switch x.Change {
		case archive.Added:
			out.Added++
		case archive.Removed:
			out.Removed++
		default:
			out.Changed++
		}
	}
	return out, nil
}
