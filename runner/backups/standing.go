package backups

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/runner/evidence"
	"github.com/dprun/dprun/runner/signing"
)

// Object is a file at a destination.
type Object struct {
	Path     string // relative to the destination
	Size     int64
	Modified time.Time // zero: the destination does not say
}

// Answer is a destination's answer to a request to read one object completely.
type Answer struct {
	Absent bool // the destination says that there is no such object
	Size   int64
	SHA256 string
	Body   []byte // of a manifest that differs from the stored one; nil: not read
	Err    error  // there was no answer: the object's state is unknown
}

// FaultKind says what is wrong at a destination.
type FaultKind string

// The kinds of faults. Stray, Partial, Foreign and Elsewhere do not say that
// anything is wrong.
const (
	FaultMissing    FaultKind = "missing"     // it is not there
	FaultAltered    FaultKind = "altered"     // it differs from what was stored
	FaultTruncated  FaultKind = "truncated"   // it ends too early
	FaultMoved      FaultKind = "moved"       // it is at another place
	FaultPlanted    FaultKind = "planted"     // a manifest that contradicts the journal, or itself
	FaultUnknown    FaultKind = "unknown_set" // a manifest of this state directory that the journal does not know
	FaultForeign    FaultKind = "foreign_set" // a manifest of another state directory
	FaultStray      FaultKind = "stray"       // a file that belongs to no set
	FaultPartial    FaultKind = "partial"     // a temporary file of a store that failed
	FaultElsewhere  FaultKind = "elsewhere"   // copies are where the destination was before
	FaultNotChecked FaultKind = "not_checked" // there was no answer, so nothing is known
)

// Grave reports whether a fault casts doubt on the backups of the destination.
func (k FaultKind) Grave() bool {
	return k != FaultStray && k != FaultPartial && k != FaultForeign && k != FaultElsewhere
}

// Fault is one thing that is wrong.
type Fault struct {
	Kind   FaultKind
	Path   string // of the object, relative to the destination
	Why    string // what is wrong with it
	Remedy string // what to do
}

// What to do if a file is gone or not as it was stored.
const (
	remedyLost     = "`dprun backups show SET` names other copies, and `dprun apply PLAN --only device=DEVICE,domain=DOMAIN` makes a new backup"
	remedyDisk     = "do not restore it; look at the destination's disk and at who may write there; " + remedyLost
	remedyUnsigned = "the backup itself is as it was stored, and only its proof for others is lost; find out who can write there. The next backup is signed again"
	remedyAsk      = "correct what the message says, and check again"
)

// Ledger is the journal's knowledge of one destination.
type Ledger struct {
	own    string
	copies []*Copy
	bySet  map[string]*Copy
	byHash map[string]*Copy // by the manifest's hash
	files  map[string]*Copy // by the path of every object
}

// NewLedger returns the ledger of a destination. own is the ID of this state
// directory.
func NewLedger(own string, copies []Copy) *Ledger {
	l := &Ledger{own: own, bySet: map[string]*Copy{}, byHash: map[string]*Copy{}, files: map[string]*Copy{}}
	for i := range copies {
		c := &copies[i]
		l.copies = append(l.copies, c)
		l.bySet[c.Set], l.byHash[c.SHA256], l.files[c.Path] = c, c, c
		for _, f := range c.Parts() {
			l.files[c.At(f)] = c
		}
	}
	return l
}

// At returns the path of one of the copy's files, relative to the destination.
func (c *Copy) At(f File) string { return path.Join(path.Dir(c.Path), f.File) }

// Unknown returns the objects that belong to no set of the journal, with
// manifests separate from the others.
func (l *Ledger) Unknown(objects []Object) (manifests, others []Object) {
	for _, o := range objects {
		switch {
		case l.files[o.Path] != nil, evidence.Is(o.Path):
		case strings.HasSuffix(o.Path, Suffix):
			manifests = append(manifests, o)
		default:
			others = append(others, o)
		}
	}
	return manifests, others
}

// Asks returns the objects of a copy that dprun must ask the destination for: the
// manifest, if there is one, and every file that listed does not show with the
// stored size. With data, it returns all files. A listing may leave out objects
// that exist, and may be wrong about those that it shows.
func (c *Copy) Asks(listed map[string]int64, data bool) []string {
	var ask []string
	if c.HasManifest() {
		ask = append(ask, c.Path)
	}
	for _, f := range c.Parts() {
		if size, ok := listed[c.At(f)]; data || !ok || size != f.Size {
			ask = append(ask, c.At(f))
		}
	}
	return ask
}

// Judge returns the state of a copy, by the answers to what [Copy.Asks] returned.
// moved is the place where its manifest was found instead, or empty. The state is
// empty if nothing is proven.
func (l *Ledger) Judge(c *Copy, listed map[string]int64, answers map[string]Answer, moved string) (State, []Fault) {
	var faults []Fault
	if f := l.manifestFault(c, answers[c.Path], moved); f != nil {
		faults = append(faults, *f)
	}
	look := func(files []File, remedy string) {
		for _, f := range files {
			a, asked := answers[c.At(f)]
			if size, ok := listed[path.Join(path.Dir(moved), f.File)]; moved != "" && a.Absent && ok && size == f.Size {
				continue // it was moved together with its manifest
			}
			if fault := fileFault(c.At(f), f, a); asked && fault != nil {
				if remedy != "" && fault.Kind != FaultNotChecked {
					fault.Remedy = remedy
				}
				faults = append(faults, *fault)
			}
		}
	}
	look(c.Files, "")
	state := stateOf(faults) // a missing signature does not make the backup worse
	look(c.Parts()[len(c.Files):], remedyUnsigned)
	return state, faults
}

// stateOf returns the state that the faults prove.
func stateOf(faults []Fault) State {
	state := Whole
	for _, f := range faults {
		switch f.Kind {
		case FaultNotChecked:
			if state == Whole {
				state = ""
			}
		case FaultMissing, FaultMoved:
			if state != Altered {
				state = Missing
			}
		default:
			state = Altered
		}
	}
	return state
}

func (l *Ledger) manifestFault(c *Copy, a Answer, moved string) *Fault {
	switch {
	case !c.HasManifest():
		return nil
	case a.Err != nil:
		return &Fault{FaultNotChecked, c.Path, "its manifest was not read: " + a.Err.Error(), remedyAsk}
	case a.Absent && moved != "":
		return &Fault{FaultMoved, c.Path, fmt.Sprintf("its manifest is at %s instead, where it belongs to no set", moved),
			"move the manifest and its files back, and check again; find out who moved them"}
	case a.Absent:
		return &Fault{FaultMissing, c.Path, "its manifest is not there, so nobody who reads the destination sees the set", remedyLost}
	case a.SHA256 == c.SHA256:
		return nil
	}
	if other := l.byHash[a.SHA256]; other != nil {
		return &Fault{FaultMoved, c.Path, fmt.Sprintf("the manifest of another set is there: %s of %s, which belongs at %s", other.Set, other.Of(), other.Path), remedyDisk}
	}
	if a.Body != nil {
		if _, err := ParseManifest(a.Body, c.Path); errors.Is(err, errCut) {
			return &Fault{FaultTruncated, c.Path, fmt.Sprintf("its manifest ends too early, after %d bytes", a.Size), remedyDisk}
		}
	}
	return &Fault{FaultAltered, c.Path, "its manifest is not the one that was stored", remedyDisk}
}

func fileFault(at string, f File, a Answer) *Fault {
	switch {
	case a.Err != nil:
		return &Fault{FaultNotChecked, at, "it was not read: " + a.Err.Error(), remedyAsk}
	case a.Absent:
		return &Fault{FaultMissing, at, "it is not there", remedyLost}
	case a.Size < f.Size:
		return &Fault{FaultTruncated, at, fmt.Sprintf("it has %d bytes, and %d were stored", a.Size, f.Size), remedyDisk}
	case a.Size > f.Size:
		return &Fault{FaultAltered, at, fmt.Sprintf("it has %d bytes, and %d were stored", a.Size, f.Size), remedyDisk}
	case a.SHA256 != f.SHA256:
		return &Fault{FaultAltered, at, fmt.Sprintf("its content has changed: its SHA-256 is %s, and was %s", a.SHA256, f.SHA256), remedyDisk}
	}
	return nil
}

// Of names the device and the domain of a copy as a person does.
func (c *Copy) Of() string {
	if c.Domain == "" {
		return c.Device
	}
	return c.Device + "/" + c.Domain
}

// Moved returns the known copy whose manifest has this hash; nil: there is none.
func (l *Ledger) Moved(sha256 string) *Copy { return l.byHash[sha256] }

// Stranger says what to think of a manifest that belongs to no set of the
// journal. files are the paths of the objects that it lists; nil: it cannot be
// believed.
func (l *Ledger) Stranger(at string, body []byte) (f Fault, files []string) {
	m, err := ParseManifest(body, at)
	switch {
	case errors.Is(err, errCut):
		return Fault{FaultTruncated, at, fmt.Sprintf("this manifest ends too early, after %d bytes, and belongs to no set", len(body)),
			"remove it, with the files beside it that no other manifest lists"}, nil
	case errors.Is(err, ErrNewer):
		return Fault{FaultNotChecked, at, "this manifest cannot be read: " + err.Error(), "check with the dprun that stored it, or a newer one"}, nil
	case err != nil:
		return Fault{FaultPlanted, at, "this manifest is not one that dprun stored there: " + err.Error(), remedyPlanted}, nil
	}
	for _, a := range m.Artifacts {
		files = append(files, path.Join(path.Dir(at), a.File))
	}
	files = append(files, at+signing.Suffix)
	c := m.Copy(body)
	switch known := l.bySet[m.Set]; {
	case known != nil:
		return Fault{FaultPlanted, at, fmt.Sprintf("this manifest says that it is of set %s, which is at %s with other content", m.Set, known.Path), remedyPlanted}, nil
	case m.State == l.own || m.State == "":
		return Fault{FaultUnknown, at, fmt.Sprintf("the journal does not know this set of %s, stamp %s, or has deleted it, although its manifest says that it comes from here", c.Of(), m.Stamp),
			"if the journal was lost, or the destination was brought back from a backup of its own, `dprun backups import PLAN` enters the set; otherwise somebody has put it there"}, files
	}
	return Fault{FaultForeign, at, fmt.Sprintf("this set of %s, stamp %s, comes from another state directory; nothing but the destination vouches for it", c.Of(), m.Stamp),
		"`dprun backups import PLAN` enters it"}, files
}

const remedyPlanted = "do not restore it; find out who can write there, and remove it"

// Strays returns a fault for each object that no manifest lists. claimed holds
// the paths that manifests list which are not in the journal.
func Strays(others []Object, claimed map[string]bool) (out []Fault) {
	for _, o := range others {
		if !claimed[o.Path] {
			remedy := "if no run stores there now, it can be removed"
			if _, _, err := dpodFile(o.Path); err == nil {
				remedy = "if it is an old backup of DPOD, `dprun backups import PLAN --layout dpod` enters it; otherwise, " + remedy
			}
			out = append(out, Fault{FaultStray, o.Path, "it belongs to no set: no manifest lists it", remedy})
		}
	}
	return out
}

// Sample chooses the copies whose every byte is read, so that they make up the
// given share of all bytes. It takes first the copies that were not read for the
// longest time, and always at least one.
func Sample(copies []*Copy, share float64) map[*Copy]bool {
	var all, taken int64
	oldest := slices.Clone(copies)
	slices.SortStableFunc(oldest, func(a, b *Copy) int { return a.proved().Compare(b.proved()) })
	for _, c := range oldest {
		all += c.Bytes
	}
	out := map[*Copy]bool{}
	for _, c := range oldest {
		if share <= 0 || share < 1 && len(out) > 0 && float64(taken) >= share*float64(all) {
			break
		}
		out[c] = true
		taken += c.Bytes
	}
	return out
}

// proved returns the last time that every byte of the copy was compared with the
// captured bytes.
func (c *Copy) proved() time.Time {
	if c.Checked.After(c.Stored) {
		return c.Checked
	}
	return c.Stored
}
