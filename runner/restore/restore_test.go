package restore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

var kinds = []Kind{Good, Refused, Empty, Late, Cut}

// answers are all that differ in what they lead to.
func answers(p Phase) (out []Answer) {
	for _, k := range kinds {
		a := Answer{Kind: k, Why: "x"}
		out = append(out, a)
		if k != Good {
			continue
		}
		switch p {
		case Import:
			a.Faults = []string{"down"}
			out = append(out, a)
		case Rehearse:
			a.Same = true
			out = append(out, a)
		case Look, Confirm:
			for n := 1; n < 8; n++ {
				a.Old, a.New, a.Unsaved = n&1 != 0, n&2 != 0, n&4 != 0
				out = append(out, a)
			}
		}
	}
	return out
}

// course is what of the answers so far decides whether an end is right.
type course struct {
	steps, imports, saves int
	reported              Answer // to the import
	seen                  Answer // the last look
	old                   time.Time
	oldTwice              bool
	stopped               Phase // the first phase before the import whose answer was not good
}

func (c course) after(p Phase, a Answer, now time.Time) course {
	c.steps++
	switch p {
	case Import:
		c.imports, c.reported = c.imports+1, a
	case Save:
		c.saves++
	case Look, Confirm:
		c.seen = a
		switch {
		case p == Confirm || a.Kind != Good:
		case !a.Old:
			c.old = time.Time{}
		case c.old.IsZero():
			c.old = now
		case now.Sub(c.old) >= Settles:
			c.oldTwice = true
		}
	default:
		if a.Kind != Good && c.stopped == "" {
			c.stopped = p
		}
	}
	return c
}

// walk goes every way from a machine to its ends. What can be told apart neither
// by the machine nor by who judges is gone once.
func walk(m *Machine, now time.Time, c course, been map[string]bool, judge func(*Machine, course)) {
	age := func(t time.Time) any {
		if t.IsZero() {
			return "never"
		}
		return now.Sub(t)
	}
	key := fmt.Sprint(m.phase, m.end, m.why == "", len(m.faults), m.lost, m.looked, age(m.seenOld), age(m.notYet), c.steps, c.imports, c.saves, c.reported, c.seen, age(c.old), c.oldTwice, c.stopped)
	if been[key] {
		return
	}
	been[key] = true
	judge(m, c)
	p, notYet := m.Next()
	if p == Ended {
		return
	}
	if notYet.After(now) {
		now = notYet
	}
	for _, a := range answers(p) {
		next := *m
		next.steps, next.faults = nil, slices.Clip(m.faults)
		next.Answer(now, a)
		walk(&next, now, c.after(p, a, now), been, judge)
	}
}

// Whatever is answered: nothing is sent before everything else was good, it is sent
// once, and an end without something pending has its proof.
func TestEveryWayThroughARestore(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 11, 28, 2, 0, 0, 0, time.UTC)
	for name, m := range map[string]*Machine{"begun here": New(), "left a minute ago": Resume(begin.Add(-time.Minute), begin), "left yesterday": Resume(begin.AddDate(0, 0, -1), begin)} {
		here, want := !m.resumed, []End{Faulty, Old, NotSaved, Unknown}
		if here {
			want = append(want, Restored, Denied, Same)
		}
		ends := map[End]int{}
		walk(m, begin, course{}, map[string]bool{}, func(m *Machine, c course) {
			if wrong := wrongWith(m, c, here); wrong != "" {
				t.Errorf("%s: %s: %+v after %+v", name, wrong, m, c)
			}
			if end, _ := m.End(); end != "" {
				ends[end]++
			}
		})
		for _, e := range want {
			if ends[e] == 0 {
				t.Errorf("%s: no way ends %s", name, e)
			}
		}
		if len(ends) != len(want) {
			t.Errorf("%s: ends: %v", name, ends)
		}
	}
}

func wrongWith(m *Machine, c course, here bool) string {
	end, why := m.End()
	p, _ := m.Next()
	proof := c.seen.Kind == Good
	switch {
	case m.long && c.steps > 1:
		return "looked again although nothing can change"
	case c.steps > len(before)+2*looks+2:
		return "it does not end"
	case c.stopped != "" && end != Denied:
		return "it went on"
	case c.imports > 1 || c.saves > 1 || !here && c.imports+c.saves > 0:
		return "sent or saved again"
	case here && (p == Import || c.imports == 1) && c.steps < len(before):
		return "sent too early"
	case (end == "") != (p != Ended):
		return "ended without an end"
	case end != "" && why == "":
		return "an end without a reason"
	case end == Denied && c.imports == 1 && c.reported.Kind != Refused:
		return "said to be refused, and something may have been sent"
	case end == Same && c.imports > 0:
		return "said to have nothing to do, and something was sent"
	case end == Old && !(proof && c.seen.Old && !c.seen.New):
		return "said to be unchanged without proof"
	case end == Old && (!here || c.reported.Kind != Good) && !c.oldTwice && !m.long:
		return "said to be unchanged while the import may be at work"
	case (end == Restored || end == Faulty) && !(proof && c.seen.New && !c.seen.Unsaved):
		return "said to be restored without proof"
	case end == Restored && (c.reported.Kind != Good || len(c.reported.Faults) > 0):
		return "faults were not said"
	case end == NotSaved && !c.seen.New:
		return "said to be new without proof"
	case end == NotSaved && here && c.saves == 0:
		return "not saved although it could be"
	}
	return ""
}

func TestAFailedCallSaysWhetherItWasDone(t *testing.T) {
	t.Parallel()
	refused := []failure.Kind{failure.Precondition, failure.Denied, failure.NotFound, failure.Corrupt}
	for _, k := range failure.Kinds() {
		got := Failed(failure.New(k, "", "no")).Kind
		if slices.Contains(refused, k) != (got == Refused) || (k == failure.Timeout) != (got == Late) {
			t.Errorf("%s: %s", k, got)
		}
	}
	if got := Failed(errors.New("broken pipe")).Kind; got != Cut {
		t.Errorf("an error without a kind: %s", got)
	}
}

func TestAReportOfNothingIsNoGoodOne(t *testing.T) {
	t.Parallel()
	for _, r := range []*sdk.ImportReport{nil, {}, {SaveNeeded: true}} {
		if got := Imported(r); got.Kind != Empty || got.Why == "" {
			t.Errorf("%+v: %+v", r, got)
		}
	}
	// That a checkpoint was made says nothing of the import.
	beside := Imported(&sdk.ImportReport{Findings: []sdk.Finding{{Level: sdk.LevelOK, Check: "checkpoint", Message: "made"}, {Level: sdk.LevelError, Check: "results", Message: "it does not say what it has done"}}})
	if beside.Kind != Empty || !slices.Equal(beside.Faults, []string{"it does not say what it has done"}) {
		t.Errorf("a report of no object and no file: %+v", beside)
	}
	m := New()
	for _, a := range []Answer{{Kind: Good}, {Kind: Good}, {Kind: Good}, {Kind: Good}, {Kind: Good}, {Kind: Good}, {Kind: Good}, beside, {Kind: Good, Old: true}} {
		m.Answer(time.Time{}, a)
	}
	if phase, notBefore := m.Next(); phase != Look || notBefore.IsZero() {
		t.Errorf("after a report of nothing one look is proof: %s", phase)
	}
	got := Imported(&sdk.ImportReport{Objects: 2, Findings: []sdk.Finding{{Level: sdk.LevelError, Subject: "A", Message: "no"}, {Level: sdk.LevelWarning, Message: "hm"}},
		Down: []string{"B"}, Skipped: []string{"C"}})
	if said := strings.Join(got.Faults, "|"); got.Kind != Good || said != "A: no|down: B|not there, and no error was reported: C" {
		t.Errorf("%+v", got)
	}
}

func TestALookIsAboutBothFiles(t *testing.T) {
	t.Parallel()
	whole := sdk.Resemblance{Equal: true, Only: true}
	more := sdk.Resemblance{Equal: true, Differences: []string{"a", "b", "c", "d"}}
	for _, r := range []*sdk.ResembleReport{nil, {}, {Of: []sdk.Resemblance{whole}}, {Of: []sdk.Resemblance{whole, whole, whole}}} {
		if got := Looked(r); got.Kind != Empty {
			t.Errorf("%+v: %+v", r, got)
		}
	}
	// What is there beside the archive stays after an import; beside the way back it is new.
	got := Looked(&sdk.ResembleReport{Of: []sdk.Resemblance{more, more}, SaveNeeded: true})
	if got.Kind != Good || got.Old || !got.New || !got.Unsaved || !strings.Contains(got.Why, "a, b, c and 1 more") {
		t.Errorf("%+v", got)
	}
	if got := Looked(&sdk.ResembleReport{Of: []sdk.Resemblance{whole, {}}}); !got.Old || got.New {
		t.Errorf("%+v", got)
	}
}

func TestWhatWasUpHasToBeUpAgain(t *testing.T) {
	t.Parallel()
	was := []string{"HTTPSSourceProtocolHandler shop", "MultiProtocolGateway shop"}
	up := func(name string, up bool) sdk.ObjectHealth {
		return sdk.ObjectHealth{Class: "HTTPSSourceProtocolHandler", Name: name, Serving: true, Up: up}
	}
	gateway := sdk.ObjectHealth{Class: "MultiProtocolGateway", Name: "shop", Serving: true, Up: true}
	for name, c := range map[string]struct {
		now  *sdk.HealthReport
		err  error
		want []string
	}{
		"all are":           {&sdk.HealthReport{Objects: []sdk.ObjectHealth{up("shop", true), gateway, up("more", false)}}, nil, nil},
		"one lacks its key": {&sdk.HealthReport{Objects: []sdk.ObjectHealth{up("shop", false), gateway}}, nil, []string{"HTTPSSourceProtocolHandler shop was up when the backup was made, and is not"}},
		"one is not told":   {&sdk.HealthReport{Objects: []sdk.ObjectHealth{gateway}}, nil, []string{"HTTPSSourceProtocolHandler shop was up when the backup was made, and is not"}},
		"not readable":      {&sdk.HealthReport{Unread: []sdk.UnreadDomain{{Domain: "shop", Failure: failure.New(failure.Denied, "", "refused")}}}, nil, []string{"whether what was up when the backup was made is up again could not be read: refused"}},
		"no answer":         {nil, errors.New("cut"), []string{"whether what was up when the backup was made is up again could not be read: cut"}},
	} {
		if got := NotUp(was, c.now, c.err); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
