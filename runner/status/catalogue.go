package status

import "sync"

// Origin says where a code comes from.
type Origin string

// The origins.
const (
	OriginReference Origin = "dpod"  // the reference product's table, exact name
	OriginOwn       Origin = "dprun" // our own, in the table's style
)

// Level says whether a code belongs to a task's history or to a run's.
type Level string

// The levels. A few codes are used on both.
const (
	LevelTask Level = "task"
	LevelRun  Level = "run"
)

// Class says what a code means for the task that ends in it.
type Class string

// The classes.
const (
	ClassInterim   Class = "interim"   // the task goes on
	ClassSkipped   Class = "skipped"   // nothing was tried, for a reason outside the task
	ClassInvalid   Class = "invalid"   // validation found that the task cannot work; raises the error policy
	ClassCancelled Class = "cancelled" // the task was ready and was called off
	ClassFailed    Class = "failed"    // tried and failed; raises the error policy
	ClassCritical  Class = "critical"  // failed, and a person should look at the device now
	ClassSuccess   Class = "success"
)

// Entry is one row of the catalogue. `dprun explain`, the documentation and the JSON
// output come from it.
type Entry struct {
	Code    Code   `json:"code"`
	Origin  Origin `json:"origin"`
	Level   Level  `json:"level"`
	Phases  []int  `json:"phases"` // the phases 0–13 in which it is entered
	Class   Class  `json:"class"`
	Neutral bool   `json:"neutral,omitempty"` // does not count for the exit code
	Meaning string `json:"meaning"`           // one sentence
	Cause   string `json:"cause"`             // what usually leads to it
	Action  string `json:"action"`            // what the operator should do
}

// Final reports whether a history can end in the code.
func (e Entry) Final() bool { return e.Class != ClassInterim }

// Bad reports whether the code means that something went wrong.
func (e Entry) Bad() bool {
	return e.Class == ClassFailed || e.Class == ClassCritical || e.Class == ClassInvalid
}

// Gone reports whether the code says that the device no longer has something. That is
// reported, but is not a reason to leave others without a backup.
func (e Entry) Gone() bool { return e.Code == DomainVanished }

// Halts reports whether a task that enters the code raises the error policy. begun says
// whether the task had been dispatched.
func (e Entry) Halts(begun bool) bool { return e.Bad() && (begun || !e.Gone()) }

// Catalogue lists every code: the 53 of the reference in the table's order, then ours
// by phase, then the run's.
func Catalogue() []Entry {
	out := make([]Entry, 0, len(referenceCodes)+len(ownCodes)+len(runCodes))
	out = append(out, referenceCodes...)
	out = append(out, ownCodes...)
	return append(out, runCodes...)
}

// byCode is built at the first look-up, because most commands need none.
var byCode = sync.OnceValue(func() map[Code]Entry {
	m := make(map[Code]Entry)
	for _, e := range Catalogue() {
		m[e.Code] = e
	}
	return m
})

// Lookup returns a code's entry; ok is false for an unknown word.
func Lookup(c Code) (e Entry, ok bool) {
	e, ok = byCode()[c]
	return e, ok
}
