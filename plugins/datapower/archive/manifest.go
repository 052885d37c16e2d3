package archive

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ManifestName is the file that lists the files of a secure backup.
const ManifestName = "backupmanifest.xml"

const (
	maxManifestFiles = 10_000
	maxManifest      = 64 << 20
)

// ManifestFile is one file that a secure backup's manifest lists.
type ManifestFile struct {
	Name     string // as the manifest writes it, without directories
	Size     int64  // bytes; -1: not given
	Checksum string // lower-case hex; empty: not given. Its length tells the algorithm: MD5, SHA-1, SHA-256 or SHA-512
}

// ReadManifest reads a secure backup's manifest. It cannot check the signature, because that needs the device's
// own secrets. It leaves out the manifest's own entry.
func ReadManifest(r io.Reader) ([]ManifestFile, error) {
	m := &manifest{}
	m.scan = scanner{open: m.open, text: m.text, close: m.close}
	buf := make([]byte, 64<<10)
	var total int64
	for {
		n, err := r.Read(buf)
		if total += int64(n); total > maxManifest {
			return nil, fmt.Errorf("read %s: it has more than %d bytes", ManifestName, maxManifest)
		}
		if bad := m.scan.write(buf[:n]); bad != nil {
			return nil, fmt.Errorf("read %s: %w", ManifestName, bad)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", ManifestName, &readError{err})
		}
	}
	if err := m.scan.finish(); err != nil {
		return nil, fmt.Errorf("read %s: %w", ManifestName, err)
	}
	if !m.found {
		return nil, fmt.Errorf("read %s: it has no list of files", ManifestName)
	}
	return m.files, nil
}

// manifest reads <ROOT>/backupmanifest/files/file with filename, filesize, checksum. The root may have any name
// or be missing.
type manifest struct {
	scan  scanner
	files []ManifestFile
	found bool
	base  int // depth of backupmanifest; 0: it is not open
	list  bool
	file  *ManifestFile
	value []byte
	field string
}

func (m *manifest) open(depth int, name, _ []byte) error {
	n := string(name)
	switch {
	case m.base == 0 && depth <= 2 && n == "backupmanifest":
		m.base = depth
	case m.base > 0 && depth == m.base+1 && n == "files":
		m.list, m.found = true, true
	case m.list && depth == m.base+2 && n == "file":
		if len(m.files) == maxManifestFiles {
			return fmt.Errorf("it lists more than %d files", maxManifestFiles)
		}
		m.file = &ManifestFile{Size: -1}
	case m.file != nil && depth == m.base+3:
		m.field, m.value = n, m.value[:0]
	}
	return nil
}

func (m *manifest) text(p []byte) {
	if m.field != "" && len(m.value) < maxName {
		m.value = append(m.value, p[:min(len(p), maxName-len(m.value))]...)
	}
}

func (m *manifest) close(depth int, _ []byte) error {
	switch {
	case m.file != nil && depth == m.base+3:
		v := unescape(bytes.TrimSpace(m.value))
		switch m.field {
		case "filename":
			m.file.Name = path.Base(strings.ReplaceAll(v, `\`, "/"))
		case "filesize":
			size, err := strconv.ParseInt(v, 10, 64)
			if err != nil || size < 0 {
				return fmt.Errorf("it gives %q as the size of a file", Printable(v))
			}
			m.file.Size = size
		case "checksum":
			m.file.Checksum = strings.ToLower(v)
		}
		m.field = ""
	case m.file != nil && depth == m.base+2:
		if unsafeName(m.file.Name) != "" || strings.Contains(m.file.Name, "/") {
			return fmt.Errorf("it lists a file with the unusable name %q", Printable(m.file.Name))
		}
		if m.file.Name != ManifestName {
			m.files = append(m.files, *m.file)
		}
		m.file = nil
	case depth == m.base+1:
		m.list = false
	case depth == m.base:
		m.base = 0
	}
	return nil
}

// Hash returns the hash to compare the checksum with, and the checksum; nil: there is none, or its length is
// unknown.
func (f ManifestFile) Hash() (hash.Hash, []byte) {
	sum, err := hex.DecodeString(f.Checksum)
	if err != nil || len(sum) == 0 {
		return nil, nil
	}
	return newHash(len(sum)), sum
}

// VerifyDir verifies the files of a secure backup against the manifest beside them, first sizes and then
// checksums. It also verifies them against the manifests that dprun stored with them, if there are any. It does
// not look into the archives, because they are encrypted.
func (v Verifier) VerifyDir(ctx context.Context, dir fs.FS) (*Report, error) {
	rec := &recorder{report: Report{Kind: KindSecureBackup}}
	fail := func(err error) (*Report, error) {
		return rec.finish(), fmt.Errorf("verify secure backup: %w", err)
	}
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return fail(err)
	}
	rec.report.Entries = len(entries)
	f, err := dir.Open(ManifestName)
	if errors.Is(err, fs.ErrNotExist) {
		rec.report.Kind = ""
		rec.add(Problem, CodeMissing, ManifestName, "the directory has no %s: it is not a secure backup, or not complete", ManifestName)
		return rec.finish(), nil
	}
	if err != nil {
		return fail(err)
	}
	files, err := ReadManifest(f)
	_ = f.Close()
	if err != nil {
		if isMedium(err) {
			return fail(err)
		}
		rec.add(Problem, CodeList, ManifestName, "it cannot be used: %v", err)
		return rec.finish(), nil
	}
	if len(files) == 0 {
		rec.add(Problem, CodeEmpty, ManifestName, "it lists no files: nothing was backed up")
	}
	listed := map[string]bool{ManifestName: true}
	files = slices.DeleteFunc(files, func(f ManifestFile) bool {
		twice := listed[f.Name]
		listed[f.Name] = true
		if twice {
			rec.add(Problem, CodeList, f.Name, "%s lists it twice", ManifestName)
		}
		return twice
	})
	manifests, err := readBeside(rec, dir, entries)
	if err != nil {
		return fail(err)
	}
	for _, m := range manifests {
		listed[m.name] = true
		for _, f := range m.files {
			listed[f.Name] = true
		}
	}
	for _, e := range entries {
		if !listed[e.Name()] {
			rec.add(Warning, CodeUnlisted, e.Name(), "it is not listed in %s", ManifestName)
		}
	}
	if err = v.checkFiles(ctx, rec, dir, files, ManifestName); err == nil {
		err = v.checkBeside(ctx, rec, dir, manifests)
	}
	return rec.finish(), err
}

// checkFiles compares files with the list of the named manifest.
func (v Verifier) checkFiles(ctx context.Context, rec *recorder, dir fs.FS, files []ManifestFile, by string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := newPool(v.Workers, nil, rec)
	var wg sync.WaitGroup
	for _, f := range files {
		wg.Add(1)
		p.start(f.Name, func(w *worker) {
			if err := checkFile(ctx, rec, w, dir, f, by); err != nil {
				cancel(fmt.Errorf("verify secure backup: read %s: %w", Printable(f.Name), err))
			}
		}, wg.Done)
	}
	wg.Wait()
	p.stop()
	return context.Cause(ctx)
}

func checkFile(ctx context.Context, rec *recorder, w *worker, dir fs.FS, f ManifestFile, by string) error {
	file, err := dir.Open(f.Name)
	if errors.Is(err, fs.ErrNotExist) {
		rec.add(Problem, CodeMissing, f.Name, "%s lists it, but it is not there", by)
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // only read
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		rec.add(Problem, CodeStructure, f.Name, "it is not a regular file")
		return nil
	}
	if f.Size >= 0 && info.Size() != f.Size {
		rec.add(Problem, CodeSize, f.Name, "it has %d bytes, %s says %d", info.Size(), by, f.Size)
		return nil
	}
	h, want := f.Hash()
	switch {
	case f.Checksum == "":
		rec.add(Warning, CodeNoHash, f.Name, "%s gives no checksum for it", by)
	case h == nil:
		rec.add(Problem, CodeHash, f.Name, "%s gives a checksum of an unknown kind for it, so it cannot be checked", by)
	}
	sums := &summer{ctx: ctx, hash: h}
	res, err := copyStored(file, w.buf, sums.write)
	if err != nil {
		return err
	}
	own := by == ManifestName // each file counts once
	if own {
		rec.count(func(r *Report) { r.Compressed += res.out; r.Uncompressed += res.out })
	}
	switch {
	case f.Size >= 0 && res.out != f.Size:
		rec.add(Problem, CodeSize, f.Name, "it has %d bytes, %s says %d", res.out, by, f.Size)
	case h != nil && !bytes.Equal(h.Sum(nil), want):
		rec.add(Problem, CodeHash, f.Name, "its content is not what %s lists: its checksum differs", by)
	case h != nil && own:
		rec.count(func(r *Report) { r.Hashed++ })
	}
	return nil
}
