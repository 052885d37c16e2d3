package backups

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dprun/dprun/testfixtures/need"
)

// known returns a copy of the good manifest, and the listing and the answers of a
// destination where it is as it was stored.
func known() (c Copy, listed map[string]int64, answers map[string]Answer) {
	m := manifest()
	body, _ := json.Marshal(m)
	c = m.Copy(body)
	listed = map[string]int64{at: int64(len(body)), "gw/d.zip": 12, "gw/more/e.zip": 30, "README": 5}
	answers = map[string]Answer{at: {Size: int64(len(body)), SHA256: c.SHA256}, "gw/d.zip": {Size: 12, SHA256: c.Files[0].SHA256}, "gw/more/e.zip": {Size: 30, SHA256: c.Files[1].SHA256}}
	return c, listed, answers
}

func TestACopyIsJudgedByWhatTheDestinationAnswers(t *testing.T) {
	t.Parallel()
	away := errors.New("the server does not answer")
	for what, c := range map[string]struct {
		change func(listed map[string]int64, answers map[string]Answer)
		moved  string
		state  State
		faults []string
	}{
		"as it was stored":     {func(map[string]int64, map[string]Answer) {}, "", Whole, nil},
		"no data was read":     {func(_ map[string]int64, a map[string]Answer) { delete(a, "gw/d.zip") }, "", Whole, nil},
		"the manifest is gone": {func(_ map[string]int64, a map[string]Answer) { a[at] = Answer{Absent: true} }, "", Missing, []string{"missing " + at}},
		"a file is gone":       {func(_ map[string]int64, a map[string]Answer) { a["gw/d.zip"] = Answer{Absent: true} }, "", Missing, []string{"missing gw/d.zip"}},
		"a file is shorter":    {func(_ map[string]int64, a map[string]Answer) { a["gw/d.zip"] = Answer{Size: 11} }, "", Altered, []string{"truncated gw/d.zip"}},
		"a file is longer":     {func(_ map[string]int64, a map[string]Answer) { a["gw/d.zip"] = Answer{Size: 13} }, "", Altered, []string{"altered gw/d.zip"}},
		"a byte of a file":     {func(_ map[string]int64, a map[string]Answer) { a["gw/d.zip"] = Answer{Size: 12, SHA256: "00"} }, "", Altered, []string{"altered gw/d.zip"}},
		"the manifest is cut": {func(_ map[string]int64, a map[string]Answer) {
			a[at] = Answer{Size: 3, SHA256: "00", Body: []byte(`{"v`)}
		}, "", Altered, []string{"truncated " + at}},
		"the manifest is empty": {func(_ map[string]int64, a map[string]Answer) { a[at] = Answer{SHA256: "00", Body: []byte{}} }, "", Altered, []string{"truncated " + at}},
		"the manifest is another": {func(_ map[string]int64, a map[string]Answer) {
			a[at] = Answer{Size: 3, SHA256: "00", Body: []byte(`{}`)}
		}, "", Altered, []string{"altered " + at}},
		"the manifest is not read": {func(_ map[string]int64, a map[string]Answer) { a[at] = Answer{Err: away} }, "", "", []string{"not_checked " + at}},
		"a file is not read":       {func(_ map[string]int64, a map[string]Answer) { a["gw/d.zip"] = Answer{Err: away} }, "", "", []string{"not_checked gw/d.zip"}},
		"one is not read, one is gone": {func(_ map[string]int64, a map[string]Answer) {
			a["gw/d.zip"], a["gw/more/e.zip"] = Answer{Err: away}, Answer{Absent: true}
		}, "", Missing, []string{"not_checked gw/d.zip", "missing gw/more/e.zip"}},
		"one is gone, one is altered": {func(_ map[string]int64, a map[string]Answer) {
			a["gw/d.zip"], a["gw/more/e.zip"] = Answer{Absent: true}, Answer{Size: 31}
		}, "", Altered, []string{"missing gw/d.zip", "altered gw/more/e.zip"}},
		"all of it was moved": {func(l map[string]int64, a map[string]Answer) {
			for name := range a {
				a[name] = Answer{Absent: true}
			}
			l["b/d.zip"], l["b/more/e.zip"] = 12, 30
		}, "b/x.dprun.json", Missing, []string{"moved " + at}},
		"the manifest alone was moved, and a file is gone": {func(_ map[string]int64, a map[string]Answer) {
			a[at], a["gw/d.zip"] = Answer{Absent: true}, Answer{Absent: true}
		}, "b/x.dprun.json", Missing, []string{"moved " + at, "missing gw/d.zip"}},
	} {
		copied, listed, answers := known()
		c.change(listed, answers)
		state, faults := NewLedger("ABC", []Copy{copied}).Judge(&copied, listed, answers, c.moved)
		var got []string
		for _, f := range faults {
			got = append(got, string(f.Kind)+" "+f.Path)
			if f.Why == "" || f.Remedy == "" {
				t.Errorf("%s: %+v does not say what is wrong and what to do", what, f)
			}
		}
		if d := cmp.Diff(c.faults, got); d != "" || state != c.state {
			t.Errorf("%s: state %q, want %q; faults (-want +got):\n%s", what, state, c.state, d)
		}
	}
}

func TestTheManifestOfAnotherSetIsNamed(t *testing.T) {
	t.Parallel()
	c, listed, answers := known()
	other := c
	other.Set, other.Path, other.SHA256, other.Domain = "OTHER", "gw/f.dprun.json", "ff", "f"
	answers[at] = Answer{Size: 1, SHA256: other.SHA256}
	state, faults := NewLedger("ABC", []Copy{c, other}).Judge(&c, listed, answers, "")
	if state != Missing || len(faults) != 1 || faults[0].Kind != FaultMoved || !strings.Contains(faults[0].Why, "OTHER of gw/f, which belongs at gw/f.dprun.json") {
		t.Errorf("%s, %+v", state, faults)
	}
}

// Whatever the destination lists and answers, a copy is missing only if the
// destination has said so about one of its objects, and whole only if all answers
// are right.
func TestNothingIsMissingWithoutProof(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, listed, right := known()
		for name := range right {
			switch rapid.IntRange(0, 2).Draw(t, "listed") {
			case 0:
				delete(listed, name)
			case 1:
				listed[name] = rapid.Int64Range(0, 40).Draw(t, "size")
			}
		}
		answers, absent, wrong, silent := map[string]Answer{}, false, false, false
		for _, name := range c.Asks(listed, rapid.Bool().Draw(t, "data")) {
			switch rapid.IntRange(0, 3).Draw(t, "answer") {
			case 0:
				answers[name], absent = Answer{Absent: true}, true
			case 1:
				answers[name], wrong = Answer{Size: 7, SHA256: "00"}, true
			case 2:
				answers[name], silent = Answer{Err: errors.New("no answer")}, true
			default:
				answers[name] = right[name]
			}
		}
		state, faults := NewLedger("ABC", []Copy{c}).Judge(&c, listed, answers, "")
		want := Whole
		switch {
		case wrong:
			want = Altered
		case absent:
			want = Missing
		case silent:
			want = ""
		}
		if state != want || (len(faults) == 0) != (state == Whole) {
			t.Errorf("listed %v, answered %v: state %q, want %q, with %v", listed, answers, state, want, faults)
		}
	})
}

// Everything else is asked, and the manifest always.
func TestWhatAListShowsRightIsNotAsked(t *testing.T) {
	t.Parallel()
	c, listed, _ := known()
	if got := c.Asks(listed, false); !slices.Equal(got, []string{at}) {
		t.Errorf("asked for %v", got)
	}
	if got := c.Asks(listed, true); len(got) != 3 {
		t.Errorf("with data, asked for %v", got)
	}
	listed["gw/d.zip"] = 13
	delete(listed, "gw/more/e.zip")
	if got := c.Asks(listed, false); len(got) != 3 {
		t.Errorf("of a list that is not right, asked for %v", got)
	}
}

func TestAManifestOfNoSetIsNamedForWhatItIs(t *testing.T) {
	t.Parallel()
	c, _, _ := known()
	const there = "gw/there.dprun.json"
	for what, one := range map[string]struct {
		change func(*Manifest)
		kind   FaultKind
		files  int
	}{
		"of this state directory":    {func(m *Manifest) { m.Path, m.Task, m.Set = there, "other", "" }, FaultUnknown, 3},
		"of another state directory": {func(m *Manifest) { m.Path, m.Task, m.Set, m.State = there, "other", "", "DEF" }, FaultForeign, 3},
		"of a set that is known":     {func(m *Manifest) { m.Path, m.Plan = there, "another" }, FaultPlanted, 0},
		"of another place":           {func(m *Manifest) {}, FaultPlanted, 0},
		"of a newer version":         {func(m *Manifest) { m.Version = 2 }, FaultNotChecked, 0},
	} {
		m := manifest()
		one.change(&m)
		body := need.Value(json.Marshal(m))(t)
		f, files := NewLedger("ABC", []Copy{c}).Stranger(there, body)
		if f.Kind != one.kind || f.Path != there || len(files) != one.files || f.Remedy == "" {
			t.Errorf("%s: %+v, %v", what, f, files)
		}
		if f, files = NewLedger("ABC", []Copy{c}).Stranger(there, body[:len(body)/2]); f.Kind != FaultTruncated || files != nil {
			t.Errorf("%s, cut: %+v, %v", what, f, files)
		}
	}
	l := NewLedger("ABC", []Copy{c})
	manifests, others := l.Unknown([]Object{{Path: at}, {Path: "gw/d.zip"}, {Path: there}, {Path: "x.zip"}, {Path: "y.zip"}})
	if len(manifests) != 1 || manifests[0].Path != there || len(others) != 2 {
		t.Errorf("unknown are %v and %v", manifests, others)
	}
	if strays := Strays(others, map[string]bool{"y.zip": true}); len(strays) != 1 || strays[0].Path != "x.zip" {
		t.Errorf("strays are %v", strays)
	}
}

// With a tenth every night, everything is read in the end.
func TestASampleReadsTheOldestFirst(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	all := make([]*Copy, 100)
	for i := range all {
		all[i] = &Copy{Set: strings.Repeat("x", i), Stored: now.AddDate(0, 0, -i), Bytes: int64(1 + i%7)}
	}
	stored := now
	for night := range 11 {
		sample := Sample(all, 0.1)
		if len(sample) == 0 || len(sample) > 25 {
			t.Errorf("night %d: %d copies are read", night, len(sample))
		}
		for c := range sample {
			c.Checked = now.AddDate(0, 0, 1+night)
		}
	}
	for _, c := range all {
		if !c.Checked.After(stored) {
			t.Errorf("a copy of %d bytes, stored %s, was never read", c.Bytes, c.Stored)
		}
	}
	if n := len(Sample(all, 1)); n != len(all) {
		t.Errorf("of all, %d are read", n)
	}
	if n := len(Sample(all, 0)); n != 0 {
		t.Errorf("of nothing, %d are read", n)
	}
}
