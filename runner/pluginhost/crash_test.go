package pluginhost_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// fragile is a source whose process ends when the domain "poison" is captured,
// but not before as many captures are under way as its configuration says.
type fragile struct {
	gateway
	c fragileConfig
}

type fragileConfig struct {
	Dir string `dprun:"dir,required"`
	At  int    `dprun:"at,required"`
}

func fragiles() sdk.Plugin {
	return sdk.Plugin{Name: "fragile", Version: "4.5.6", Sources: []sdk.SourceType{
		sdk.NewSource(schema.SourceType{Name: "fragile"}, func(_ context.Context, c fragileConfig, _ sdk.Env) (sdk.Source, error) {
			return &fragile{gateway{c.Dir}, c}, nil
		}, nil,
			sdk.NewActivity[struct{}](schema.Activity{Name: "snapshot", Scope: schema.ScopeDomain}, nil))}}
}

func (f *fragile) Capture(ctx context.Context, r sdk.CaptureRequest, emit func(sdk.CaptureProgress)) (*sdk.Capture, error) {
	_, err := os.Stat(filepath.Join(f.c.Dir, "poisoned"))
	again := err == nil // what is repeated does not wait
	if err := os.WriteFile(filepath.Join(f.c.Dir, "begun-"+r.Owner), nil, 0o600); err != nil {
		return nil, err
	}
	if file, err := os.OpenFile(filepath.Join(r.Dir, "part"), os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return nil, err // the directory is not empty
	} else if err := file.Close(); err != nil {
		return nil, err
	}
	if r.Target.Domain == "done" {
		emit(sdk.CaptureProgress{DeviceDone: true})
	}
	if r.Target.Domain == "poison" {
		for n := 0; n < f.c.At; {
			files, _ := filepath.Glob(filepath.Join(f.c.Dir, "begun-*"))
			n = len(files)
			time.Sleep(time.Millisecond)
		}
		_ = os.WriteFile(filepath.Join(f.c.Dir, "poisoned"), nil, 0o600)
		fmt.Fprintln(os.Stderr, "swallowed something bad")
		os.Exit(3)
	}
	if !again { // until the process ends
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &sdk.Capture{Artifacts: []sdk.Artifact{{Name: "part"}}}, nil
}

func TestACrashCostsOnlyTheCallThatCausedIt(t *testing.T) {
	t.Parallel()
	h, log := newHost(t, func(o *pluginhost.Options) { o.Bundled["fragile"] = fragiles })
	dir := t.TempDir()
	requests := []sdk.CaptureRequest{
		{Target: sdk.Target{Domain: "poison"}},
		{Target: sdk.Target{Domain: "done"}},
		{Target: sdk.Target{Domain: "orders"}, Variant: sdk.VariantSecureBackup},
	}
	for i := range 9 {
		requests = append(requests, sdk.CaptureRequest{Target: sdk.Target{Domain: fmt.Sprint("app", i)}, Variant: sdk.VariantPersisted})
	}
	sources := make([]sdk.Source, 3) // three gateways
	for i := range sources {
		s, err := h.Source(t.Context(), "fragile", cty.ObjectVal(map[string]cty.Value{"dir": cty.StringVal(dir), "at": cty.NumberIntVal(int64(len(requests)))}))
		if err != nil {
			t.Fatal(err)
		}
		sources[i] = s
	}
	errs := make([]error, len(requests))
	var wg sync.WaitGroup
	for i, r := range requests {
		r.Activity, r.Owner, r.Dir, r.Config = "snapshot", fmt.Sprint(i), t.TempDir(), cty.EmptyObjectVal
		wg.Go(func() { _, errs[i] = sources[i%len(sources)].Capture(t.Context(), r, func(sdk.CaptureProgress) {}) })
	}
	wg.Wait()
	wantFailure(t, errs[0], failure.Internal, failure.Crashed, "fragile 4.5.6", "exit status 3", "swallowed something bad", "twice during this call", "not tried a third time")
	for _, i := range []int{1, 2} { // must not be sent again, or may come too late
		wantFailure(t, errs[i], failure.Unavailable, failure.Crashed, "fragile 4.5.6", "exit status 3")
	}
	for i, err := range errs[3:] {
		if err != nil {
			t.Errorf("app%d: %v", i, err)
		}
	}
	if t.Failed() {
		t.Log(log.String())
	}
}

// A plugin that loses a process now and then is started again however often
// that happens, as long as it serves in between.
func TestAProcessThatServedIsReplacedHoweverOften(t *testing.T) {
	t.Parallel()
	h, _ := newHost(t, nil)
	good, bad := newHook(t, h, "ok", ""), newHook(t, h, "exit", "")
	for range 6 {
		run(t, good)
		_, err := bad.Run(t.Context(), sdk.RunRequest{}, nil)
		wantFailure(t, err, failure.Unavailable, failure.Crashed, "exit status 3")
	}
	run(t, good)
}
