package main

import (
	"strings"
	"testing"

	"github.com/dprun/dprun/sdk/prose"
)

func TestEveryHelpTextIsOfACommand(t *testing.T) {
	t.Parallel()
	root := (&app{}).root()
	for s := range prose.Sections(helpTexts) {
		if c, _, err := root.Find(strings.Fields(s.Name)[1:]); err != nil || c.CommandPath() != s.Name || c.Long != s.Text || s.Text == "" {
			t.Errorf("%q is no command, or has another text: %v", s.Name, err)
		}
	}
}

func TestACommandLineOfOneCommandMakesOnlyThatOne(t *testing.T) {
	t.Parallel()
	all := (&app{}).commands()
	if len(all) < 10 {
		t.Fatalf("%d commands", len(all))
	}
	for _, c := range all {
		made := (&app{args: []string{c.Name(), "--help"}}).commands()
		if len(made) != 1 || made[0].Name() != c.Name() {
			t.Errorf("`dprun %s --help` makes %d commands, the first is %q", c.Name(), len(made), made[0].Name())
		}
	}
	for _, args := range [][]string{nil, {"--json", "version"}, {"help", "version"}, {"__complete", ""}, {"versio"}} {
		if made := (&app{args: args}).commands(); len(made) != len(all) {
			t.Errorf("`dprun %q` makes %d commands of %d", args, len(made), len(all))
		}
	}
}
