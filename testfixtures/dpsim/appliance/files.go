package appliance

import (
	"bytes"
	"maps"
	"path"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim/spool"
)

// File is a file in a store of the gateway.
type File struct {
	// Size is what listings say; what is read may differ if a fault said so.
	Size     int64
	Modified time.Time
	blob     *spool.Blob
	visible  time.Time // it appears then
	cut      int64     // so many bytes are missing at the end of what is read
	flip     bool      // one byte of what is read is wrong
}

// Blob is the file's content; nil if it is empty.
func (f *File) Blob() *spool.Blob { return f.blob }

// Cut is how many bytes are missing at the end of what is read.
func (f *File) Cut() int64 { return f.cut }

// Flipped reports whether one byte of what is read is wrong.
func (f *File) Flipped() bool { return f.flip }

// NormalPath writes store:///a//b and store:/a/b the same way: store:/a/b.
func NormalPath(name string) string {
	store, rest, ok := strings.Cut(name, ":")
	if !ok {
		return name
	}
	rest = path.Clean("/" + rest)
	if rest == "/" {
		return store + ":"
	}
	return store + ":" + rest
}

func storeOf(normal string) string {
	store, _, _ := strings.Cut(normal, ":")
	return store
}

// putFile stores a file and its directories; a.mu is held.
func (a *Appliance) putFile(domain, normal string, f *File) {
	if a.files[domain] == nil {
		a.files[domain] = map[string]*File{}
	}
	a.files[domain][normal] = f
	a.putDir(domain, path.Dir(normal))
	if limit := int64(a.spec.TempFSThrottle); storeOf(normal) != "local" && a.freeTemporary()*100 < limit*a.space.totalTemporary {
		a.crossed++
	}
}

// touch notes that a file of a domain has changed; a.mu is held.
func (a *Appliance) touch(domain, normal string) {
	if d := a.domain(domain); d != nil && d.files != nil && slices.Contains(exportedStores, storeOf(normal)) {
		d.changes++
	}
}

// ownsFiles reports whether the files of a domain were taken out of its archive;
// a.mu is held.
func (a *Appliance) ownsFiles(domain string) bool {
	d := a.domain(domain)
	return d != nil && d.files != nil
}

func (a *Appliance) hasOwnFiles(domain string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ownsFiles(domain)
}

func (a *Appliance) putDir(domain, normal string) {
	if a.dirs[domain] == nil {
		a.dirs[domain] = map[string]bool{}
	}
	for strings.Contains(normal, ":/") && !a.dirs[domain][normal] {
		a.dirs[domain][normal] = true
		normal = path.Dir(normal)
	}
}

// seen returns a file that is there at the present time; a.mu is held.
func (a *Appliance) seen(domain, normal string) *File {
	f := a.files[domain][normal]
	if f == nil || a.Clock.Now().Before(f.visible) {
		return nil
	}
	return f
}

// ReadFile finds a file to send. Stores that hold keys cannot be read.
func (a *Appliance) ReadFile(domain, name string) (*File, error) {
	normal := NormalPath(name)
	a.mu.Lock()
	f := a.seen(domain, normal)
	a.mu.Unlock()
	if f == nil && (normal != contentFile || !a.hasOwnFiles(domain)) {
		if f = a.standingFile(domain, normal); f != nil {
			return f, a.readStanding(domain, normal, f)
		}
	}
	if store := storeOf(normal); f == nil || store == "cert" || store == "sharedcert" {
		return nil, deny("Cannot read the specified file")
	}
	return f, nil
}

// WriteFile stores content under name, as set-file does.
func (a *Appliance) WriteFile(domain, name string, content []byte) error {
	normal := NormalPath(name)
	if slices.Contains(exportedStores, storeOf(normal)) {
		if err := a.ownFiles(domain); err != nil {
			return err
		}
	}
	written, err := a.fileOf(bytes.NewReader(content))
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dirs[domain][normal] || normal == storeOf(normal)+":" {
		return deny("Authentication failure")
	}
	if dir := path.Dir(normal); strings.Contains(dir, ":/") && !a.dirs[domain][dir] {
		return refuse("Cannot write to %s", name)
	}
	a.putFile(domain, normal, written)
	a.touch(domain, normal)
	return nil
}

// DeleteFile removes a file.
func (a *Appliance) DeleteFile(domain, name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	normal := NormalPath(name)
	if a.seen(domain, normal) == nil {
		return refuse("No such file or directory named %s exists", name)
	}
	delete(a.files[domain], normal)
	a.touch(domain, normal)
	return nil
}

// CreateDir makes a directory, of which only local: may have new ones. One
// that is there already is fine.
func (a *Appliance) CreateDir(domain, name string) error {
	if !strings.HasPrefix(name, "local:") {
		return refuse("Value '%s' for parameter Dir is not valid", name)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.putDir(domain, NormalPath(name))
	return nil
}

// RemoveDir removes a directory of local: and everything in it.
func (a *Appliance) RemoveDir(domain, name string) error {
	if !strings.HasPrefix(name, "local:") {
		return refuse("Value '%s' for parameter Dir is not valid", name)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	normal := NormalPath(name)
	if !a.dirs[domain][normal] {
		return refuse("No such file or directory named %s exists", name)
	}
	for dir := range a.dirs[domain] {
		if within(dir, normal) {
			delete(a.dirs[domain], dir)
		}
	}
	for file := range a.files[domain] {
		if within(file, normal) {
			delete(a.files[domain], file)
		}
	}
	a.touch(domain, normal)
	return nil
}

func within(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }

// Listing is a directory of a store with what is below it.
type Listing struct {
	Path  string // local:/a, or local: for the store itself
	Dirs  []Listing
	Files []ListedFile
}

// ListedFile is a file as listings show it.
type ListedFile struct {
	Name     string
	Size     int64
	Modified time.Time
	SHA256   string
}

// List lists a store or a directory of one; false if it is not there.
func (a *Appliance) List(domain, location string) (Listing, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	normal := NormalPath(location)
	if !slices.Contains(Stores(), storeOf(normal)) || normal != storeOf(normal)+":" && !a.dirs[domain][normal] && !standingDirs(domain)[normal] {
		return Listing{}, false
	}
	return a.list(domain, normal), true
}

func (a *Appliance) list(domain, dir string) Listing {
	l := Listing{Path: dir}
	dirs := standingDirs(domain)
	maps.Copy(dirs, a.dirs[domain])
	for sub := range dirs {
		if parent(sub) == dir {
			l.Dirs = append(l.Dirs, a.list(domain, sub))
		}
	}
	for _, name := range standing(domain) {
		if parent(name) == dir && a.files[domain][name] == nil && (name != contentFile || !a.ownsFiles(domain)) {
			l.Files = append(l.Files, ListedFile{Name: path.Base(name), Size: a.standingSize(domain, name), Modified: a.started.In(a.zone)})
		}
	}
	for name := range a.files[domain] {
		f := a.seen(domain, name)
		if f == nil || parent(name) != dir {
			continue
		}
		row := ListedFile{Name: path.Base(name), Size: f.Size, Modified: f.Modified.In(a.zone)}
		if f.blob != nil {
			row.SHA256 = f.blob.SHA256
		}
		l.Files = append(l.Files, row)
	}
	sort.Slice(l.Dirs, func(i, j int) bool { return l.Dirs[i].Path < l.Dirs[j].Path })
	sort.Slice(l.Files, func(i, j int) bool { return l.Files[i].Name < l.Files[j].Name })
	return l
}

func parent(normal string) string {
	if i := strings.LastIndexByte(normal, '/'); i >= 0 && !strings.HasSuffix(normal[:i], ":") {
		return normal[:i]
	}
	return storeOf(normal) + ":"
}

// Stores are the stores of a domain.
func Stores() []string {
	return []string{"cert", "chkpoints", "config", "export", "local", "logstore", "logtemp", "policyframework", "pubcert", "sharedcert", "store", "tasktemplates", "temporary"}
}

// Space is the state of the file systems, in bytes.
type Space struct {
	FreeEncrypted, TotalEncrypted int64
	FreeTemporary, TotalTemporary int64
	FreeInternal, TotalInternal   int64
}

// Filesystems tells free and total space; what was written counts.
func (a *Appliance) Filesystems() Space {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Space{
		FreeEncrypted: a.space.freeEncrypted - a.written("local"), TotalEncrypted: a.space.totalEncrypted,
		FreeTemporary: a.freeTemporary(), TotalTemporary: a.space.totalTemporary,
		FreeInternal: a.space.freeInternal, TotalInternal: a.space.totalInternal,
	}
}

func (a *Appliance) freeTemporary() int64 {
	return max(a.space.freeTemporary-a.written("temporary")-a.written("export"), 0)
}

// written is the size of all files in a store of any domain; a.mu is held.
func (a *Appliance) written(store string) int64 {
	var sum int64
	for _, files := range a.files {
		for name, f := range files {
			if storeOf(name) == store && f.blob != nil {
				sum += f.blob.Size
			}
		}
	}
	return sum
}
