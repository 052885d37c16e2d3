package backups

import "time"

// Verdict is what an import has shown of a set.
type Verdict string

// The verdicts.
const (
	Proven    Verdict = "proven"    // the import was whole, and what it made is what the set holds
	Failed    Verdict = "failed"    // it was not, and that is the set's affair
	Undecided Verdict = "undecided" // something else was in the way: it says nothing of the set
)

// Proof is what came of an import of a set.
type Proof struct {
	Set    string // see [ID]
	SHA256 string // of the archive that was imported, decrypted: one with other bytes is not proven by it
	Subject
	At    time.Time // when it was known
	Run   string    // the drill or restore
	On    string    // the device that it was imported on
	Drill bool      // on a gateway that is there for that, with nothing enabled that comes alive; else it was restored
	Verdict
	Why string // why it is not proven
	// Excused is how many objects the verdict leaves out: they are down for want of
	// something that a drill disables, or of a file that no export holds.
	Excused int
}

// Proves reports whether the proof is one of the bytes that a copy holds.
func (p Proof) Proves(c Copy) bool {
	if p.Set != c.Set {
		return false
	}
	for _, f := range c.Files {
		if f.Opened().SHA256 == p.SHA256 {
			return true
		}
	}
	return false
}
