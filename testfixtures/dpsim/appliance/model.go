package appliance

import (
	"encoding/base64"
	"encoding/hex"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/dprun/dprun/testfixtures/dpsim/config"
	"github.com/dprun/dprun/testfixtures/dpsim/spool"
)

// A domain's configuration is made when it is first looked at, and kept from its
// first change on: a large fleet holds none. The same holds for its files, which
// are taken out of its own export when an import or a client changes them.

// delivered is the configuration that a domain has from the start; with unsaved
// changes, if it was made to have some. a.mu is held.
func (a *Appliance) delivered(d *domain, unsaved bool) *config.Config {
	var c *config.Config
	switch {
	case d.spec.Archive != "" && d.served == nil:
		d.served = a.servedObjects(d.spec.Archive)
		fallthrough
	case d.spec.Archive != "" && len(d.served.Objects) > 0:
		c = d.served.Clone()
	case d.bare:
		c = config.Intrinsic()
	default:
		c = config.Delivered(d.name)
	}
	if len(d.spec.Objects) > 0 {
		c.Objects = nil
	}
	for _, o := range d.spec.Objects {
		c.Put(o.object(c.Find(o.Class, o.Name)))
	}
	if d.spec.APIC {
		c.Put(&config.Object{Class: "APIConnectGatewayService", Name: "default", State: config.Saved, Properties: []config.Property{config.AdminState("enabled"),
			{Name: "LocalAddress", Element: "<LocalAddress>0.0.0.0</LocalAddress>"}, {Name: "LocalPort", Element: "<LocalPort>3000</LocalPort>"}, {Name: "V5CompatibilityMode", Element: "<V5CompatibilityMode>off</V5CompatibilityMode>"}}})
	}
	if d.name == "default" {
		for _, alias := range slices.Sorted(maps.Keys(a.spec.HostAliases)) {
			c.Put(&config.Object{Class: "HostAlias", Name: alias, State: config.Saved, Properties: []config.Property{config.AdminState("enabled"), {Name: "IPAddress", Element: "<IPAddress>" + a.spec.HostAliases[alias] + "</IPAddress>"}}})
		}
	}
	if unsaved && !d.bare {
		c.Put(&config.Object{Class: "HTTPSourceProtocolHandler", Name: "unsaved-change", State: config.New, Properties: []config.Property{config.AdminState("enabled"),
			{Name: "LocalAddress", Element: "<LocalAddress>0.0.0.0</LocalAddress>"}, {Name: "LocalPort", Element: "<LocalPort>2228</LocalPort>"}}})
	}
	return c
}

// object is the object as a configuration has it; there is the one that it changes, or nil.
func (o ObjectSpec) object(there *config.Object) *config.Object {
	out := &config.Object{Class: o.Class, Name: o.Name, State: config.Saved}
	if there != nil {
		out = there.With()
	}
	out.Hidden, out.Condition = o.Hidden, o.State
	state := "enabled"
	if o.State == "disabled" {
		state, out.Condition = "disabled", ""
	}
	return out.With(config.AdminState(state))
}

// servedObjects are the objects of an archive that is served as it is; none if
// it cannot be read.
func (a *Appliance) servedObjects(path string) *config.Config {
	if blob, err := a.archiveFromFile(path); err == nil {
		if p, err := config.Read(blob, blob.Size); err == nil {
			return &config.Config{Objects: p.Objects}
		}
	}
	return &config.Config{}
}

// configuration is what the domain runs, to be read; a.mu is held.
func (a *Appliance) configuration(d *domain) *config.Config {
	if d.running != nil {
		return d.running
	}
	return a.delivered(d, d.saveNeeded)
}

// changing is what the domain runs, to be changed; a.mu is held.
func (a *Appliance) changing(d *domain) *config.Config {
	if d.running == nil {
		d.running, d.saved = a.delivered(d, d.saveNeeded), a.delivered(d, false)
	}
	d.running = d.running.Clone()
	return d.running
}

// exported are the objects of an export.
func (a *Appliance) exported(d *domain, persisted bool) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.configuration(d)
	switch {
	case persisted && d.running != nil:
		c = d.saved
	case persisted:
		c = a.delivered(d, false)
	}
	return c.XML(a.access == nil)
}

// ownFiles takes the domain's files out of its export, so that they can change.
func (a *Appliance) ownFiles(name string) error {
	a.mu.Lock()
	d := a.domain(name)
	if d == nil || d.files != nil {
		a.mu.Unlock()
		return nil
	}
	key := keyFor(d, true)
	a.mu.Unlock()
	blob, err := a.archive(d, key)
	if err != nil {
		return err
	}
	p, err := config.Read(blob, blob.Size)
	if err != nil { // an archive that is served as it is, and is none
		p = &config.Package{}
	}
	files := map[string]*File{}
	var absent []string
	for _, f := range p.Files {
		switch store, _ := f.Store(); {
		case f.Internal || store == "config":
		case f.Withheld:
			if files[NormalPath(f.Name)], err = a.fileOf(strings.NewReader("-----BEGIN of " + f.Name + "-----\n")); err != nil {
				return err
			}
		case !f.Held():
			absent = append(absent, f.Name)
		default:
			content, err := f.Open()
			if err != nil {
				continue
			}
			files[NormalPath(f.Name)], err = a.fileOf(content)
			content.Close()
			if err != nil {
				return err
			}
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if d.files != nil || a.domain(name) != d {
		return nil
	}
	d.files, d.absent = files, absent
	d.changes++
	for name, f := range files {
		if a.files[d.name][name] == nil {
			a.putFile(d.name, name, f)
		}
	}
	return nil
}

// deliveredFiles are the hashes of the files of a domain whose files have not
// changed, by name.
func (a *Appliance) deliveredFiles(name string) (map[string]string, error) {
	a.mu.Lock()
	d := a.domain(name)
	if d == nil || d.files != nil {
		a.mu.Unlock()
		return nil, nil
	}
	key := keyFor(d, true)
	a.mu.Unlock()
	blob, err := a.archive(d, key)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	if p, err := config.Read(blob, blob.Size); err == nil {
		for _, f := range p.Files {
			if f.Held() {
				out[f.Name] = f.Hash
			}
		}
	}
	return out, nil
}

// fileOf is a file of that content, with the sums that exports tell.
func (a *Appliance) fileOf(content io.Reader) (*File, error) {
	f := &File{Modified: a.Clock.Now()}
	blob, err := a.Spool.Add(1, true, func(w io.Writer) error { _, err := io.Copy(w, content); return err })
	if err == nil && blob.Size > 0 {
		f.blob, f.Size = blob, blob.Size
	}
	return f, err
}

// hash is the base64 of the file's SHA-1.
func (f *File) hash() string {
	if f.blob == nil {
		return "2jmj7l5rSw0yVb/vlWAYkK/YBwk=" // of no bytes
	}
	sum, _ := hex.DecodeString(f.blob.SHA1)
	return base64.StdEncoding.EncodeToString(sum)
}

// exportedStores are the stores whose files exports carry or list.
var exportedStores = []string{"local", "cert", "sharedcert", "pubcert", "store", "tasktemplates"}

// withheld reports whether exports list the files of a store without content.
func withheld(store string) bool { return store == "cert" || store == "sharedcert" }

// exportedFile is a file of a domain as an export carries it.
type exportedFile struct {
	uri, note string
	blob      *spool.Blob
}

// exportedFiles are the files of a domain whose files have changed; nil of one
// whose files are as they were delivered.
func (a *Appliance) exportedFiles(d *domain) []exportedFile {
	a.mu.Lock()
	defer a.mu.Unlock()
	if d.files == nil {
		return nil
	}
	out := []exportedFile{}
	for _, name := range slices.Sorted(maps.Keys(a.files[d.name])) {
		store := storeOf(name)
		if !slices.Contains(exportedStores, store) {
			continue
		}
		f := exportedFile{uri: strings.Replace(name, ":/", ":///", 1), blob: a.files[d.name][name].blob}
		if withheld(store) {
			f.note = "key"
		}
		out = append(out, f)
	}
	for _, uri := range d.absent {
		if a.files[d.name][NormalPath(uri)] == nil {
			out = append(out, exportedFile{uri: uri, note: "missing"})
		}
	}
	return out
}

// localFiles are the files of local:, for a checkpoint; nil if they are as they
// were delivered. a.mu is held.
func (a *Appliance) localFiles(d *domain) map[string]*File {
	if d.files == nil {
		return nil
	}
	out := map[string]*File{}
	for name, f := range a.files[d.name] {
		if storeOf(name) == "local" {
			out[name] = f
		}
	}
	return out
}

// rewind puts local: back to what a checkpoint holds; a.mu is held.
func (a *Appliance) rewind(d *domain, files map[string]*File) {
	if d.files == nil {
		return
	}
	if files == nil {
		files = d.files
	}
	for name := range a.files[d.name] {
		if storeOf(name) == "local" {
			delete(a.files[d.name], name)
		}
	}
	for dir := range a.dirs[d.name] {
		if storeOf(dir) == "local" {
			delete(a.dirs[d.name], dir)
		}
	}
	for name, f := range files {
		if storeOf(name) == "local" {
			a.putFile(d.name, name, f)
			a.putDir(d.name, path.Dir(name))
		}
	}
}

// restart makes the saved configuration the running one; a.mu is held.
func (d *domain) restart() {
	if d.running != nil {
		d.running = d.saved.Clone()
		d.changes++
	}
	d.late, d.saveNeeded = nil, false
}
