package store_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/store"
)

// TestWhateverFailsLeavesNothing fails each operation of a store in turn, by
// itself and by the end of the call.
func TestWhateverFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"mkdir", "stat", "put", "sync", "get", "publish"} {
		for _, when := range []string{"before", "after", "cancelled"} {
			t.Run(op+" "+when, func(t *testing.T) {
				t.Parallel()
				m := newMemory()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				failed := false
				fail := func(o, _ string) error {
					if o != op || failed {
						return nil
					}
					failed = true
					if when == "cancelled" {
						cancel()
						return nil
					}
					return syscall.EIO
				}
				if when == "before" {
					m.before = fail
				} else {
					m.after = fail
				}
				got, err := open(syncing{m}).Store(ctx, request(t, "d/x", []byte("content"), sdk.VerifyReadBack), nil)
				switch {
				case op == "publish" && when != "before": // it has its name: the answer was lost, or came too late
					if err != nil || got.Existed || len(m.names()) != 1 {
						t.Errorf("%+v, %v, %q", got, err, m.names())
					}
				case !failed || when == "cancelled" && err == nil: // it never came to that, or was noticed too late, which is as good
					if len(m.names()) != 1 {
						t.Errorf("%q", m.names())
					}
				default:
					want := failure.Unavailable
					if when == "cancelled" {
						want = failure.Cancelled
					}
					if f := failure.From(err); err == nil || f.Kind != want || !strings.HasPrefix(f.Message, "store mem://d/x: ") {
						t.Errorf("got %v", err)
					}
					if len(m.names()) != 0 {
						t.Errorf("left behind: %q", m.names())
					}
				}
			})
		}
	}
}

func TestANameThatCannotBeMadeDurableIsTakenBack(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.before = func(op, name string) error {
		if op == "sync" && name == "d" {
			return syscall.EIO
		}
		return nil
	}
	_, err := open(syncing{m}).Store(t.Context(), request(t, "d/x", []byte("content"), sdk.VerifySent), nil)
	wantFailure(t, err, failure.Unavailable, failure.Unreachable)
	if len(m.names()) != 0 {
		t.Errorf("left behind: %q", m.names())
	}
}

func TestAStoreThatLosesTheRaceSaysWhatStandsThere(t *testing.T) {
	t.Parallel()
	for content, existed := range map[string]bool{"content": true, "another": false} {
		m := newMemory()
		m.before = func(op, name string) error {
			if op == "publish" {
				m.files[name] = []byte(content)
			}
			return nil
		}
		got, err := open(m).Store(t.Context(), request(t, "x", []byte("content"), sdk.VerifySent), nil)
		if existed {
			if err != nil || !got.Existed || got.Verified != sdk.VerifyReadBack {
				t.Errorf("%+v, %v", got, err)
			}
		} else if f := wantFailure(t, err, failure.Exists, failure.Occupied); !strings.Contains(f.Message, "something else is there already (7 bytes") {
			t.Errorf("%s", f.Message)
		}
		if names := m.names(); len(names) != 1 || string(m.files["x"]) != content {
			t.Errorf("there stand %q", names)
		}
	}
}

// TestAPartThatCannotBeRemovedIsRemovedByTheNextStore: the destination goes
// away in the middle and comes back.
func TestAPartThatCannotBeRemovedIsRemovedByTheNextStore(t *testing.T) {
	t.Parallel()
	m := newMemory()
	away := false
	m.before = func(string, string) error {
		if away {
			return syscall.EIO
		}
		return nil
	}
	m.after = func(op, _ string) error {
		away = away || op == "put"
		return nil
	}
	d := open(m)
	r := request(t, "x", []byte("content"), sdk.VerifyReadBack)
	_, err := d.Store(t.Context(), r, nil)
	wantFailure(t, err, failure.Unavailable, failure.Unreachable)
	if len(m.names()) != 1 || !strings.HasPrefix(m.names()[0], sdk.TempPrefix) {
		t.Errorf("%q", m.names())
	}
	away, m.after = false, nil
	if _, err := d.Store(t.Context(), r, nil); err != nil || len(m.names()) != 1 {
		t.Errorf("%v, %q", err, m.names())
	}
}

func TestWhetherAFileWasPublishedIsSaidToBeUnknown(t *testing.T) {
	t.Parallel()
	m := newMemory()
	published := false
	m.before = func(op, _ string) error {
		published = published || op == "publish"
		if published {
			return syscall.EIO
		}
		return nil
	}
	_, err := open(m).Store(t.Context(), request(t, "x", []byte("content"), sdk.VerifyReadBack), nil)
	if f := wantFailure(t, err, failure.Unavailable, failure.Unreachable); !strings.HasSuffix(f.Message, "it is not known whether the file has its final name") {
		t.Errorf("%s", f.Message)
	}
}

// TestWhichSideIsWrongIsTold changes the staged file, or the copy.
func TestWhichSideIsWrongIsTold(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("content"), 1_000_000)
	for _, verify := range []sdk.Verify{sdk.VerifyReadBack, sdk.VerifySent} {
		r := request(t, "x", content, verify)
		if err := os.WriteFile(r.Source, bytes.ToUpper(content), 0o600); err != nil {
			t.Fatal(err)
		}
		m := newMemory()
		_, err := open(m).Store(t.Context(), r, nil)
		wantFailure(t, err, failure.Corrupt, failure.SourceIO)

		grown := request(t, "x", content, verify)
		m.before = func(op, _ string) error {
			if op == "put" {
				return os.WriteFile(grown.Source, append(content, 'x'), 0o600)
			}
			return nil
		}
		_, err = open(m).Store(t.Context(), grown, nil)
		wantFailure(t, err, failure.Corrupt, failure.SourceIO)

		cut := request(t, "x", content, verify)
		m.before = func(op, _ string) error {
			if op == "put" {
				return os.Truncate(cut.Source, 10)
			}
			return nil
		}
		_, err = open(m).Store(t.Context(), cut, nil)
		wantFailure(t, err, failure.Corrupt, failure.SourceIO)

		m.before = nil
		m.after = func(op, name string) error {
			if op == "put" {
				m.files[name] = bytes.ToUpper(m.files[name])
			}
			return nil
		}
		_, err = open(m).Store(t.Context(), request(t, "y", content, sdk.VerifyReadBack), nil)
		wantFailure(t, err, failure.Corrupt, failure.Mismatch)
		if len(m.names()) != 0 {
			t.Errorf("left behind: %q", m.names())
		}
	}
}

func TestAFileThatIsSentTwiceIsHashedOnce(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("content"), 1_000_000)
	m := newMemory()
	m.sends = 3
	var last int64
	r := request(t, "x", content, sdk.VerifySent)
	_, err := open(m).Store(t.Context(), r, func(n int64) {
		if n <= last {
			t.Errorf("progress went from %d to %d", last, n)
		}
		last = n
	})
	if err != nil || last != r.Size {
		t.Errorf("%v, progress ended at %d of %d", err, last, r.Size)
	}
}

func TestModesAreToldOrRefused(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.mode = 0o644
	mode := store.Mode{Want: 0o600, Tell: func(got fs.FileMode) string { return "it is " + got.String() }}
	for _, existed := range []bool{false, true} {
		got, err := store.New(store.Options{Mode: mode}, store.Always(m)).Store(t.Context(), request(t, "x", []byte("content"), sdk.VerifySent), nil)
		if err != nil || got.Existed != existed || got.ModeKept || len(got.Warnings) != 1 || got.Warnings[0] != "it is -rw-r--r--" {
			t.Errorf("%+v, %v", got, err)
		}
	}
	mode.Required = true
	strict := store.New(store.Options{Mode: mode}, store.Always(m))
	for _, name := range []string{"x", "y"} {
		_, err := strict.Store(t.Context(), request(t, name, []byte("content"), sdk.VerifySent), nil)
		wantFailure(t, err, failure.Precondition, failure.ModeNotKept)
	}
	_, err := strict.Check(t.Context())
	wantFailure(t, err, failure.Precondition, failure.ModeNotKept)
	if names := m.names(); len(names) != 1 {
		t.Errorf("there stand %q", names)
	}
}

func TestDurableIsWhatTheDestinationSays(t *testing.T) {
	t.Parallel()
	for _, durable := range []bool{false, true} {
		m := newMemory()
		var f store.Files = m
		if durable {
			f = syncing{m}
		}
		d := open(f)
		checked, err := d.Check(t.Context())
		if err != nil || len(checked.Warnings) == 0 != durable {
			t.Errorf("%+v, %v", checked, err)
		}
		for range 2 {
			got, err := d.Store(t.Context(), request(t, "d/x", []byte("content"), sdk.VerifySent), nil)
			if err != nil || got.Durable != durable {
				t.Errorf("%+v, %v", got, err)
			}
		}
	}
}

func TestWhatCannotFitIsNotBegun(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.free = 6
	_, err := open(m).Store(t.Context(), request(t, "x", []byte("content"), sdk.VerifySent), nil)
	wantFailure(t, err, failure.NoSpace, failure.OutOfSpace)
}

func TestATopThatIsMissingIsNotEmpty(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.dirs = map[string]bool{}
	d := open(m)
	_, check := d.Check(t.Context())
	_, put := d.Store(t.Context(), request(t, "d/x", []byte("content"), sdk.VerifySent), nil)
	_, list := d.List(t.Context(), "")
	_, sweep := d.Sweep(t.Context(), sdk.SweepRequest{Prefix: "d"})
	_, fetch := d.Fetch(t.Context(), sdk.FetchRequest{Path: "d/x", File: t.TempDir() + "/x"}, nil)
	_, sum := d.Sum(t.Context(), "d/x", nil)
	for what, err := range map[string]error{"check": check, "store": put, "list": list, "sweep": sweep, "fetch": fetch, "read": sum, "delete": d.Delete(t.Context(), "d/x")} {
		f, ok := errors.AsType[*failure.Error](err)
		if !ok || f.Kind != failure.NotFound || f.Reason != failure.NoDirectory || f.Remedy != "mount it" || !strings.HasPrefix(f.Message, what+" mem://") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestErrorsOfTheOperatingSystemHaveAClass(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]failure.Error{
		syscall.ENOSPC:           {Kind: failure.NoSpace, Reason: failure.OutOfSpace},
		syscall.EDQUOT:           {Kind: failure.NoSpace, Reason: failure.OutOfSpace},
		syscall.EROFS:            {Kind: failure.Denied, Reason: failure.ReadOnly},
		syscall.EACCES:           {Kind: failure.Denied, Reason: failure.NoAccess},
		syscall.ENOENT:           {Kind: failure.NotFound, Reason: failure.NoSuchFile},
		syscall.ENOTDIR:          {Kind: failure.Exists, Reason: failure.Occupied},
		syscall.EEXIST:           {Kind: failure.Exists, Reason: failure.Occupied},
		syscall.ENAMETOOLONG:     {Kind: failure.Precondition, Reason: failure.BadConfig},
		syscall.EINVAL:           {Kind: failure.Precondition},
		syscall.EIO:              {Kind: failure.Unavailable, Reason: failure.Unreachable},
		context.DeadlineExceeded: {Kind: failure.Timeout},
		context.Canceled:         {Kind: failure.Cancelled},
		errors.New("x"):          {Kind: failure.Internal},
		failure.New(failure.Timeout, failure.Stalled, "x"): {Kind: failure.Timeout, Reason: failure.Stalled},
	} {
		f := store.Explain("do this", err)
		if f.Kind != want.Kind || f.Reason != want.Reason || f.Message != "do this: "+err.Error() || !errors.Is(f, err) {
			t.Errorf("%v: got %+v", err, f)
		}
	}
}
