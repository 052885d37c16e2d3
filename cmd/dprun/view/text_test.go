package view

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSizesAndSpansAreShort(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 1_500_000_000: "1.5 GB", 5e15: "5000.0 TB"} {
		if got := Size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		-1: "0s", 0: "0ms", 1500 * time.Millisecond: "1.5s", 9999 * time.Millisecond: "9.9s", 59*time.Second + 900*time.Millisecond: "59s",
		time.Minute: "1m00s", 61 * time.Minute: "1h01m", 50 * time.Hour: "2d2h",
	} {
		if got := Span(d); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestFitCountsColumns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in      string
		columns int
		want    string
	}{
		{"orders", 6, "orders"}, {"orders", 5, "orde…"}, {"größer", 4, "grö…"}, {"日本語", 5, "日本…"}, {"日本語", 6, "日本語"}, {"é", 1, "é"}, {"x", 0, "x"},
	} {
		if got := fit(c.in, c.columns); got != c.want {
			t.Errorf("fit(%q, %d) = %q, want %q", c.in, c.columns, got, c.want)
		}
	}
}

func TestTablesLineUpWhateverTheCharacters(t *testing.T) {
	t.Parallel()
	tab := table{head: []string{"NAME", "EMPTY", "SIZE", "NOTE"}}
	tab.add(text("日本"), text(""), number("5"), text("a"))
	tab.add(text("e\u0301te"), text(""), number("12345"), text(""))
	var b strings.Builder
	tab.write(&b, false, "")
	want := "NAME   SIZE  NOTE\n日本      5  a\ne\u0301te   12345\n"
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

func TestManyFilesAreToldByWhereTheyAre(t *testing.T) {
	t.Parallel()
	got := gather([]string{"sftp://v/srv/a/x.zip", "/b/one/x.zip", "sftp://v/srv/b/y.zip", "/b/one/y.zip", "nfs://n/z.zip"})
	want := []gathered{{"sftp://v/srv/", 2}, {"/b/one/", 2}, {"nfs://n/", 1}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(gathered{})); d != "" {
		t.Error(d)
	}
}
