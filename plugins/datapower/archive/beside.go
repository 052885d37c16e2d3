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
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// besideSuffix ends the name of the manifest that is stored beside a set. The manifest lists the set's files with
// sizes and SHA-256.
const besideSuffix = ".dprun.json"

// encryptedSuffix ends the name of a file that is stored encrypted.
const encryptedSuffix = ".age"

const (
	besideVersion = 1
	maxBeside     = 16 << 20
)

// beside is a manifest that was stored beside the files.
type beside struct {
	name   string
	files  []ManifestFile
	domain string // empty: the whole gateway
	serial string // of the gateway; empty: not told
	err    error  // why it cannot be used
}

func (m *beside) list(file string) (ManifestFile, bool) {
	i := slices.IndexFunc(m.files, func(f ManifestFile) bool { return f.Name == file })
	if i < 0 {
		return ManifestFile{}, false
	}
	return m.files[i], true
}

// Sets caches the manifests of directories, so that each directory is read only
// once.
type Sets struct {
	mu   sync.Mutex
	dirs map[string][]beside
}

// in returns the manifests of a directory. A nil Sets caches nothing.
func (s *Sets) in(dir string) ([]beside, error) {
	if s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if known, ok := s.dirs[dir]; ok {
			return known, nil
		}
	}
	root := os.DirFS(dir)
	entries, err := fs.ReadDir(root, ".")
	if err != nil {
		return nil, err
	}
	var out []beside
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), besideSuffix) && e.Type().IsRegular() {
			m := readBesideFile(root, e.Name())
			if isMedium(m.err) {
				return nil, m.err
			}
			out = append(out, m)
		}
	}
	if s != nil {
		if s.dirs == nil {
			s.dirs = map[string][]beside{}
		}
		s.dirs[dir] = out
	}
	return out, nil
}

// gone returns the report for a missing file that a manifest lists; nil: no manifest lists it.
func (v Verifier) gone(name string) *Report {
	manifests, err := v.Sets.in(filepath.Dir(name))
	if err != nil {
		return nil
	}
	for _, m := range manifests {
		if _, ok := m.list(filepath.Base(name)); ok {
			rec := &recorder{}
			rec.add(Problem, CodeMissing, filepath.Base(name), "%s lists it, but it is not there", Printable(m.name))
			return rec.finish()
		}
	}
	return nil
}

// compareBeside compares an archive with the manifests in its directory that list it.
func (v Verifier) compareBeside(ctx context.Context, report *Report, name string) (*Report, error) {
	dir, base := filepath.Dir(name), filepath.Base(name)
	manifests, err := v.Sets.in(dir)
	if errors.Is(err, fs.ErrPermission) { // of the directory, while the archive can be read
		return report, nil
	}
	if err != nil {
		return report, fmt.Errorf("verify archive %s: look for manifests beside it: %w", name, err)
	}
	rec := &recorder{report: *report}
	for _, m := range manifests {
		by := Printable(m.name)
		own := strings.HasPrefix(base, strings.TrimSuffix(m.name, besideSuffix))
		f, listed := m.list(base)
		switch {
		case m.err != nil && own:
			rec.add(Warning, CodeList, m.name, "the archive was not compared with it: %v", m.err)
			continue
		case !listed:
			continue
		}
		before := len(rec.report.Findings) + rec.report.Omitted
		if err := v.checkFiles(ctx, rec, os.DirFS(dir), []ManifestFile{f}, by); err != nil {
			return rec.finish(), err
		}
		if m.domain != "" && len(report.Domains) > 0 && !slices.Equal(report.Domains, []string{Printable(m.domain)}) {
			rec.add(Problem, CodeOtherDomain, "", "%s is about domain %q, but this archive comes from %q", by, Printable(m.domain), strings.Join(report.Domains, ", "))
		}
		if want, got := squeezed(Printable(m.serial)), squeezed(report.Device.Serial); want != "" && got != "" && want != got {
			rec.add(Problem, CodeOtherDevice, "", "%s is about the gateway with serial number %q, but this archive comes from %q", by, Printable(m.serial), report.Device.Serial)
		}
		if len(rec.report.Findings)+rec.report.Omitted == before {
			rec.report.AsListedIn = append(rec.report.AsListedIn, by)
		}
	}
	return rec.finish(), nil
}

// readBeside reads the manifests among the entries. An unusable manifest is only a warning, because the gateway's
// own list decides whether the backup is whole.
func readBeside(rec *recorder, dir fs.FS, entries []fs.DirEntry) ([]beside, error) {
	var out []beside
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), besideSuffix) || !e.Type().IsRegular() {
			continue
		}
		m := readBesideFile(dir, e.Name())
		if isMedium(m.err) {
			return nil, m.err
		}
		if m.err != nil {
			rec.add(Warning, CodeList, e.Name(), "the files were not compared with it: %v", m.err)
		}
		out = append(out, m)
	}
	return out, nil
}

func readBesideFile(dir fs.FS, name string) beside {
	m := beside{name: name}
	m.err = m.read(dir)
	return m
}

func (m *beside) read(dir fs.FS) error {
	f, err := dir.Open(m.name)
	if err != nil {
		return &readError{err}
	}
	defer f.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(io.LimitReader(f, maxBeside+1))
	if err != nil {
		return &readError{err}
	}
	if len(b) > maxBeside {
		return fmt.Errorf("it has more than %d bytes", maxBeside)
	}
	var form struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &form); err != nil {
		return fmt.Errorf("it is not the JSON of a set's manifest: %w", err)
	}
	if form.Version != besideVersion {
		return fmt.Errorf("it has form %d, but dprun knows form %d", form.Version, besideVersion)
	}
	var list struct {
		Domain string `json:"domain"`
		Facts  struct {
			Serial string `json:"serial"`
		} `json:"facts"`
		Artifacts []struct {
			File   string `json:"file"`
			Size   int64  `json:"size"`
			SHA256 string `json:"sha256"`
			Plain  *struct {
				Size   int64  `json:"size"`
				SHA256 string `json:"sha256"`
			} `json:"plain"`
		} `json:"artifacts"`
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return fmt.Errorf("it is not the JSON of a set's manifest: %w", err)
	}
	if len(list.Artifacts) == 0 {
		return errors.New("it lists no files")
	}
	var out []ManifestFile
	for _, a := range list.Artifacts {
		if a.Plain != nil { // it was encrypted when it was stored, and may have been decrypted since
			if _, err := fs.Stat(dir, a.File); errors.Is(err, fs.ErrNotExist) {
				a.File, a.Size, a.SHA256 = strings.TrimSuffix(a.File, encryptedSuffix), a.Plain.Size, a.Plain.SHA256
			}
		}
		sum, err := hex.DecodeString(a.SHA256)
		if !fs.ValidPath(a.File) || unsafeName(a.File) != "" || a.Size < 0 || err != nil || len(sum) != sha256.Size {
			return fmt.Errorf("it lists %q without a usable name, size and SHA-256", Printable(a.File))
		}
		out = append(out, ManifestFile{Name: a.File, Size: a.Size, Checksum: a.SHA256})
	}
	m.files, m.domain, m.serial = out, list.Domain, list.Facts.Serial
	return nil
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
