package status

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/dprun/dprun/sdk/prose"
)

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

//go:embed catalogue.txt
var catalogue string

// entries are read when the first code is looked up: most commands look up none.
var entries = sync.OnceValue(func() (all []Entry) {
	for s := range prose.Sections(catalogue) {
		words, phases, _ := strings.Cut(s.Field("is"), " in phases ")
		is := strings.Fields(words)
		e := Entry{Code: Code(s.Name), Origin: Origin(is[0]), Level: Level(is[1]), Class: Class(is[2]), Neutral: slices.Contains(is, "neutral"),
			Meaning: s.Field("meaning"), Cause: s.Field("cause"), Action: s.Field("action")}
		for n := range strings.FieldsSeq(phases) {
			phase, _ := strconv.Atoi(n)
			e.Phases = append(e.Phases, phase)
		}
		all = append(all, e)
	}
	return all
})

// Catalogue lists every code: the 53 of the reference in the table's order, then ours
// by phase, then the run's.
func Catalogue() []Entry { return slices.Clone(entries()) }

var byCode = sync.OnceValue(func() map[Code]Entry {
	m := make(map[Code]Entry)
	for _, e := range entries() {
		m[e.Code] = e
	}
	return m
})

// Lookup returns a code's entry; ok is false for an unknown word.
func Lookup(c Code) (e Entry, ok bool) {
	e, ok = byCode()[c]
	return e, ok
}
