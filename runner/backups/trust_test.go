package backups

import (
	"slices"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/signing"
)

func TestASignatureThatCountsIsAsGoodAsTheJournal(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	one := func(set string, imported bool, s *Signature) Set {
		return Set{{Set: set, Device: "gw", State: Whole, StateID: "own", Captured: now.Add(-time.Hour), Imported: imported, Signature: s}}
	}
	counts, another := &Signature{Verdict: signing.Verdict{Trusted: true}}, &Signature{Verdict: signing.Verdict{Why: "by a key that is not among the allowed signers"}}
	for what, c := range map[string]struct {
		newer Set
		first string
	}{
		"stored by a run":           {one("2", false, nil), "2"},
		"found, signed":             {one("2", true, counts), "2"},
		"found, not signed":         {one("2", true, nil), "1"},
		"found, signed by somebody": {one("2", true, another), "1"},
	} {
		older := one("1", false, nil)
		got, err := Latest(func(yield func(Set, error) bool) { _ = yield(c.newer, nil) && yield(older, nil) }, "own", now)
		if err != nil || len(got) != 1 || got[0][0].Set != c.first {
			t.Errorf("%s: the last good set is %v, %v", what, got, err)
		}
		if trusted, why := c.newer[0].Trust(); trusted != (c.first == "2") || trusted != (why == "") {
			t.Errorf("%s: trusted %t, because %q", what, trusted, why)
		}
	}
}

func TestTheSignatureIsAFileOfTheSet(t *testing.T) {
	t.Parallel()
	c, listed, _ := known()
	c.Signature = &Signature{Size: 3, SHA256: "ab"}
	name := c.Path + ".sig"
	l := NewLedger("ABC", []Copy{c})
	if _, others := l.Unknown([]Object{{Path: name}}); len(others) != 0 {
		t.Errorf("it is a stray: %v", others)
	}
	if ask := c.Asks(listed, false); !slices.Contains(ask, name) {
		t.Errorf("one that is not listed is not asked for: %v", ask)
	}
	listed[name] = 3
	if ask := c.Asks(listed, false); slices.Contains(ask, name) {
		t.Errorf("one that is listed is asked for: %v", ask)
	}
	answers := map[string]Answer{c.Path: {SHA256: c.SHA256}, name: {Absent: true}}
	if state, faults := l.Judge(&c, listed, answers, ""); state != Whole || len(faults) != 1 || faults[0].Path != name || faults[0].Kind != FaultMissing {
		t.Errorf("without it: %s, %v", state, faults)
	}
}
