package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/testfixtures/need"
)

// examples are the objects of a type in a text, with what differs from run to
// run replaced.
func examples(dir, typ, text string) []string {
	text = strings.ReplaceAll(text, dir+"/.state", "/var/lib/dprun")
	text = regexp.MustCompile(`"bytes":\d+`).ReplaceAllString(told(dir, text), `"bytes":0`)
	return regexp.MustCompile(`(?m)^\{"type":"`+typ+`",.*\}$`).FindAllString(text, -1)
}

func TestThePageOnJSONShowsASummaryWhatIsOwedAndAnErrorAsTheyAre(t *testing.T) {
	t.Parallel()
	page := need.Value(os.ReadFile("../../docs/json.md"))(t)
	of := func(name string) mistake {
		all := mistakes()
		return all[slices.IndexFunc(all, func(m mistake) bool { return m.name == name })]
	}
	for _, c := range []struct {
		mistake string
		code    int
		types   []string
	}{
		{"33-after-unquiesce-fails", runner.ExitAway, []string{"summary", "owed"}},
		{"37-misspelt-plan", runner.ExitUsage, []string{"error"}},
	} {
		t.Run(c.mistake, func(t *testing.T) {
			t.Parallel()
			dir := need.Value(filepath.EvalSymlinks(t.TempDir()))(t)
			m := of(c.mistake)
			prepare(t, dir, m)
			cmd := dprun(t, dir, append(slices.Clone(m.args), "--json")...)
			var stdout bytes.Buffer
			cmd.Stdout = &stdout
			if got := code(t, cmd.Run()); got != c.code {
				t.Errorf("exit code %d, want %d", got, c.code)
			}
			for _, typ := range c.types {
				is := examples(dir, typ, stdout.String())
				if d := cmp.Diff(is, examples("/etc/dprun", typ, string(page))); len(is) != 1 || d != "" {
					t.Errorf("%s (-printed +on the page):\n%s\n%s", typ, d, is)
				}
			}
		})
	}
}
