package store

import (
	"strings"
	"testing"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

func TestTemporaryNamesKeepOwnersApart(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, owner := range []string{"", "a", "a-b", "a/b", "a=2fb", "a_b", "-", "../..", "ü", strings.Repeat("x", 300), strings.Repeat("x", 301)} {
		name := TempName(owner)
		got, ok := tempOwner(name)
		if !ok || got != escapeOwner(owner) {
			t.Errorf("owner %q: %q reads as %q, %v", owner, name, got, ok)
		}
		if prev, twice := seen[got]; twice {
			t.Errorf("owners %q and %q look the same", prev, owner)
		}
		seen[got] = owner
		if len(name) > maxName || strings.Contains(name, "/") {
			t.Errorf("owner %q: %q cannot be a file name", owner, name)
		}
	}
	for _, name := range []string{"file", ".dprun-x.part", ".dprun-x-12345678.part", ".dprun-x-0123456789abcdeg.part", ".dprun-x-0123456789abcdef", "x.dprun-x-0123456789abcdef.part"} {
		if _, ok := tempOwner(name); ok {
			t.Errorf("%q was taken for a temporary name", name)
		}
	}
}

func TestNamesThatCouldLeaveTheDirectoryAreRefused(t *testing.T) {
	t.Parallel()
	d := New(Options{}, nil) // refused before anything is opened
	for _, name := range []string{
		"", ".", "..", "/abs", "a/../b", "a//b", "a/", "./a", "a\x00b", "a\nb", "a\\b", "a\xffb",
		strings.Repeat("n", 256), "dir/" + TempName("x"), TempName("x") + "/file", ".dprun-x",
	} {
		_, store := d.Store(t.Context(), sdk.StoreRequest{Path: name}, nil)
		_, fetch := d.Fetch(t.Context(), sdk.FetchRequest{Path: name}, nil)
		for what, err := range map[string]error{"store": store, "fetch": fetch, "delete": d.Delete(t.Context(), name)} {
			if f := failure.From(err); f == nil || f.Kind != failure.Precondition || f.Reason != failure.BadConfig {
				t.Errorf("%s %q: %v", what, name, err)
			}
		}
	}
	for _, name := range []string{"a", "site/gw 1/ünï/x.zip", "..a", "a..b", ".hidden", strings.Repeat("n", 255)} {
		if err := checkPath(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := d.List(t.Context(), "../up"); err == nil {
		t.Error("listed ../up")
	}
	if _, err := d.Sweep(t.Context(), sdk.SweepRequest{Prefix: "a/../../up"}); err == nil {
		t.Error("swept a/../../up")
	}
}
