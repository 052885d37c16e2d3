// Package restore decides about one restore: what comes next after every answer,
// and how it ends. It does nothing itself, and knows no clock: the times of the
// answers are given.
//
// Until the obligation is written, everything but a good answer ends the restore,
// and nothing was sent. From then on it ends without something pending only where
// the target was proven to be as before, or as the archive has it and saved. What
// the answer to the import leaves open is never guessed: the target is looked at.
package restore

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Phase is what a restore is at.
type Phase string

// The phases, in their order.
const (
	Permit   Phase = "permit"   // the right to take the target out of service, and its device alone
	Refusals Phase = "refusals" // a rehearsal, before anything is stored
	WayBack  Phase = "way_back" // an export of the target, stored as a set
	Rehearse Phase = "rehearse" // of exactly these bytes, against exactly this target
	Ask      Phase = "ask"      // a person
	Recheck  Phase = "recheck"  // whether the right still holds: a person may take long
	Promise  Phase = "promise"  // the obligation is made durable
	Import   Phase = "import"   // sent once
	Look     Phase = "look"     // what the target is now
	Save     Phase = "save"
	Confirm  Phase = "confirm" // a look at what is saved
	Ended    Phase = "ended"
)

// before is how the phases follow each other up to the import.
var before = map[Phase]Phase{Permit: Refusals, Refusals: WayBack, WayBack: Rehearse, Rehearse: Ask, Ask: Recheck, Recheck: Promise, Promise: Import}

// Kind is how an answer turned out.
type Kind string

// The kinds of answers.
const (
	Good    Kind = "good"
	Refused Kind = "refused" // it was not done, and that is sure
	Empty   Kind = "empty"   // it says nothing
	Late    Kind = "late"    // there was none in time
	Cut     Kind = "cut"     // the connection, the plugin or dprun's own wait ended before it
)

// Answer is what a phase has led to.
type Answer struct {
	Kind Kind
	Why  string // of one that is not good, and of a look: in what the target differs
	// Faults are what a good import has not done.
	Faults []string
	// Of a good rehearsal: the import would change nothing.
	Same bool
	// Of a good look: the target is as it was before, it is as the archive has it,
	// and it has changes that are not saved.
	Old, New, Unsaved bool
}

// End is how a restore ended.
type End string

// The ends.
const (
	Restored End = "restored"             // as the archive has it, saved, and proven
	Faulty   End = "restored_with_faults" // the same, and not everything is up or was reported well
	Denied   End = "refused"              // nothing was sent
	Same     End = "nothing_to_do"        // nothing was sent, as it would have changed nothing
	Old      End = "unchanged"            // proven to be as before
	NotSaved End = "not_saved"            // as the archive has it, and a restart of the domain would bring the old one back
	Unknown  End = "unknown"              // neither was proven
)

// Pending reports whether somebody still has to see to the target.
func (e End) Pending() bool { return e == NotSaved || e == Unknown }

// Step is a phase that has passed.
type Step struct {
	Phase Phase     `json:"phase"`
	Time  time.Time `json:"time"` // of the answer
	Kind  Kind      `json:"answer"`
	Why   string    `json:"why,omitempty"`
}

const (
	// Settles is how long after a look another one is made, where an import whose
	// answer was lost may still be at work on the device.
	Settles = time.Minute
	// atWork is how long a device may be at work on an import: the limit of
	// DataPower's own internal call is an hour.
	atWork = time.Hour
	// looks bounds how often the target is looked at in one phase.
	looks = 5
)

// Machine is one restore. The zero value is not usable.
type Machine struct {
	phase   Phase
	end     End
	why     string
	faults  []string
	lost    bool // the import's own answer does not say what it has done
	resumed bool // another process has begun it
	long    bool // so long ago that no import is at work any more
	looked  int  // in this phase
	seenOld time.Time
	notYet  time.Time
	steps   []Step
}

// New is a restore that has not begun.
func New() *Machine { return &Machine{phase: Permit} }

// Resume is a restore whose process is gone, or has given up, after it had
// promised, at a time: what it has sent is not known. It only looks, and saves
// nothing. Where no import can be at work any more it looks once.
func Resume(promised, now time.Time) *Machine {
	return &Machine{phase: Look, lost: true, resumed: true, long: now.Sub(promised) > atWork,
		faults: []string{"what the device has reported of the import was not read, or was not good"}}
}

// Next is the phase to do, and not before which time.
func (m *Machine) Next() (Phase, time.Time) { return m.phase, m.notYet }

// End is how it ended, and why; empty while it goes on.
func (m *Machine) End() (end End, why string) { return m.end, m.why }

// Steps are the phases that have passed.
func (m *Machine) Steps() []Step { return m.steps }

// Answer takes what the phase has led to.
func (m *Machine) Answer(now time.Time, a Answer) {
	if m.phase == Ended {
		return
	}
	m.steps = append(m.steps, Step{Phase: m.phase, Time: now, Kind: a.Kind, Why: a.Why})
	m.notYet = time.Time{}
	switch m.phase {
	case Import:
		m.imported(a)
	case Look:
		m.looks(now, a)
	case Save:
		if a.Kind != Good {
			m.why = a.Why
		}
		m.to(Confirm)
	case Confirm:
		m.confirmed(now, a)
	default:
		if a.Kind != Good {
			m.ends(Denied, a.Why)
			return
		}
		if m.phase == Rehearse && a.Same {
			m.ends(Same, "the domain holds what the archive holds")
			return
		}
		m.to(before[m.phase])
	}
}

func (m *Machine) imported(a Answer) {
	switch a.Kind {
	case Good:
		m.faults = append(m.faults, a.Faults...)
	case Refused:
		m.ends(Denied, a.Why)
		return
	default:
		m.lost = true
		m.faults = append(append(m.faults, a.Faults...), "what the device has reported of the import was not read: "+a.Why)
	}
	m.to(Look)
}

func (m *Machine) looks(now time.Time, a Answer) {
	m.looked++
	switch {
	case a.Kind != Good:
		m.again(now, "the target could not be read: "+a.Why)
	case a.New && !a.Unsaved:
		m.restored()
	case a.New && m.resumed:
		m.ends(NotSaved, "the domain is as the archive has it, and that is not saved")
	case a.New:
		m.to(Save)
	case a.Old && (!m.lost || m.long || !m.seenOld.IsZero() && now.Sub(m.seenOld) >= Settles):
		m.ends(Old, "the domain is as it was before")
	case a.Old:
		if m.seenOld.IsZero() {
			m.seenOld = now
		}
		m.again(now, "the domain is as it was before, and the import may still be at work")
	default:
		m.seenOld = time.Time{}
		why := "the domain is neither as before nor as the archive has it: " + a.Why
		if !m.lost { // the device has said that it is done
			m.ends(Unknown, why)
			return
		}
		m.again(now, why)
	}
}

func (m *Machine) confirmed(now time.Time, a Answer) {
	m.looked++
	switch {
	case a.Kind != Good:
		m.again(now, "the domain was as the archive has it, and could not be read after the save: "+a.Why)
	case !a.New:
		m.ends(Unknown, "the domain was as the archive has it, and is not any more: "+a.Why)
	case a.Unsaved:
		why := "the domain is as the archive has it, and that is not saved"
		if m.why != "" {
			why += ": " + m.why
		}
		m.ends(NotSaved, why)
	default:
		m.restored()
	}
}

// again looks once more, or gives up.
func (m *Machine) again(now time.Time, why string) {
	if m.looked >= looks || m.long {
		m.ends(Unknown, why)
		return
	}
	m.notYet = now.Add(Settles)
}

func (m *Machine) restored() {
	if len(m.faults) > 0 {
		m.ends(Faulty, strings.Join(m.faults, "; "))
		return
	}
	m.ends(Restored, "the domain is as the archive has it, and that is saved")
}

func (m *Machine) to(p Phase) { m.phase, m.looked = p, 0 }

func (m *Machine) ends(e End, why string) { m.phase, m.end, m.why = Ended, e, why }

// Failed is the answer of a call that failed. Of an import only those kinds say
// that nothing was done which [sdk.Restorer] names; every other one leaves it open.
func Failed(err error) Answer {
	f := failure.From(err)
	a := Answer{Kind: Cut, Why: f.Error()}
	switch f.Kind {
	case failure.Precondition, failure.Denied, failure.NotFound, failure.Corrupt:
		a.Kind = Refused
	case failure.Timeout:
		a.Kind = Late
	}
	return a
}

// Imported reads the report of an import. One that reports no object and no file as
// done is empty, whatever else it finds: a checkpoint that was made is no import.
func Imported(r *sdk.ImportReport) Answer {
	empty := Answer{Kind: Empty, Why: "the device reported no object and no file as imported"}
	if r == nil {
		return empty
	}
	a := Answer{Kind: Good}
	if r.Objects+r.Files == 0 {
		a = empty
	}
	for _, f := range r.Findings {
		if f.Level == sdk.LevelError {
			a.Faults = append(a.Faults, strings.TrimPrefix(f.Subject+": "+f.Message, ": "))
		}
	}
	for _, d := range r.Down {
		a.Faults = append(a.Faults, "down: "+d)
	}
	for _, s := range r.Skipped {
		a.Faults = append(a.Faults, "not there, and no error was reported: "+s)
	}
	return a
}

// NotUp are the faults of what was up when the set was captured and is not now. What
// lacks a key is down for a reason that an import does not call a fault. A reading that
// failed is a fault too.
func NotUp(was []string, now *sdk.HealthReport, err error) (faults []string) {
	if err == nil && len(now.Unread) > 0 {
		err = now.Unread[0].Failure
	}
	if err != nil {
		return []string{"whether what was up when the backup was made is up again could not be read: " + err.Error()}
	}
	up := map[string]bool{}
	for _, o := range now.Objects {
		up[o.Class+" "+o.Name] = o.Up
	}
	for _, name := range was {
		if !up[name] {
			faults = append(faults, name+" was up when the backup was made, and is not")
		}
	}
	const most = 20
	if more := len(faults) - most; more > 0 {
		faults = append(faults[:most], fmt.Sprintf("and %d more", more))
	}
	return faults
}

var errShort = errors.New("the answer is not about both files")

// Looked reads how the target resembles the way back and the archive, in that order.
func Looked(r *sdk.ResembleReport) Answer {
	if r == nil || len(r.Of) != 2 {
		return Answer{Kind: Empty, Why: errShort.Error()}
	}
	back, archive := r.Of[0], r.Of[1]
	return Answer{Kind: Good, Old: back.Equal && back.Only, New: archive.Equal, Unsaved: r.SaveNeeded,
		Why: differs("the archive", archive) + "; " + differs("the way back", back)}
}

// shown bounds how many differences are said.
const shown = 3

func differs(from string, r sdk.Resemblance) string {
	d := r.Differences
	if len(d) == 0 {
		return "nothing is said of " + from
	}
	more := ""
	if len(d) > shown {
		d, more = d[:shown], fmt.Sprintf(" and %d more", len(d)-shown)
	}
	return "it differs from " + from + " in " + strings.Join(d, ", ") + more
}
