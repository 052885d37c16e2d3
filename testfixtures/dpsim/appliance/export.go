package appliance

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim/fabricate"
	"github.com/dprun/dprun/testfixtures/dpsim/spool"
)

// archiveKey names an archive that was made once and is served many times.
type archiveKey struct {
	domain    string
	persisted bool
	unsaved   bool
	nested    bool
	wrongHash bool
	flaw      flaw
	stamp     stamp
	changes   int    // of the domain's configuration
	backup    string // of do-backup: the keys of the archives inside
	sealed    string // of a secure backup: the file's name and size
}

// stamp is what tells two exports of the same configuration apart: when they
// were made, and the comment of the request.
type stamp struct{ at, comment string }

// stampedUpTo is the size up to which every export is made anew, with its own
// time and comment. Larger ones are made once.
const stampedUpTo = 1_000_000

func (a *Appliance) stamp(size int64, comment string) stamp {
	if size > stampedUpTo {
		return stamp{}
	}
	return stamp{a.Now().Format(time.RFC3339), comment}
}

// time is when the export was made; zero: always the same.
func (s stamp) time() time.Time {
	at, _ := time.Parse(time.RFC3339, s.at)
	return at
}

// flaw is what is wrong with an archive on purpose.
type flaw struct {
	kind, text string
	size       int64
}

// takeFlaw uses the fault that spoils an archive of the domains; a.mu is held.
func (a *Appliance) takeFlaw(op string, domains ...string) flaw {
	for _, kind := range []string{"archive_other_domain", "archive_other_serial", "archive_no_entries", "archive_empty_root", "archive_no_details", "archive_no_files", "archive_trailing"} {
		if f := a.takeFault(kind, op, domains...); f != nil {
			return flaw{kind, f.Text, f.afterSize}
		}
	}
	return flaw{}
}

// domain is the domain that the archive says it is of.
func (f flaw) domain(name string) string {
	if f.kind != "archive_other_domain" {
		return name
	}
	if f.text == "" {
		return "other"
	}
	return f.text
}

// device is the gateway that the archive says it is of.
func (f flaw) device(d fabricate.Device) fabricate.Device {
	if f.kind == "archive_other_serial" {
		if d.Serial = f.text; f.text == "" {
			d.Serial = "9999999"
		}
	}
	return d
}

// fabricated is what is wrong with the archive's own form.
func (f flaw) fabricated() fabricate.Flaw {
	switch f.kind {
	case "archive_no_entries":
		return fabricate.Flaw{NoEntries: true}
	case "archive_empty_root":
		return fabricate.Flaw{EmptyRoot: true}
	case "archive_no_details":
		return fabricate.Flaw{NoDetails: true}
	case "archive_no_files":
		return fabricate.Flaw{NoFiles: true}
	case "archive_trailing":
		if f.size > 0 {
			return fabricate.Flaw{Trailing: f.size}
		}
		return fabricate.Flaw{Trailing: 1000}
	}
	return fabricate.Flaw{}
}

// archive is a payload that is made at most once.
type archive struct {
	once sync.Once
	blob *spool.Blob
	err  error
}

// Export answers with the domain's archive, made at its first use. While it
// lasts the domain's current command is "backup".
func (a *Appliance) Export(ctx context.Context, name, comment string, persisted bool) (*spool.Blob, error) {
	a.mu.Lock()
	d := a.domain(name)
	if d == nil {
		a.mu.Unlock()
		return nil, refuse("Domain '%s' does not exist", name)
	}
	key := keyFor(d, persisted)
	key.wrongHash = a.takeFault("wrong_hash", "do-export", name) != nil
	key.flaw = a.takeFlaw("do-export", name)
	key.stamp = a.stamp(d.size, comment)
	d.begin("backup")
	a.mu.Unlock()
	defer a.finish(d, "backup")
	if err := a.Clock.Sleep(ctx, a.times.export); err != nil {
		return nil, err
	}
	return a.archive(d, key)
}

// keyFor chooses the archive: both configurations are the same one unless the
// domain has unsaved changes.
func keyFor(d *domain, persisted bool) archiveKey {
	return archiveKey{domain: d.name, persisted: persisted || !d.saveNeeded, unsaved: d.saveNeeded, changes: d.changes}
}

func (a *Appliance) finish(d *domain, command string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	d.end(command)
}

func (a *Appliance) archive(d *domain, key archiveKey) (*spool.Blob, error) {
	return a.once(key, func() (*spool.Blob, error) { return a.makeArchive(d, key) })
}

// once makes the payload of a key at its first use.
func (a *Appliance) once(key archiveKey, produce func() (*spool.Blob, error)) (*spool.Blob, error) {
	a.mu.Lock()
	made := a.archives[key]
	if made == nil {
		made = &archive{}
		a.archives[key] = made
	}
	a.mu.Unlock()
	made.once.Do(func() { made.blob, made.err = produce() })
	return made.blob, made.err
}

func (a *Appliance) makeArchive(d *domain, key archiveKey) (*spool.Blob, error) {
	if d.spec.Archive != "" && key.changes == 0 {
		return a.archiveFromFile(d.spec.Archive)
	}
	var files []fabricate.File
	for _, f := range a.exportedFiles(d) {
		content := io.NewSectionReader(strings.NewReader(""), 0, 0)
		if f.blob != nil {
			content = io.NewSectionReader(f.blob, 0, f.blob.Size)
		}
		files = append(files, fabricate.File{URI: f.uri, Note: f.note, Content: content})
	}
	if d.files != nil && files == nil {
		files = []fabricate.File{}
	}
	return a.Spool.Add(d.size, false, func(w io.Writer) error {
		return a.Factory.Write(w, fabricate.Export{
			Device: key.flaw.device(a.exportDevice()), Domain: key.flaw.domain(d.name), User: a.username, Comment: key.stamp.comment, Time: key.stamp.time(), Persisted: key.persisted, Unsaved: key.unsaved,
			Objects: a.exported(d, key.persisted), Files: files, Size: d.size, MissingFiles: d.spec.MissingFiles, PrivateKeys: d.spec.PrivateKeys,
			WrongHash: key.wrongHash, Nested: key.nested, Flaw: key.flaw.fabricated(),
		})
	})
}

func (a *Appliance) archiveFromFile(path string) (*spool.Blob, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the archive to serve: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open the archive to serve: %w", err)
	}
	return a.Spool.Add(info.Size(), false, func(w io.Writer) error {
		_, err := io.Copy(w, f)
		return err
	})
}

// ExportFile is where a backup leaves its archive on the gateway.
const ExportFile = "export:/export.zip"

// Backup answers with one archive of several domains; the name all-domains
// stands for every one. Only one backup runs at a time.
func (a *Appliance) Backup(ctx context.Context, names []string, comment string, persisted bool) (*spool.Blob, error) {
	domains, spoilt, err := a.beginBackup(names)
	if err != nil {
		return nil, err
	}
	defer a.endBackup()
	if err := a.Clock.Sleep(ctx, a.times.export); err != nil {
		return nil, err
	}
	var inner []fabricate.Inner
	var estimate int64
	var contents strings.Builder
	for i, d := range domains {
		a.mu.Lock()
		key := keyFor(d, persisted)
		key.nested = d.spec.Archive == ""
		a.mu.Unlock()
		if spoilt.kind == "archive_other_serial" || spoilt.kind == "archive_other_domain" && i == len(domains)-1 {
			key.flaw = spoilt
		}
		blob, err := a.archive(d, key)
		if err != nil {
			return nil, err
		}
		estimate += blob.Size
		fmt.Fprintf(&contents, "%+v ", key)
		inner = append(inner, fabricate.Inner{Domain: key.flaw.domain(d.name), Size: blob.Size, Open: func() io.Reader { return io.NewSectionReader(blob, 0, blob.Size) }})
	}
	marked := a.stamp(estimate, comment)
	blob, err := a.once(archiveKey{backup: contents.String(), flaw: spoilt, stamp: marked}, func() (*spool.Blob, error) {
		return a.Spool.Add(estimate, false, func(w io.Writer) error {
			return a.Factory.WriteBackup(w, fabricate.Backup{
				Device: spoilt.device(a.exportDevice()), User: a.username, Comment: marked.comment, Time: marked.time(), Inner: inner, Flaw: spoilt.fabricated(),
			})
		})
	})
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.putFile("default", ExportFile, &File{blob: blob, Size: blob.Size, Modified: a.Clock.Now()})
	return blob, nil
}

func (a *Appliance) beginBackup(names []string) ([]*domain, flaw, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.backingUp || a.securing {
		return nil, flaw{}, refuse("Another backup is in progress")
	}
	var domains []*domain
	for _, name := range names {
		if name == "all-domains" {
			domains = append([]*domain(nil), a.domains...)
			break
		}
		d := a.domain(name)
		if d == nil {
			return nil, flaw{}, deny("ERROR")
		}
		domains = append(domains, d)
	}
	if len(domains) == 0 {
		return nil, flaw{}, deny("ERROR")
	}
	var present []string
	for _, d := range domains {
		present = append(present, d.name)
	}
	if f := a.takeFault("archive_lacks_domain", "do-backup", present...); f != nil {
		last := present[len(present)-1]
		domains = slices.DeleteFunc(domains, func(d *domain) bool { return d.name == f.Domain || f.Domain == "" && d.name == last })
	}
	a.backingUp = true
	a.domain("default").begin("backup")
	return domains, a.takeFlaw("do-backup", present...), nil
}

func (a *Appliance) endBackup() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.backingUp = false
	a.domain("default").end("backup")
}

// Warm makes a domain's archive without serving it.
func (a *Appliance) Warm(name string, persisted bool) error {
	a.mu.Lock()
	d := a.domain(name)
	if d == nil {
		a.mu.Unlock()
		return refuse("Domain '%s' does not exist", name)
	}
	key := keyFor(d, persisted)
	a.mu.Unlock()
	_, err := a.archive(d, key)
	return err
}
