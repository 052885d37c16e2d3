package fabricate

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Device is what an export says of the gateway it came from.
type Device struct {
	Name        string
	ProductID   string // 843652X; 5725 for a virtual machine; software for a container
	Product     string // IDG or XI50
	Model       string
	Serial      string
	Firmware    string // IDG.10.0.1.5
	Build       string
	BuildDate   string // 2021/09/29 17:42:35
	Delivery    string // LTS or CD; empty: older firmware, which has no such element
	Intrusion   bool   // 10.0 and later carry an intrusion-detection element
	Interface   string
	InterfaceIP string
	Zone        string // CET
	// Stores makes the default domain's exports carry store: and tasktemplates:
	// files, directories with the set-group-ID bit, and backups that begin with
	// the domains' archives, as 10.6 does.
	Stores bool
	// DeflateNested packs the archives inside a backup once more, as 3.7 did.
	DeflateNested bool
}

// Export says what an archive is of.
type Export struct {
	Device    Device
	Domain    string
	User      string
	Comment   string
	Time      time.Time // when it was made, as export.xml says; zero: always the same
	Persisted bool
	// Unsaved makes the running configuration differ from the persisted one.
	Unsaved bool
	// Objects are the configuration objects, as export.xml lists them.
	Objects string
	// Size is the archive's exact size in bytes, at least MinSize.
	Size int64
	// Files are the files that the archive holds; nil: so many that it has Size.
	Files []File
	// MissingFiles and PrivateKeys are entries that export.xml lists without
	// a hash and that the archive does not hold.
	MissingFiles int
	PrivateKeys  int
	// WrongHash makes export.xml name a wrong SHA-1 for one file.
	WrongHash bool
	Flaw      Flaw
	// Nested leaves out dp-aux, as in the archives inside a backup.
	Nested bool
}

// File is a file of the domain.
type File struct {
	URI     string // local:///a/b.xsl
	Content io.Reader
	Note    string // "missing" or "key": listed without its content
}

// MinSize is the smallest export that can be fabricated.
const MinSize = 24_000

// Write writes the archive of e.
func (f *Factory) Write(w io.Writer, e Export) error {
	if e.Size < MinSize {
		return fmt.Errorf("fabricate an export of %d bytes: an export has at least %d", e.Size, MinSize)
	}
	if e.Flaw.NoEntries {
		return writeZip(w, nil, false)
	}
	if e.Files != nil {
		entries, err := f.holding(e)
		if err != nil {
			return err
		}
		return e.Flaw.write(w, entries, e.Device.Stores)
	}
	entries, err := f.fit(e)
	if err != nil {
		return err
	}
	return e.Flaw.write(w, entries, e.Device.Stores)
}

// fit chooses bulk entries so that the archive comes out exactly as large as
// asked for. The last bytes are gained by stretching one entry's deflate
// stream, which changes neither its content nor its hash.
func (f *Factory) fit(e Export) ([]entry, error) {
	var counts [3]int
	bulk := map[string]payload{}
	smallest := f.weight(2)
	for range 1000 {
		left := e.Size - zipSize(f.assemble(e, counts, 0, bulk))
		switch {
		case left > 2*smallest:
			for class, text := range fillerText {
				if left < int64(text.size/10) {
					continue // not even one fits: do not make the texts
				}
				n := left / f.weight(class)
				counts[class] += int(n)
				left -= n * f.weight(class)
			}
		case left < 0 || left < 6*(left%5):
			if !dropFiller(&counts) {
				return nil, fmt.Errorf("fabricate an export of %d bytes: the fixed parts alone are larger", e.Size)
			}
		default:
			return f.assemble(e, counts, left, bulk), nil
		}
	}
	return nil, fmt.Errorf("fabricate an export of %d bytes: no set of entries has that size", e.Size)
}

// weight is about what one more bulk entry of a class adds to an archive: its
// content, its two headers, its row in export.xml.
func (f *Factory) weight(class int) int64 {
	var most int64
	for _, p := range f.fillers[class]() {
		most = max(most, p.packedSize())
	}
	return most + 390
}

func dropFiller(counts *[3]int) bool {
	for class := 2; class >= 0; class-- {
		if counts[class] > 0 {
			counts[class]--
			return true
		}
	}
	return false
}

// assemble lists the archive's entries in the order of real ones: dp-aux,
// the domain's directories, export.xml last.
// bulk keeps its larger files from call to call, by path.
func (f *Factory) assemble(e Export, counts [3]int, stretch int64, bulk map[string]payload) []entry {
	out := append(f.first(e), entry{name: "local/", dir: true})
	pad, _ := deflateOpen(domainNotes(e)).stretched(stretch)
	out = append(out, fileIn("local", "README.txt", pad))
	if e.WrongHash {
		out[len(out)-1].badHash = true
	}
	for class, dir := range [3]string{"wsdl", "xsl", "map"} {
		if counts[class] == 0 {
			continue
		}
		location := "local"
		if e.Device.Stores && e.Domain == "default" {
			location = [3]string{"local", "tasktemplates", "store"}[class]
		}
		if location != "local" {
			out = append(out, entry{name: location + "/", dir: true})
		}
		out = append(out, entry{name: location + "/" + dir + "/", dir: true})
		variants := f.fillers[class]()
		for i := range counts[class] {
			name := fmt.Sprintf("%s/%s-%05d.xsl", dir, e.Domain, i)
			p, ok := bulk[name]
			if !ok {
				// The members of a cluster serve the same applications from
				// the same files; no two domains' files are the same.
				p = variants[i%len(variants)].headed(fmt.Sprintf("<!-- %s of domain %s -->\n", name, e.Domain))
				bulk[name] = p
			}
			out = append(out, fileIn(location, name, p))
		}
	}
	for i := range e.MissingFiles {
		out = append(out, entry{uri: fmt.Sprintf("local:///gone/absent-%d.xsl", i), location: "local", note: "missing"})
	}
	for i := range e.PrivateKeys {
		out = append(out, entry{uri: fmt.Sprintf("cert:///%s-key-%d.pem", e.Domain, i), location: "cert", note: "key"})
	}
	return append(out, entry{name: "export.xml", payload: deflate(exportXML(e, out))})
}

// first are the entries that an archive begins with.
func (f *Factory) first(e Export) []entry {
	var out []entry
	for _, a := range f.auxOf(e) {
		if e.Nested {
			a.name = "" // it is in the outer archive, yet listed here
			if a.dir {
				continue
			}
		}
		out = append(out, a)
	}
	return append(out, entry{name: "config/", dir: true}, entry{
		name: "config/" + e.Domain + ".cfg", uri: "config:///" + e.Domain + ".cfg", location: "config",
		payload: deflate(domainConfig(e)),
	})
}

// holding are the entries of an export of files that are named.
func (f *Factory) holding(e Export) ([]entry, error) {
	out := f.first(e)
	dirs := map[string]bool{}
	for _, file := range e.Files {
		location, path, _ := strings.Cut(file.URI, ":///")
		if file.Note != "" {
			out = append(out, entry{uri: file.URI, location: location, note: file.Note})
			continue
		}
		name := location + "/" + path
		for i, c := range name {
			if c == '/' && !dirs[name[:i+1]] {
				dirs[name[:i+1]] = true
				out = append(out, entry{name: name[:i+1], dir: true})
			}
		}
		content, err := io.ReadAll(file.Content)
		if err != nil {
			return nil, err
		}
		out = append(out, fileIn(location, path, deflate(content)))
		if e.WrongHash {
			out[len(out)-1].badHash, e.WrongHash = true, false
		}
	}
	return append(out, entry{name: "export.xml", payload: deflate(exportXML(e, out))}), nil
}

func fileIn(location, path string, p payload) entry {
	return entry{name: location + "/" + path, uri: location + ":///" + path, location: location, payload: p}
}

// domainConfig is the domain's own configuration script.
func domainConfig(e Export) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# configuration of domain %s on %s, %s\ntop; configure terminal;\n", e.Domain, e.Device.Name, e.Device.Firmware)
	for i := range 40 {
		fmt.Fprintf(&b, "\n# object %d\n%%if%% available \"source-http\"\nsource-http \"%s-http-%d\"\n  reset\n  admin-state enabled\n  local-address 0.0.0.0\n  port %d\nexit\n%%endif%%\n", i, e.Domain, i, 10000+i)
	}
	if e.Unsaved && !e.Persisted {
		b.WriteString("\n# changed, not saved\nsource-http \"unsaved-change\"\n  admin-state enabled\nexit\n")
	}
	return []byte(b.String())
}

// domainNotes is the file that tells archives of equal size apart and that is
// stretched to make them fit.
func domainNotes(e Export) []byte {
	state := "running"
	if e.Persisted {
		state = "persisted"
	}
	return []byte(strings.Repeat(fmt.Sprintf("Notes of domain %s, %s configuration, gateway %s, serial %s.\n", e.Domain, state, e.Device.Name, e.Device.Serial), 60))
}
