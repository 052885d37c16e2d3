package lifecycle

import (
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dprun/dprun/runner/event"
)

// seenMoves are the moves of every machine in these tests. One that stands in
// no table ends its test.
var seenMoves sync.Map

func init() {
	witness = func(region, from, on string) { seenMoves.LoadOrStore([3]string{region, from, on}, true) }
}

// TestARunInterruptedAnywhereUndoesAndEnds: once or twice, for a moment or for
// days, and whatever the clock shows afterwards. In one world or another every
// move of a table is made, or it is said why not.
func TestARunInterruptedAnywhereUndoesAndEnds(t *testing.T) {
	t.Parallel()
	for _, enter := range entrances {
		enter(t, wayOfDomain, epoch)
	}
	inWorlds(t, 4*runs, func(w *world) {
		for range w.rng.IntN(3) {
			for range w.rng.IntN(150) {
				if w.step() {
					return
				}
			}
			if w.interrupt(); w.ended() {
				return
			}
		}
		w.finish()
		w.check()
	})
	for _, r := range Regions() {
		for _, m := range r.Moves {
			_, seen := seenMoves.Load([3]string{r.Name, m.From, m.On})
			if seen && m.Unseen != "" {
				t.Errorf("%s: %q in state %q is said never to be seen (%s), and was", r.Name, m.On, m.From, m.Unseen)
			}
			if !seen && m.Unseen == "" {
				t.Errorf("%s: %q in state %q is never seen", r.Name, m.On, m.From)
			}
		}
	}
}

// TestEveryStateIsReachedFromTheFirst row by row, and has a name of its own.
func TestEveryStateIsReachedFromTheFirst(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, r := range Regions() {
		if names[r.Name] {
			t.Errorf("two regions are called %s", r.Name)
		}
		names[r.Name] = true
		reached := map[string]bool{r.Moves[0].From: true}
		for range r.Moves {
			for _, m := range r.Moves {
				if reached[m.From] {
					reached[m.To] = true
				}
			}
		}
		for _, m := range r.Moves {
			if !reached[m.From] {
				t.Errorf("%s: nothing leads to %q", r.Name, m.From)
			}
		}
	}
}

// TestAMachineHasFewBooleans: what may be in combination is a state, so that a
// combination that must not be cannot be written.
func TestAMachineHasFewBooleans(t *testing.T) {
	t.Parallel()
	for machine, v := range map[string]any{"task": Task{}, "run": Run{}} {
		var found []string
		seen := map[reflect.Type]bool{
			// given from outside, or made of tasks
			reflect.TypeFor[TaskSpec](): true, reflect.TypeFor[RunSpec](): true, reflect.TypeFor[Destination](): true, reflect.TypeFor[Device](): true, reflect.TypeFor[DebtSpec](): true,
			reflect.TypeFor[time.Time](): true, reflect.TypeFor[event.Status](): true,
		}
		if machine == "run" {
			seen[reflect.TypeFor[Task]()] = true
		}
		var walk func(typ reflect.Type, at string)
		walk = func(typ reflect.Type, at string) {
			switch typ.Kind() {
			case reflect.Bool:
				found = append(found, at)
			case reflect.Pointer, reflect.Slice:
				walk(typ.Elem(), at)
			case reflect.Map: // of booleans it is a set
				walk(typ.Key(), at)
				if typ.Elem().Kind() != reflect.Bool {
					walk(typ.Elem(), at)
				}
			case reflect.Struct:
				if seen[typ] || !strings.HasSuffix(typ.PkgPath(), "runner/lifecycle") {
					return
				}
				seen[typ] = true
				for i := range typ.NumField() {
					walk(typ.Field(i).Type, at+"."+typ.Field(i).Name)
				}
			}
		}
		walk(reflect.TypeOf(v), machine)
		slices.Sort(found)
		if len(found) > 8 {
			t.Errorf("a %s has %d booleans: %s", machine, len(found), strings.Join(found, ", "))
		}
		t.Logf("a %s has %d: %v", machine, len(found), found)
	}
}
