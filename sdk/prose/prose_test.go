package prose_test

import (
	"slices"
	"testing"

	"github.com/dprun/dprun/sdk/prose"
)

func TestAFileIsReadSectionBySection(t *testing.T) {
	t.Parallel()
	got := slices.Collect(prose.Sections("For editors.\n\n# one\nkind: a\nmeaning: b: c\n\n# two\nFirst.\n\nSecond.\n"))
	want := []prose.Section{{Name: "one", Text: "kind: a\nmeaning: b: c"}, {Name: "two", Text: "First.\n\nSecond."}}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for key, want := range map[string]string{"kind": "a", "meaning": "b: c", "mean": "", "c": ""} {
		if f := got[0].Field(key); f != want {
			t.Errorf("field %s is %q, want %q", key, f, want)
		}
	}
}

func TestAFileWithoutSectionsHasNone(t *testing.T) {
	t.Parallel()
	if got := slices.Collect(prose.Sections("text # no\n#none\n")); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}
