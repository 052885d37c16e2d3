// Package restore makes the decisions of one restore: what comes next after every
// answer, and how it ends. It does nothing itself and reads no clock: callers give the
// times of the answers.
//
// Until the obligation is written, every answer except a good one ends the restore, and
// nothing was sent. From then on the restore ends without a pending obligation only if
// the target was proven to be as before, or to equal the archive and be saved. The
// package never guesses what an unclear answer to the import means: it looks at the
// target.
package restore

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Phase is a step of a restore.
type Phase string

// The phases, in their order.
const (
	Permit   Phase = "permit"   // the right to take the target out of service, and exclusive use of its device
	Refusals Phase = "refusals" // a rehearsal, before anything is stored
	WayBack  Phase = "way_back" // an export of the target, stored as a set
	Rehearse Phase = "rehearse" // of exactly these bytes, against exactly this target
	Ask      Phase = "ask"      // a person is asked
	Recheck  Phase = "recheck"  // whether the right still holds: a person may take long
	Promise  Phase = "promise"  // the obligation is made durable
	Import   Phase = "import"   // sent once
	Look     Phase = "look"     // what the target is now
	Save     Phase = "save"
	Confirm  Phase = "confirm" // a look at what is saved
	Ended    Phase = "ended"
)

// before is the order of the phases up to the import.
var before = map[Phase]Phase{Permit: Refusals, Refusals: WayBack, WayBack: Rehearse, Rehearse: Ask, Ask: Recheck, Recheck: Promise, Promise: Import}

// Kind classifies an answer.
type Kind string

// The kinds of answers.
const (
	Good    Kind = "good"
	Refused Kind = "refused" // certainly nothing was done
	Empty   Kind = "empty"   // it says nothing
	Late    Kind = "late"    // there was no answer in time
	Cut     Kind = "cut"     // the connection, the plugin or dprun's own wait ended first
)

// Answer is the result of a phase.
type Answer struct {
	Kind Kind
	Why  string // of an answer that is not good; of a look: how the target differs
	// Faults are what a good import has not done.
	Faults []string
	// Of a good rehearsal: the import would change nothing.
	Same bool
	// Of a good look: the target is as it was before; it equals the archive; it has
	// changes that are not saved.
	Old, New, Unsaved bool
}

// End is how a restore ended.
type End string

// The ends of a restore.
const (
	Restored End = "restored"             // the target equals the archive, saved and proven
	Faulty   End = "restored_with_faults" // the same, but something is not up or was reported as faulty
	Denied   End = "refused"              // nothing was sent
	Same     End = "nothing_to_do"        // nothing was sent, because it would have changed nothing
	Old      End = "unchanged"            // proven to be as before
	NotSaved End = "not_saved"            // the target equals the archive, but a restart of the domain would bring back the old state
	Unknown  End = "unknown"              // neither was proven
)

// Pending reports whether somebody still has to take care of the target.
func (e End) Pending() bool { return e == NotSaved || e == Unknown }

// Step is a completed phase.
type Step struct {
	Phase Phase     `json:"phase"`
	Time  time.Time `json:"time"` // of the answer
	Kind  Kind      `json:"answer"`
	Why   string    `json:"why,omitempty"`
}

const (
	// Settles is the pause between two looks if an import whose answer was lost may
	// still be running on the device.
	Settles = time.Minute
	// atWork is how long a device may work on an import: the limit of DataPower's own
	// internal call is an hour.
	atWork = time.Hour
	// looks is the highest number of looks at the target in one phase.
	looks = 5
)

// Machine is one restore. Its zero value is not usable.
type Machine struct {
	phase   Phase
	end     End
	why     string
	faults  []string
	lost    bool // the import's own answer does not say what was done
	resumed bool // another process has begun it
	long    bool // so long ago that no import can still be running
	looked  int  // in this phase
	seenOld time.Time
	notYet  time.Time
	steps   []Step
}

// New returns a restore that has not begun.
func New() *Machine { return &Machine{phase: Permit} }

// Resume returns a restore that made its promise at the given time and whose process is
// gone or has given up. Nobody knows what was sent. It only looks and saves nothing. If
// no import can still be running, it looks once.
func Resume(promised, now time.Time) *Machine {
	return &Machine{phase: Look, lost: true, resumed: true, long: now.Sub(promised) > atWork,
		faults: []string{"what the device has reported of the import was not read, or was not good"}}
}

// Next returns the phase to do, and the time before which it must not begin.
func (m *Machine) Next() (Phase, time.Time) { return m.phase, m.notYet }

// End returns how the restore ended, and why; empty while it goes on.
func (m *Machine) End() (end End, why string) { return m.end, m.why }

// Steps returns the completed phases.
func (m *Machine) Steps() []Step { return m.steps }

// Answer takes the result of the phase.
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

// Failed returns the answer for a call that failed. For an import, only the kinds of
// failures that [sdk.Restorer] names mean that nothing was done. Every other kind
// leaves that open.
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

// Imported returns the answer for the report of an import. A report without an imported
// object or file is empty, whatever else it holds: a checkpoint alone is not an import.
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

// NotUp returns as faults the objects that were up when the set was captured and are
// not up now. An object that lacks a key is down for a reason that an import does not
// report as a fault. A failed reading is a fault too.
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

// Looked returns the answer for a comparison of the target with the way back and the
// archive, in that order.
func Looked(r *sdk.ResembleReport) Answer {
	if r == nil || len(r.Of) != 2 {
		return Answer{Kind: Empty, Why: errShort.Error()}
	}
	back, archive := r.Of[0], r.Of[1]
	return Answer{Kind: Good, Old: back.Equal && back.Only, New: archive.Equal, Unsaved: r.SaveNeeded,
		Why: differs("the archive", archive) + "; " + differs("the way back", back)}
}

// shown is the highest number of differences in a text.
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
