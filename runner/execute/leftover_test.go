package execute

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/runner/clock"
	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/redact"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/need"
)

// shelf is a destination that notes what it is asked for.
type shelf struct {
	sdk.Destination
	report func(sdk.StoreRequest) (*sdk.StoreReport, error)
	swept  error

	mu    sync.Mutex
	asked []string
}

func (s *shelf) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, fmt.Sprintf(format, args...))
}

func (s *shelf) Plugin() string { return "shelf 1.2" }

func (s *shelf) Store(_ context.Context, r sdk.StoreRequest, _ func(int64)) (*sdk.StoreReport, error) {
	s.note("store %s", r.Path)
	return s.report(r)
}

func (s *shelf) Sweep(_ context.Context, r sdk.SweepRequest) (*sdk.SweepReport, error) {
	s.note("sweep %s of %.8s", r.Prefix, r.Owner)
	return &sdk.SweepReport{}, s.swept
}

func stored(r sdk.StoreRequest) (*sdk.StoreReport, error) {
	return &sdk.StoreReport{Location: r.Path, Size: r.Size, SHA256: r.SHA256, Verified: r.Verify}, nil
}

func shelved(s *shelf) (*Executor, func(path string) error) {
	x := New(Options{Run: "run1", Plan: planOf{verify: sdk.VerifyReadBack}, Plugins: pluginsOf{d: s}, Clock: clock.System{}, Redact: &redact.Redactor{}, Log: slog.New(slog.DiscardHandler)})
	j := engine.Job{Action: lifecycle.Action{Destination: "d"}, Task: &lifecycle.TaskSpec{ID: "t"}, Prepared: &event.Prepared{Sets: map[string]string{"d": "set"}}}
	return x, func(path string) error {
		_, err := x.put(context.Background(), j, s, sdk.StoreRequest{Path: path, Size: 3, SHA256: "aa", Verify: sdk.VerifyReadBack}, nil)
		return err
	}
}

func TestWhatABrokenStoreLeftGoesBeforeTheNextAttempt(t *testing.T) {
	t.Parallel()
	s := &shelf{report: func(sdk.StoreRequest) (*sdk.StoreReport, error) {
		return nil, failure.New(failure.Unavailable, failure.Unreachable, "gone")
	}}
	x, put := shelved(s)
	_ = put("a")
	_ = put("a")
	s.report = stored
	need.Done(t, put("a"))
	need.Done(t, put("b"))
	want := []string{"store set/a", "sweep set of run1-t-e", "store set/a", "sweep set of run1-t-e", "store set/a", "store set/b"}
	if d := cmp.Diff(want, s.asked); d != "" {
		t.Error(d)
	}
	if left := x.Left(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestWhatCannotBeSweptIsKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fails error
		asked int
		rest  int
	}{
		"away":    {failure.New(failure.Unavailable, failure.Unreachable, "gone"), 1, 2},
		"refused": {failure.New(failure.Denied, failure.NoAccess, "no"), 2, 2},
		"swept":   {nil, 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &shelf{swept: c.fails}
			x, _ := shelved(s)
			rest := x.Sweep(t.Context(), []Leftover{{"d", "one", "o"}, {"d", "two", "o"}})
			if len(s.asked) != c.asked || len(rest) != c.rest {
				t.Errorf("asked %v; kept %v", s.asked, rest)
			}
		})
	}
}

func TestAReportThatIsNotWhatWasAskedForIsAFailureOfThePlugin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*sdk.StoreReport)
		said   string // nothing: it is good
	}{
		"as asked":     {func(*sdk.StoreReport) {}, ""},
		"sent only":    {func(r *sdk.StoreReport) { r.Verified = sdk.VerifySent }, `was asked to verify set/a by "read_back" and reports that it did by "sent"`},
		"not at all":   {func(r *sdk.StoreReport) { r.Verified = "none" }, `reports that it did by "none"`},
		"another size": {func(r *sdk.StoreReport) { r.Size++ }, "has size 4"},
		"another hash": {func(r *sdk.StoreReport) { r.SHA256 = "bb" }, "SHA-256 bb"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &shelf{report: func(r sdk.StoreRequest) (*sdk.StoreReport, error) {
				rep, err := stored(r)
				c.change(rep)
				return rep, err
			}}
			_, put := shelved(s)
			err := put("a")
			switch f := failure.From(err); {
			case c.said == "" && err != nil:
				t.Error(err)
			case c.said != "" && (err == nil || f.Reason != failure.Mismatch || !strings.HasPrefix(f.Message, "plugin shelf 1.2: ") || !strings.Contains(f.Message, c.said)):
				t.Errorf("got %v, want %q", err, c.said)
			}
		})
	}
}
