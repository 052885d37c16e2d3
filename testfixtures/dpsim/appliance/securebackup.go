package appliance

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"strings"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim/fabricate"
	"github.com/dprun/dprun/testfixtures/dpsim/spool"
)

// ManifestName is the file that lists a secure backup.
const ManifestName = "backupmanifest.xml"

// secureBackupFailed is all the gateway says, whatever went wrong.
const secureBackupFailed = "Error creating secure backup."

var sealedFiles = []struct {
	name  string
	share int64 // of a thousand
}{
	{"cert.tgz", 20}, {"config.tgz", 330}, {"local.tgz", 400}, {"password-map.tgz", 10},
	{"policyframework.tgz", 30}, {"root.tgz", 80}, {"sharedcert.tgz", 30}, {"store.tgz", 100},
}

type sealedFile struct {
	name string
	size int64
}

// SecureBackup writes a secure backup into a directory of the gateway. It
// returns when the files are there; the manifest may follow later.
func (a *Appliance) SecureBackup(ctx context.Context, cert, destination string) error {
	run, err := a.beginSecureBackup(cert, destination)
	if err != nil {
		return err
	}
	defer a.endSecureBackup()
	if err := a.Clock.Sleep(ctx, a.times.secureBackup); err != nil {
		return err
	}
	if run.fails != nil {
		return deny(run.fails.text(secureBackupFailed))
	}
	var entries []manifestEntry
	for i, f := range run.files {
		blob, err := a.once(archiveKey{sealed: fmt.Sprint(f.name, f.size)}, func() (*spool.Blob, error) {
			return a.Spool.Add(f.size, true, func(w io.Writer) error {
				return fabricate.WriteSealed(w, seedOf(a.name, f.name, fmt.Sprint(f.size)), f.size)
			})
		})
		if err != nil {
			return err
		}
		if (run.full && i == len(run.files)/2) || !a.putSealed(run.dir, f.name, blob) {
			a.fill()
			return deny(secureBackupFailed)
		}
		entries = append(entries, manifestEntry{name: f.name, size: blob.Size, sum: a.checksum(blob)})
	}
	return a.putManifest(run, entries)
}

// secureRun is a secure backup under way.
type secureRun struct {
	dir    string
	files  []sealedFile
	fails  *Fault
	full   bool
	faults []*Fault
}

func (r secureRun) fault(kind string) *Fault {
	for _, f := range r.faults {
		if f.Kind == kind {
			return f
		}
	}
	return nil
}

func (a *Appliance) beginSecureBackup(cert, destination string) (secureRun, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	const op = "do-action/SecureBackup"
	run := secureRun{dir: NormalPath(destination)}
	switch {
	case a.platform == "software":
		return run, refuse("Action 'SecureBackup' is not supported on this platform")
	case !a.profile.destinationAllowed.MatchString(destination):
		return run, refuse("Value '%s' for parameter destination is not valid", destination)
	case a.securing || a.backingUp || a.domain("default").currentCommand() != "":
		return run, refuse("Another backup is in progress")
	case a.backupMode != "secure" || !a.certificateUp(cert):
		return run, deny(secureBackupFailed)
	case strings.HasPrefix(destination, "ftp:"):
		return run, deny(secureBackupFailed)
	}
	var err error
	if run.files, err = a.sealedFiles(); err != nil {
		return run, err
	}
	run.fails = a.takeFault("secure_backup_fails", op, "default")
	run.full = a.takeFault("secure_backup_disk_full", op, "default") != nil
	for _, kind := range []string{"secure_backup_wrong_hash", "secure_backup_short_file", "secure_backup_empty_file", "manifest_late", "manifest_missing", "manifest_no_checksum", "manifest_self_listed", "manifest_missing_file"} {
		if f := a.takeFault(kind, op, "default"); f != nil {
			run.faults = append(run.faults, f)
		}
	}
	a.securing = true
	a.domain("default").begin("secure-backup")
	return run, nil
}

func (a *Appliance) endSecureBackup() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.securing = false
	a.domain("default").end("secure-backup")
}

func (a *Appliance) certificateUp(name string) bool {
	for _, c := range a.certs {
		if c.Name == name {
			return c.State == "" || c.State == "up"
		}
	}
	return false
}

func (a *Appliance) sealedFiles() ([]sealedFile, error) {
	var p parser
	var spec SecureBackupSpec
	if a.spec.SecureBackup != nil {
		spec = *a.spec.SecureBackup
	}
	var out []sealedFile
	for _, f := range spec.Files {
		out = append(out, sealedFile{f.Name, p.size("secure_backup.file "+f.Name, f.Size, 0)})
	}
	if len(out) == 0 {
		total := p.size("secure_backup.size", spec.Size, 2_000_000)
		for _, f := range sealedFiles {
			out = append(out, sealedFile{f.name, total * f.share / 1000})
		}
	}
	return out, p.err
}

// putSealed stores a file unless it does not fit.
func (a *Appliance) putSealed(dir, name string, blob *spool.Blob) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if storeOf(dir) == "temporary" && blob.Size > a.freeTemporary() {
		return false
	}
	f := &File{Size: blob.Size, Modified: a.Clock.Now()}
	if blob.Size > 0 {
		f.blob = blob
	}
	a.putFile("default", dir+"/"+name, f)
	return true
}

// fill leaves no room in temporary:.
func (a *Appliance) fill() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.space.freeTemporary -= a.freeTemporary()
}

func (a *Appliance) checksum(b *spool.Blob) string {
	if a.profile.ManifestChecksum == "sha512" {
		return b.SHA512
	}
	return b.SHA1
}

type manifestEntry struct {
	name string
	size int64
	sum  string
}

func (a *Appliance) putManifest(run secureRun, entries []manifestEntry) error {
	a.spoilFiles(run, entries)
	if f := run.fault("manifest_no_checksum"); f != nil {
		for i := range entries {
			if f.File == "" && i == 0 || f.File == entries[i].name {
				entries[i].sum = ""
			}
		}
	}
	if run.fault("manifest_missing_file") != nil {
		entries = append(entries, manifestEntry{"absent.tgz", 4096, strings.Repeat("0", len(entries[0].sum))})
	}
	if run.fault("manifest_self_listed") != nil {
		entries = append(entries, manifestEntry{name: ManifestName, size: 1234})
	}
	if run.fault("manifest_missing") != nil {
		return nil
	}
	text := a.manifest(entries)
	blob, err := a.Spool.Add(int64(len(text)), false, func(w io.Writer) error { _, err := io.WriteString(w, text); return err })
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delay := a.times.manifestDelay
	if f := run.fault("manifest_late"); f != nil {
		if delay = f.after; delay == 0 {
			delay = time.Minute
		}
	}
	at := a.Clock.Now().Add(delay)
	a.putFile("default", run.dir+"/"+ManifestName, &File{blob: blob, Size: blob.Size, Modified: at, visible: at})
	a.domain("default").runUntil["secure-backup"] = at
	return nil
}

// spoilFiles makes what is read differ from what the manifest says.
func (a *Appliance) spoilFiles(run secureRun, entries []manifestEntry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, fault := range run.faults {
		name := fault.File
		if name == "" {
			name = entries[0].name
		}
		f := a.files["default"][run.dir+"/"+name]
		if f == nil {
			continue
		}
		switch fault.Kind {
		case "secure_backup_wrong_hash":
			f.flip = true
		case "secure_backup_short_file":
			f.cut = min(f.Size, 7)
		case "secure_backup_empty_file":
			f.blob, f.Size = nil, 0
		}
	}
}

func (a *Appliance) manifest(entries []manifestEntry) string {
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<securebackup><backupmanifest>")
	fmt.Fprintf(&b, "<firmware-version>%s</firmware-version><firmware-build>%s</firmware-build><date>%s</date><machine-type>%s</machine-type><serial-number>%s</serial-number><files>",
		a.profile.Version, a.profile.Build, a.Now().Format(time.RFC3339), a.ProductID(), a.serial)
	for _, e := range entries {
		fmt.Fprintf(&b, "<file><filename>%s</filename><filesize>%d</filesize>", e.name, e.size)
		if e.sum != "" {
			fmt.Fprintf(&b, "<checksum>%s</checksum>", e.sum)
		}
		b.WriteString("</file>")
	}
	b.WriteString("</files></backupmanifest></securebackup>\n")
	return b.String()
}

func seedOf(parts ...string) uint64 {
	h := fnv.New64a()
	for _, p := range parts {
		h.Write([]byte(p + "\x00"))
	}
	return h.Sum64()
}
