package conformance_test

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/dprun/dprun/sdk/conformance"
)

func TestAPanicFailsItsCaseOnly(t *testing.T) {
	t.Parallel()
	var got []conformance.Result
	ok := conformance.Run(t.Context(), []conformance.Case{
		{Run: func(context.Context, conformance.T) { panic("x") }},
		{Run: func(_ context.Context, t conformance.T) { _ = t.TempDir() }},
		{Run: func(_ context.Context, t conformance.T) { t.Fatalf("no") }},
	}, func(r conformance.Result) { got = append(got, r) })
	if ok || len(got) != 3 || got[0].Passed || !got[1].Passed || got[2].Passed || got[2].Log[0] != "no" {
		t.Errorf("got %+v", got)
	}
}

func TestRulesCanBeReferredTo(t *testing.T) {
	t.Parallel()
	id := regexp.MustCompile(`^[a-z]+/[a-z]+$`)
	seen := map[string]bool{}
	for _, r := range conformance.Rules() {
		if !id.MatchString(r.ID) || seen[r.ID] {
			t.Errorf("%q is not a word, a slash and a word, or names two rules", r.ID)
		}
		seen[r.ID] = true
		for _, text := range []string{r.Holds, r.Why, r.Remedy} {
			if !strings.HasSuffix(text, ".") {
				t.Errorf("%s: %q is not a sentence", r.ID, text)
			}
		}
	}
}
