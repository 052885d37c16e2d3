package store_test

import (
	"context"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/store"
)

// objects is memory whose files come whole. A server that replaces does not
// look whether a name is taken.
type objects struct {
	*memory
	replaces bool
	probed   int
	warnings []string
	closed   bool

	unconfirmed bool
	unfit       error
}

func (o *objects) Stat(ctx context.Context, name string) (store.Info, error) {
	i, err := o.memory.Stat(ctx, name)
	i.Unfit = o.unfit
	return i, err
}

func newObjects() *objects { return &objects{memory: newMemory()} }

func (o *objects) Create(ctx context.Context, _, final string, c store.Content) (i store.Info, err error) {
	err = o.do("create", final, func() error {
		content, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size))
		if _, taken := o.files[final]; err == nil && taken && !o.replaces {
			err = fs.ErrExist
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		o.files[final] = content
		i = store.Info{Size: int64(len(content)), Regular: true, Unconfirmed: o.unconfirmed, Unfit: o.unfit}
		return nil
	})
	return i, err
}

func (o *objects) Probe(context.Context, string) ([]string, error) {
	o.probed++
	return o.warnings, nil
}

func (o *objects) Close() error { o.closed = true; return nil }

// TestWhateverFailsLeavesNoObject fails each operation of a store in turn, by
// itself and by the end of the call.
func TestWhateverFailsLeavesNoObject(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"stat", "create", "get"} {
		for _, when := range []string{"before", "after", "cancelled"} {
			t.Run(op+" "+when, func(t *testing.T) {
				t.Parallel()
				o := newObjects()
				d := store.NewObjects(store.Options{}, o)
				if _, err := d.Check(t.Context()); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				failed := false
				fail := func(did, _ string) error {
					if did != op || failed {
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
					o.before = fail
				} else {
					o.after = fail
				}
				got, err := d.Store(ctx, request(t, "d/x", []byte("content"), sdk.VerifyReadBack), nil)
				switch {
				case op == "create" && when == "after": // the answer was lost, and what stands there is what was sent
					if err != nil || got.Existed || len(o.names()) != 1 {
						t.Errorf("%+v, %v, %q", got, err, o.names())
					}
				case err == nil:
					if failed && when != "cancelled" || len(o.names()) != 1 {
						t.Errorf("%+v, %q", got, o.names())
					}
				default:
					want := failure.Unavailable
					if when == "cancelled" {
						want = failure.Cancelled
					}
					if f := failure.From(err); f.Kind != want || !strings.HasPrefix(f.Message, "store mem://d/x: ") || len(o.names()) != 0 {
						t.Errorf("got %v, left %q", err, o.names())
					}
				}
			})
		}
	}
}

func TestAServerThatReplacesIsRefused(t *testing.T) {
	t.Parallel()
	o := newObjects()
	o.replaces = true
	d := store.NewObjects(store.Options{}, o)
	_, err := d.Check(t.Context())
	wantFailure(t, err, failure.Precondition, failure.Unsupported)
	_, err = d.Store(t.Context(), request(t, "x", []byte("content"), sdk.VerifySent), nil)
	wantFailure(t, err, failure.Precondition, failure.Unsupported)
	if len(o.names()) != 0 {
		t.Errorf("left %q", o.names())
	}
}

func TestAServerIsTriedOutOnce(t *testing.T) {
	t.Parallel()
	o := newObjects()
	o.warnings = []string{"it is slow"}
	d := store.NewObjects(store.Options{}, o)
	for _, name := range []string{"x", "y"} {
		if _, err := d.Store(t.Context(), request(t, name, []byte(name), sdk.VerifySent), nil); err != nil {
			t.Fatal(err)
		}
	}
	if o.probed != 1 {
		t.Errorf("it was tried out %d times for two stores", o.probed)
	}
	report, err := d.Check(t.Context())
	if err != nil || len(report.Warnings) != 2 || report.Warnings[1] != "it is slow" || len(o.names()) != 2 {
		t.Errorf("%+v, %v, %q", report, err, o.names())
	}
	if err := d.Close(); err != nil || !o.closed {
		t.Errorf("closed: %v, %v", o.closed, err)
	}
}

func TestAnObjectThatIsTakenOrInTheWayStays(t *testing.T) {
	t.Parallel()
	o := newObjects()
	o.files["taken"] = []byte("older")
	d := store.NewObjects(store.Options{}, o)
	for _, name := range []string{"taken", "taken/below", "taken/far/below"} {
		_, err := d.Store(t.Context(), request(t, name, []byte("newer"), sdk.VerifyReadBack), nil)
		wantFailure(t, err, failure.Exists, failure.Occupied)
	}
	if string(o.files["taken"]) != "older" || len(o.names()) != 1 {
		t.Errorf("%q", o.files)
	}
}

// TestALostRaceIsTold: another store was faster, and the connection is cut.
func TestALostRaceIsTold(t *testing.T) {
	t.Parallel()
	o := newObjects()
	d := store.NewObjects(store.Options{}, o)
	if _, err := d.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.before = func(op, name string) error {
		if op != "create" {
			return nil
		}
		o.files[name] = []byte("faster")
		return syscall.ECONNRESET
	}
	_, err := d.Store(t.Context(), request(t, "x", []byte("slower"), sdk.VerifyReadBack), nil)
	wantFailure(t, err, failure.Exists, failure.Occupied)
	if string(o.files["x"]) != "faster" {
		t.Errorf("%q", o.files)
	}
}

func TestAnObjectThatIsWrongIsTakenBack(t *testing.T) {
	t.Parallel()
	o := newObjects()
	d := store.NewObjects(store.Options{}, o)
	if _, err := d.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.after = func(op, name string) error {
		if op == "create" {
			o.files[name] = []byte("cOntent")
		}
		return nil
	}
	_, err := d.Store(t.Context(), request(t, "x", []byte("content"), sdk.VerifyReadBack), nil)
	wantFailure(t, err, failure.Corrupt, failure.Mismatch)
	o.unconfirmed = true
	_, err = d.Store(t.Context(), request(t, "x", []byte("content"), sdk.VerifySent), nil)
	wantFailure(t, err, failure.Corrupt, failure.Mismatch)
	o.before = func(op, _ string) error {
		if op == "remove" {
			return fs.ErrPermission
		}
		return nil
	}
	_, err = d.Store(t.Context(), request(t, "y", []byte("content"), sdk.VerifyReadBack), nil)
	if f := wantFailure(t, err, failure.Corrupt, failure.Mismatch); !strings.Contains(f.Message, "is still there") {
		t.Errorf("it is not said that it stays: %v", f)
	}
	if len(o.names()) != 1 {
		t.Errorf("%q", o.names())
	}
}

// TestAnObjectThatIsUnfitIsNoStore: it holds what was sent, and lacks something
// else that was asked for.
func TestAnObjectThatIsUnfitIsNoStore(t *testing.T) {
	t.Parallel()
	o := newObjects()
	d := store.NewObjects(store.Options{}, o)
	if _, err := d.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.unfit = failure.New(failure.Precondition, failure.Unsupported, "it is not locked")
	for range 2 {
		_, err := d.Store(t.Context(), request(t, "x", []byte("content"), sdk.VerifyReadBack), nil)
		wantFailure(t, err, failure.Precondition, failure.Unsupported)
		if len(o.names()) != 0 {
			t.Errorf("%q", o.names())
		}
	}
	o.files["x"] = []byte("content")
	_, err := d.Store(t.Context(), request(t, "x", []byte("content"), sdk.VerifyReadBack), nil)
	wantFailure(t, err, failure.Precondition, failure.Unsupported)
	if len(o.names()) != 1 {
		t.Errorf("%q", o.names())
	}
}
