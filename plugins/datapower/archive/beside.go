package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
)

// besideSuffix ends the name of the manifest that is stored beside a set: it lists the set's files with sizes and SHA-256.
const besideSuffix = ".dprun.json"

const (
	besideVersion = 1
	maxBeside     = 16 << 20
)

// beside is a manifest that was stored beside the files.
type beside struct {
	name  string
	files []ManifestFile
}

// readBeside reads the manifests among the entries. One that cannot be used is a warning: the gateway's own list decides whether the
// backup is whole.
func readBeside(rec *recorder, dir fs.FS, entries []fs.DirEntry) ([]beside, error) {
	var out []beside
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), besideSuffix) || !e.Type().IsRegular() {
			continue
		}
		files, err := readBesideFile(dir, e.Name())
		if isMedium(err) {
			return nil, err
		}
		if err != nil {
			rec.add(Warning, CodeList, e.Name(), "the files were not compared with it: %v", err)
		}
		out = append(out, beside{e.Name(), files})
	}
	return out, nil
}

func readBesideFile(dir fs.FS, name string) ([]ManifestFile, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, &readError{err}
	}
	defer f.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(io.LimitReader(f, maxBeside+1))
	if err != nil {
		return nil, &readError{err}
	}
	if len(b) > maxBeside {
		return nil, fmt.Errorf("it has more than %d bytes", maxBeside)
	}
	var form struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &form); err != nil {
		return nil, fmt.Errorf("it is not the JSON that stands beside a set: %w", err)
	}
	if form.Version != besideVersion {
		return nil, fmt.Errorf("it is of form %d, and known is %d", form.Version, besideVersion)
	}
	var m struct {
		Artifacts []struct {
			File   string `json:"file"`
			Size   int64  `json:"size"`
			SHA256 string `json:"sha256"`
		} `json:"artifacts"`
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("it is not the JSON that stands beside a set: %w", err)
	}
	if len(m.Artifacts) == 0 {
		return nil, errors.New("it lists no files")
	}
	var out []ManifestFile
	for _, a := range m.Artifacts {
		sum, err := hex.DecodeString(a.SHA256)
		if !fs.ValidPath(a.File) || unsafeName(a.File) != "" || a.Size < 0 || err != nil || len(sum) != sha256.Size {
			return nil, fmt.Errorf("it lists %q without a usable name, size and SHA-256", Printable(a.File))
		}
		out = append(out, ManifestFile{Name: a.File, Size: a.Size, Checksum: a.SHA256})
	}
	return out, nil
}

// checkBeside compares the files with the manifests beside them.
func (v Verifier) checkBeside(ctx context.Context, rec *recorder, dir fs.FS, manifests []beside) error {
	for _, m := range manifests {
		if m.files == nil {
			continue
		}
		before := len(rec.report.Findings) + rec.report.Omitted
		if err := v.checkFiles(ctx, rec, dir, m.files, Printable(m.name)); err != nil {
			return err
		}
		if len(rec.report.Findings)+rec.report.Omitted == before {
			rec.report.AsListedIn = append(rec.report.AsListedIn, Printable(m.name))
		}
	}
	slices.Sort(rec.report.AsListedIn)
	return nil
}
