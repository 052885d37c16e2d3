package execute

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/redact"
	"github.com/dprun/dprun/runner/staging"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/need"
)

// library can be read and listed, and gives no sums.
type library struct {
	sdk.Destination
	objects []sdk.Object
	wait    bool // for the end of the call
}

func (l *library) List(ctx context.Context, _ string) ([]sdk.Object, error) {
	if l.wait {
		<-ctx.Done()
		return nil, failure.From(ctx.Err())
	}
	return l.objects, nil
}

func (l *library) Fetch(ctx context.Context, r sdk.FetchRequest, progress func(int64)) (*sdk.FetchReport, error) {
	if l.wait {
		<-ctx.Done()
		return nil, failure.From(ctx.Err())
	}
	progress(5)
	return &sdk.FetchReport{Size: 5, SHA256: "aa"}, os.WriteFile(r.File, []byte("12345"), 0o600)
}

// archive gives sums too.
type archive struct{ library }

func (a *archive) Sum(context.Context, string, func(int64)) (*sdk.FetchReport, error) {
	return &sdk.FetchReport{Size: 5, SHA256: "bb"}, nil
}

func looking(t *testing.T, d sdk.Destination) *Executor {
	area := need.Value(staging.Open(t.TempDir()))(t)
	t.Cleanup(func() { need.Done(t, area.Close()) })
	return New(Options{Run: "check", Staging: area, Plan: planOf{verify: sdk.VerifyReadBack}, Plugins: pluginsOf{d: d}, Clock: clock.System{}, Redact: &redact.Redactor{}, Log: slog.New(slog.DiscardHandler)})
}

func TestAListThatCannotBeTrueIsNone(t *testing.T) {
	t.Parallel()
	for what, objects := range map[string][]sdk.Object{
		"not in order":    {{Path: "b"}, {Path: "a"}},
		"twice":           {{Path: "a"}, {Path: "a"}},
		"outside":         {{Path: "../a"}},
		"a negative size": {{Path: "a", Size: -1}},
	} {
		if got, err := looking(t, &library{objects: objects}).List(t.Context(), "d", ""); err == nil || got != nil || !strings.Contains(err.Error(), "its list cannot be true: entry ") {
			t.Errorf("%s: %v, %v", what, got, err)
		}
	}
	if got, err := looking(t, &library{objects: []sdk.Object{{Path: "a"}, {Path: "b"}}}).List(t.Context(), "d", ""); err != nil || len(got) != 2 {
		t.Errorf("a good one: %v, %v", got, err)
	}
}

func TestASumIsHadWithAFetchWhereThereIsNoOtherWay(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "object")
	if r := need.Value(looking(t, &library{}).Sum(t.Context(), "d", "a", 5, file))(t); r.SHA256 != "aa" {
		t.Errorf("by a fetch: %+v", r)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("what was fetched stays")
	}
	if r := need.Value(looking(t, &archive{}).Sum(t.Context(), "d", "a", 5, file))(t); r.SHA256 != "bb" {
		t.Errorf("by a sum: %+v", r)
	}
	if _, err := looking(t, &library{}).Sum(t.Context(), "d", "a", 1<<60, file); failure.From(err).Kind != failure.NoSpace {
		t.Errorf("of more than staging holds: %v", err)
	}
	if _, err := looking(t, &shelf{}).Sum(t.Context(), "d", "a", 5, file); err == nil || !strings.Contains(err.Error(), "cannot give back what it keeps") {
		t.Errorf("of one that cannot be read: %v", err)
	}
}

func TestADestinationThatDoesNotAnswerIsLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := looking(t, &library{wait: true})
		begun := time.Now()
		_, list := x.List(t.Context(), "d", "")
		_, fetch := x.Fetch(t.Context(), "d", sdk.FetchRequest{Path: "a", File: "/nowhere"}, 256<<20)
		for what, err := range map[string]error{"list": list, "fetch": fetch} {
			if failure.From(err).Kind != failure.Timeout {
				t.Errorf("%s: %v", what, err)
			}
		}
		if took := time.Since(begun); took != listLimit+destinationLimit+1024*time.Second {
			t.Errorf("they were waited for %s", took)
		}
	})
}
