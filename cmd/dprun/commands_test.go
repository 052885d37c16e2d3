package main

import "testing"

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
