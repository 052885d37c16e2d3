package lifecycle

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// picture is everything that a value holds, behind pointers too: two machines
// of one picture behave alike.
func picture(v any) string {
	var b strings.Builder
	paint(&b, reflect.ValueOf(v), map[uintptr]int{})
	return b.String()
}

func paint(b *strings.Builder, v reflect.Value, seen map[uintptr]int) {
	if v.IsValid() {
		switch v.Type() {
		case reflect.TypeFor[time.Time]():
			fmt.Fprintf(b, "%d %d;", v.Field(0).Uint(), v.Field(1).Int())
			return
		case reflect.TypeFor[TaskSpec](), reflect.TypeFor[RunSpec]():
			return // given, and large
		}
	}
	switch v.Kind() {
	case reflect.Invalid:
		b.WriteString("nil;")
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			b.WriteString("nil;")
			return
		}
		if v.Kind() == reflect.Pointer {
			if n, known := seen[v.Pointer()]; known {
				fmt.Fprintf(b, "#%d;", n)
				return
			}
			seen[v.Pointer()] = len(seen)
		}
		paint(b, v.Elem(), seen)
	case reflect.Struct:
		for i := range v.NumField() {
			fmt.Fprintf(b, "%s:", v.Type().Field(i).Name)
			paint(b, v.Field(i), seen)
		}
	case reflect.Slice, reflect.Array:
		fmt.Fprintf(b, "%d[", v.Len())
		for i := range v.Len() {
			paint(b, v.Index(i), seen)
		}
		b.WriteString("]")
	case reflect.Map:
		keys := v.MapKeys()
		name := func(k reflect.Value) string {
			if k.Kind() == reflect.Pointer {
				return fmt.Sprint(k.Pointer())
			}
			return fmt.Sprint(k)
		}
		slices.SortFunc(keys, func(x, y reflect.Value) int { return cmp.Compare(name(x), name(y)) })
		fmt.Fprintf(b, "%d{", len(keys))
		for _, k := range keys {
			b.WriteString(name(k) + "=")
			paint(b, v.MapIndex(k), seen)
		}
		b.WriteString("}")
	default:
		fmt.Fprintf(b, "%v;", v)
	}
}

// TestAskingWhatIsPendingChangesNothing, however often it is asked.
func TestAskingWhatIsPendingChangesNothing(t *testing.T) {
	t.Parallel()
	unchanged := func(w *world, machine any, pending func() []Action) {
		before, first := picture(machine), pending()
		for range 3 {
			again := pending()
			if reflect.DeepEqual(first, again) { // it takes a tenth of the time
				continue
			}
			if d := gocmp.Diff(first, again); d != "" {
				w.fatalf("asked again, it is another (-first +again):\n%s", d)
			}
		}
		if after := picture(machine); after != before {
			w.fatalf("asking changed the machine:\n%s\n%s", before, after)
		}
	}
	inWorlds(t, 200, func(w *world) {
		for n := 0; !w.step(); n++ {
			for _, t := range w.run.Tasks() {
				if t.phase >= PhaseCapture && t.final == nil || n%8 == 0 { // a picture takes its time
					unchanged(w, t, t.Pending)
				}
			}
			if n%64 == 0 {
				unchanged(w, w.run, w.run.Pending)
			}
		}
	})
}
