package pattern_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dprun/dprun/plan/pattern"
)

func TestGlobFitsAsDocumented(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		glob, name string
		want       bool
	}{
		{"Prod*", "Prod", true},
		{"Prod*", "Prod1", true},
		{"Prod*", "prod1", false},
		{"*1", "QA_1", true},
		{"*1", "1", true},
		{"*1", "12", false},
		{"Device*QA*", "DeviceQA", true},
		{"Device*QA*", "Device_QA_1", true},
		{"Device_QA_*1", "Device_QA_11", true},
		{"*", "", true},
		{"**", "", true},
		{"a**b", "ab", true},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"*ab*ab", "ab", false},
		{"*ab*ab", "abab", true},
		{"", "", true},
		{"", "x", false},
		{"fra-1", "fra-1", true},
		{"fra-1", "fra-10", false},
		{"a.c", "abc", false},
		{"[ab]", "a", false},
		{"ü*", "über", true},
	} {
		if got := pattern.Glob(c.glob, c.name); got != c.want {
			t.Errorf("Glob(%q, %q) = %v, want %v", c.glob, c.name, got, c.want)
		}
	}
}

func TestExceptionsWinOverMatches(t *testing.T) {
	t.Parallel()
	p := pattern.Pattern{Match: []string{"fra-*", "ber-*"}, Except: []string{"*-lab-*"}}
	for name, want := range map[string]bool{"fra-1": true, "ber-2": true, "fra-lab-1": false, "muc-1": false} {
		if got := p.Matches(name); got != want {
			t.Errorf("Matches(%q) = %v, want %v", name, got, want)
		}
	}
	if (pattern.Pattern{}).Matches("x") {
		t.Error("the zero pattern matches")
	}
	if !(pattern.Set{{Match: []string{"a"}}, p}).Matches("ber-2") || (pattern.Set{}).Matches("") {
		t.Error("a set does not match as any of its patterns")
	}
}

func TestPatternKeepsItsJSONForm(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(pattern.Set{{Match: []string{"a*"}, Except: []string{"ab"}}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`[{"match":["a*"],"except":["ab"]}]`, string(b)); diff != "" {
		t.Error(diff)
	}
}

// The regular expression engine is an independent judge of what fits.
func TestGlobAgreesWithRegularExpressions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		glob := rapid.StringMatching(`[ab*]{0,12}`).Draw(t, "glob")
		name := rapid.StringMatching(`[ab]{0,16}`).Draw(t, "name")
		re := regexp.MustCompile("^" + strings.ReplaceAll(glob, "*", ".*") + "$")
		if got, want := pattern.Glob(glob, name), re.MatchString(name); got != want {
			t.Fatalf("Glob(%q, %q) = %v, want %v", glob, name, got, want)
		}
	})
}

func TestManyStarsStayCheap(t *testing.T) {
	t.Parallel()
	glob := strings.Repeat("*a", 2000) + "*b"
	name := strings.Repeat("a", 100_000)
	start := time.Now()
	if pattern.Glob(glob, name) {
		t.Fatal("matched a name without b")
	}
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("took %v", d)
	}
}
