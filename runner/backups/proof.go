package backups

import (
	"slices"
	"time"
)

// Verdict is the result of importing a set.
type Verdict string

// The verdicts.
const (
	Proven    Verdict = "proven"    // the import was complete, and its result is what the set holds
	Failed    Verdict = "failed"    // the import failed because of the set
	Undecided Verdict = "undecided" // something else prevented the import: it says nothing about the set
)

// Proof records one import of a set.
type Proof struct {
	Set    string // see [ID]
	SHA256 string // of the imported archive, decrypted: the proof is only about these bytes
	Subject
	At    time.Time // when the verdict was known
	Run   string    // the drill or the restore
	On    string    // the device that imported it
	Drill bool      // true: on a gateway that exists only for drills, with everything disabled that could start to work; false: a restore
	Verdict
	Why string // why the set is not proven
	// Excused is the number of objects that the verdict leaves out. They are down
	// because the drill disabled something, or because no export holds a file that
	// they need.
	Excused int
}

// Proves reports whether the proof is about the bytes of this copy.
func (p Proof) Proves(c Copy) bool {
	return p.Set == c.Set && slices.ContainsFunc(c.Files, func(f File) bool { return f.Opened().SHA256 == p.SHA256 })
}
