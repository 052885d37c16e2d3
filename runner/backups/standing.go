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

// Answer is what a destination says when it is asked for one object and reads
// all of it.
type Answer struct {
	Absent bool // it says that there is no such object
	Size   int64
	SHA256 string
	Body   []byte // of a manifest that is not the one that was stored; nil: not read
	Err    error  // it gave no answer: nothing is known of the object
}

// FaultKind says what is wrong with what stands at a destination.
type FaultKind string

// The kinds of faults. Of Stray, Partial, Foreign and Elsewhere nobody knows
// whether anything is wrong.
const (
	FaultMissing    FaultKind = "missing"     // it is not there
	FaultAltered    FaultKind = "altered"     // it is not what was stored
	FaultTruncated  FaultKind = "truncated"   // it ends too early
	FaultMoved      FaultKind = "moved"       // it stands elsewhere
	FaultPlanted    FaultKind = "planted"     // a manifest that contradicts the journal, or itself
	FaultUnknown    FaultKind = "unknown_set" // a manifest of this state directory that the journal does not know
	FaultForeign    FaultKind = "foreign_set" // a manifest of another state directory
	FaultStray      FaultKind = "stray"       // a file that belongs to no set
	FaultPartial    FaultKind = "partial"     // a temporary file of a store that did not end well
	FaultElsewhere  FaultKind = "elsewhere"   // copies stand where the destination was before
	FaultNotChecked FaultKind = "not_checked" // there was no answer: nothing is known
)

// Grave reports whether a fault speaks against the backups of the destination.
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

// What is to be done where something is gone or not as it was stored.
const (
	remedyLost     = "`dprun backups show SET` names other copies, and `dprun apply PLAN --only device=DEVICE,domain=DOMAIN` makes a new backup"
	remedyDisk     = "do not restore it; look at the destination's disk and at who may write there; " + remedyLost
	remedyUnsigned = "the backup itself is as it was stored, and nothing shows that to others any more; find out who can write there. The next backup is signed again"
	remedyAsk      = "mend what the message says, and check again"
)

// Ledger is what the journal knows of one destination.
type Ledger struct {
	own    string
	copies []*Copy
	bySet  map[string]*Copy
	byHash map[string]*Copy // of the manifest
	files  map[string]*Copy // every object's path
}

// NewLedger makes the ledger of a destination. own is the ID of this state directory.
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

// At is the path of one of a copy's files, relative to the destination.
func (c *Copy) At(f File) string { return path.Join(path.Dir(c.Path), f.File) }

// Unknown are the objects that belong to no set of the journal, manifests apart.
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

// Asks are the objects of a copy that the destination must be asked for: the
// manifest, if it has one, what it does not list as it was stored, and with data all of it.
// What a list leaves out may be there, and what it shows may not be the truth.
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

// Judge says how a copy stands, by the answers to what [Copy.Asks] names.
// moved is where its manifest stands instead, if it was found elsewhere. The
// state is empty when nothing is proved.
func (l *Ledger) Judge(c *Copy, listed map[string]int64, answers map[string]Answer, moved string) (State, []Fault) {
	var faults []Fault
	if f := l.manifestFault(c, answers[c.Path], moved); f != nil {
		faults = append(faults, *f)
	}
	look := func(files []File, remedy string) {
		for _, f := range files {
			a, asked := answers[c.At(f)]
			if size, ok := listed[path.Join(path.Dir(moved), f.File)]; moved != "" && a.Absent && ok && size == f.Size {
				continue // it was moved with its manifest
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
	state := stateOf(faults) // the backup is as good without its signature
	look(c.Parts()[len(c.Files):], remedyUnsigned)
	return state, faults
}

// stateOf is the state that faults prove.
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
		return &Fault{FaultMoved, c.Path, fmt.Sprintf("its manifest stands at %s instead, where it belongs to no set", moved),
			"move the manifest and its files back, and check again; find out who moved them"}
	case a.Absent:
		return &Fault{FaultMissing, c.Path, "its manifest is not there: whoever reads the destination does not see the set", remedyLost}
	case a.SHA256 == c.SHA256:
		return nil
	}
	if other := l.byHash[a.SHA256]; other != nil {
		return &Fault{FaultMoved, c.Path, fmt.Sprintf("the manifest of another set stands there: %s of %s, which belongs at %s", other.Set, other.Of(), other.Path), remedyDisk}
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

// Of is what a copy is a copy of, as a person names it.
func (c *Copy) Of() string {
	if c.Domain == "" {
		return c.Device
	}
	return c.Device + "/" + c.Domain
}

// Moved is the known copy whose manifest has a hash; nil: none has it.
func (l *Ledger) Moved(sha256 string) *Copy { return l.byHash[sha256] }

// Stranger says what a manifest is that belongs to no set of the journal. The
// files are what it lists, by their paths; nil: it cannot be believed.
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
		return Fault{FaultPlanted, at, fmt.Sprintf("this manifest says that it is of set %s, which stands at %s with another content", m.Set, known.Path), remedyPlanted}, nil
	case m.State == l.own || m.State == "":
		return Fault{FaultUnknown, at, fmt.Sprintf("the journal does not know this set of %s, stamp %s, or has deleted it, although its manifest says that it comes from here", c.Of(), m.Stamp),
			"if the journal was lost, or the destination was brought back from a backup of its own, `dprun backups import PLAN` enters the set; otherwise somebody has put it there"}, files
	}
	return Fault{FaultForeign, at, fmt.Sprintf("this set of %s, stamp %s, comes from another state directory; nothing but the destination vouches for it", c.Of(), m.Stamp),
		"`dprun backups import PLAN` enters it"}, files
}

const remedyPlanted = "do not restore it; find out who can write there, and remove it"

// Strays are the objects that no manifest lists. The claimed are paths that a manifest
// does list which is not in the journal.
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

// Sample chooses the copies whose every byte is read: the part of all bytes that
// share says, those first that were not read for the longest time. At least one is.
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

// proved is when every byte of the copy was last compared with what was captured.
func (c *Copy) proved() time.Time {
	if c.Checked.After(c.Stored) {
		return c.Checked
	}
	return c.Stored
}
