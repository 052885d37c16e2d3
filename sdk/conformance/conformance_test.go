package conformance_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plugins/file"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/failure"
)

// able is a destination that can do everything.
type able interface {
	sdk.Destination
	sdk.Sweeper
	sdk.Reader
	sdk.Lister
	sdk.Deleter
}

// wrong is a destination that keeps to the contract but for one thing.
type wrong struct {
	able
	store func(context.Context, able, sdk.StoreRequest, func(int64)) (*sdk.StoreReport, error)
	list  func([]sdk.Object) []sdk.Object
	fetch func(context.Context, able, sdk.FetchRequest) (*sdk.FetchReport, error)
	sweep func(*sdk.SweepReport) *sdk.SweepReport
}

func (w wrong) Store(ctx context.Context, r sdk.StoreRequest, p func(int64)) (*sdk.StoreReport, error) {
	if w.store == nil {
		return w.able.Store(ctx, r, p)
	}
	return w.store(ctx, w.able, r, p)
}

func (w wrong) List(ctx context.Context, prefix string) ([]sdk.Object, error) {
	l, err := w.able.List(ctx, prefix)
	if w.list != nil {
		l = w.list(l)
	}
	return l, err
}

func (w wrong) Fetch(ctx context.Context, r sdk.FetchRequest, p func(int64)) (*sdk.FetchReport, error) {
	if w.fetch != nil {
		return w.fetch(ctx, w.able, r)
	}
	return w.able.Fetch(ctx, r, p)
}

func (w wrong) Sweep(ctx context.Context, r sdk.SweepRequest) (*sdk.SweepReport, error) {
	rep, err := w.able.Sweep(ctx, r)
	if w.sweep != nil && err == nil {
		rep = w.sweep(rep)
	}
	return rep, err
}

// believe stores whatever the source holds, whatever was announced.
func believe(ctx context.Context, d able, r sdk.StoreRequest, p func(int64)) (*sdk.StoreReport, error) {
	b, err := os.ReadFile(r.Source)
	if err != nil {
		return nil, failure.From(err)
	}
	sum := sha256.Sum256(b)
	announced := r
	r.Size, r.SHA256 = int64(len(b)), hex.EncodeToString(sum[:])
	rep, err := d.Store(ctx, r, p)
	if err != nil {
		return nil, err
	}
	rep.Size, rep.SHA256 = announced.Size, announced.SHA256
	return rep, nil
}

func TestWrongDestinationsAreFound(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		w     wrong
		cases []string // that must fail; others may
	}{
		"believes the announcement": {wrong{store: believe}, []string{"a wrong hash is found and leaves nothing", "an incomplete source is found and leaves nothing"}},
		"overwrites": {wrong{store: func(ctx context.Context, d able, r sdk.StoreRequest, p func(int64)) (*sdk.StoreReport, error) {
			_ = d.Delete(ctx, r.Path)
			return d.Store(ctx, r, p)
		}}, []string{"other content is never replaced", "the same content may stand there"}},
		"ignores cancellation": {wrong{store: func(ctx context.Context, d able, r sdk.StoreRequest, p func(int64)) (*sdk.StoreReport, error) {
			if _, err := d.Store(context.WithoutCancel(ctx), r, p); err != nil {
				return nil, err
			}
			return nil, failure.New(failure.Cancelled, "", "cancelled too late")
		}}, []string{"a cancelled store leaves nothing", "a stored file comes back"}},
		"no typed failures": {wrong{fetch: func(ctx context.Context, d able, r sdk.FetchRequest) (*sdk.FetchReport, error) {
			if _, err := d.Fetch(ctx, r, nil); err != nil {
				return nil, fmt.Errorf("not found")
			}
			return nil, nil
		}}, []string{"what is not there is not fetched"}},
		"failures of another kind": {wrong{store: func(ctx context.Context, d able, r sdk.StoreRequest, p func(int64)) (*sdk.StoreReport, error) {
			rep, err := d.Store(ctx, r, p)
			if err != nil {
				return nil, failure.New(failure.Internal, "", "%w", err)
			}
			return rep, nil
		}}, []string{"other content is never replaced", "an incomplete source is found and leaves nothing", "paths that lead out are refused"}},
		"lists in any order": {wrong{list: func(l []sdk.Object) []sdk.Object {
			slices.Reverse(l)
			return l
		}}, []string{"a list is sorted and keeps to its directory"}},
		"forgets files": {wrong{list: func(l []sdk.Object) []sdk.Object { return l[:min(1, len(l))] }}, []string{"names are kept"}},
		"fetches over files": {wrong{fetch: func(ctx context.Context, d able, r sdk.FetchRequest) (*sdk.FetchReport, error) {
			_ = os.Remove(r.File)
			return d.Fetch(ctx, r, nil)
		}}, []string{"a fetch never overwrites"}},
		"leaves temporary files": {wrong{sweep: func(r *sdk.SweepReport) *sdk.SweepReport {
			r.Removed = append(r.Removed, ".dprun-left.part")
			return r
		}}, []string{"a wrong hash is found and leaves nothing", "a sweep keeps final names", "check says where and leaves nothing"}},
		"says nothing of progress": {wrong{store: func(ctx context.Context, d able, r sdk.StoreRequest, p func(int64)) (*sdk.StoreReport, error) {
			n := r.Size
			return d.Store(ctx, r, func(int64) { n--; p(n) })
		}}, []string{"progress grows up to the size"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, stop, err := conformance.Serve(file.Plugin())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(stop)
			dir := t.TempDir()
			cases := conformance.Destination(func(ctx context.Context) (sdk.Destination, error) {
				d, err := p.ConfigureDestination(ctx, "file", cty.ObjectVal(map[string]cty.Value{"directory": cty.StringVal(dir), "create_directory": cty.False, "require_mode": cty.False}))
				w := tt.w
				w.able, _ = d.(able)
				return w, err
			}, conformance.DestinationOptions{Large: 32 << 20})
			for _, want := range tt.cases {
				i := slices.IndexFunc(cases, func(c conformance.Case) bool { return c.Name == want })
				if i < 0 {
					t.Fatalf("there is no case %q", want)
				}
				if conformance.Run(t.Context(), cases[i:i+1], func(conformance.Result) {}) {
					t.Errorf("the case %q does not find it", want)
				}
			}
		})
	}
}

func TestADestinationThatOnlyStoresConforms(t *testing.T) {
	t.Parallel()
	p, stop, err := conformance.Serve(file.Plugin())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	dir := t.TempDir()
	for _, c := range conformance.Destination(func(ctx context.Context) (sdk.Destination, error) {
		d, err := p.ConfigureDestination(ctx, "file", cty.ObjectVal(map[string]cty.Value{"directory": cty.StringVal(dir), "create_directory": cty.False, "require_mode": cty.False}))
		return struct{ sdk.Destination }{d}, err
	}, conformance.DestinationOptions{Large: 8 << 20}) {
		t.Run(c.Name, func(t *testing.T) { c.Run(t.Context(), t) })
	}
}

type hook struct {
	run func(context.Context) (*sdk.RunReport, error)
}

func (h hook) Run(ctx context.Context, _ sdk.RunRequest, _ func(sdk.Output)) (*sdk.RunReport, error) {
	return h.run(ctx)
}
func (h hook) Close() error { return nil }

func TestWrongHooksAreFound(t *testing.T) {
	t.Parallel()
	open := func(run func(context.Context) (*sdk.RunReport, error)) func(context.Context) (sdk.Hook, error) {
		return func(context.Context) (sdk.Hook, error) { return hook{run}, nil }
	}
	cases := conformance.Hook(conformance.HookOptions{
		Succeeds: open(func(context.Context) (*sdk.RunReport, error) { return &sdk.RunReport{ExitCode: 1}, nil }),
		Fails:    open(func(context.Context) (*sdk.RunReport, error) { return &sdk.RunReport{}, nil }),
		Hangs: open(func(context.Context) (*sdk.RunReport, error) {
			time.Sleep(300 * time.Millisecond)
			return &sdk.RunReport{}, nil
		}),
	})
	conformance.Run(t.Context(), cases, func(r conformance.Result) {
		if r.Passed || len(r.Log) == 0 {
			t.Errorf("the case %q passed", r.Name)
		}
	})
}

func TestAPanicFailsItsCaseOnly(t *testing.T) {
	t.Parallel()
	var got []conformance.Result
	ok := conformance.Run(t.Context(), []conformance.Case{
		{Name: "a", Run: func(context.Context, conformance.T) { panic("x") }},
		{Name: "b", Run: func(_ context.Context, t conformance.T) { _ = t.TempDir() }},
		{Name: "c", Run: func(_ context.Context, t conformance.T) { t.Fatalf("no") }},
	}, func(r conformance.Result) { got = append(got, r) })
	if ok || len(got) != 3 || got[0].Passed || !got[1].Passed || got[2].Passed || got[2].Log[0] != "no" {
		t.Errorf("got %+v", got)
	}
}
