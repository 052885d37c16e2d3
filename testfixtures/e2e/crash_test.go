package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dprun/dprun/runner"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/need"
)

// fragile is a plugin whose process is gone as soon as it captures the domain
// "poison". Its gateways have nine other domains each.
type fragile struct{ name string }

func fragilePlugin() sdk.Plugin {
	type config struct {
		Name string `dprun:"name,required"`
	}
	return sdk.Plugin{Name: "fragile", Version: "4.5.6", Sources: []sdk.SourceType{
		sdk.NewSource(schema.SourceType{Name: "fragile"}, func(_ context.Context, c config, _ sdk.Env) (sdk.Source, error) { return fragile{c.Name}, nil }, nil,
			sdk.NewActivity[struct{}](schema.Activity{Name: "keep", Scope: schema.ScopeDomain}, nil))}}
}

func (f fragile) Inspect(context.Context, sdk.InspectRequest) (*sdk.Inspection, error) {
	in := &sdk.Inspection{Facts: sdk.Facts{Identity: f.name}, Domains: []sdk.Domain{{Name: "poison", QuiesceState: sdk.StateNormal}}}
	for i := range 9 {
		in.Domains = append(in.Domains, sdk.Domain{Name: fmt.Sprint("app", i), QuiesceState: sdk.StateNormal})
	}
	return in, nil
}

func (f fragile) Check(context.Context, sdk.CheckRequest) (*sdk.CheckReport, error) {
	return &sdk.CheckReport{Quiesce: sdk.QuiesceReport{State: sdk.StateNormal}, Variants: []string{sdk.VariantPersisted}}, nil
}

// underWay is how many captures this process has under way.
var underWay atomic.Int32

func (f fragile) Capture(ctx context.Context, r sdk.CaptureRequest, _ func(sdk.CaptureProgress)) (*sdk.Capture, error) {
	underWay.Add(1)
	defer underWay.Add(-1)
	if r.Target.Domain == "poison" {
		for end := time.Now().Add(time.Second); underWay.Load() < 4 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		}
		os.Exit(3)
	}
	select { // long enough for a poisoned one to come beside it
	case <-time.After(100 * time.Millisecond):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	text := []byte(f.name + "/" + r.Target.Domain)
	sum := sha256.Sum256(text)
	return &sdk.Capture{Artifacts: []sdk.Artifact{{Name: "all.txt", Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])}}}, os.WriteFile(filepath.Join(r.Dir, "all.txt"), text, 0o600)
}

func (f fragile) Quiesce(context.Context, sdk.Target, time.Duration) error { return nil }
func (f fragile) Unquiesce(context.Context, sdk.Target) error              { return nil }
func (f fragile) QuiesceState(context.Context, sdk.Target) (*sdk.QuiesceReport, error) {
	return &sdk.QuiesceReport{State: sdk.StateNormal}, nil
}
func (f fragile) Discard(context.Context, string) error { return nil }
func (f fragile) Close() error                          { return nil }

func TestAPluginThatDiesOfOneDomainBacksUpAllOthers(t *testing.T) {
	t.Parallel()
	dir, sink := t.TempDir(), &recorder{}
	need.Done(t, os.Mkdir(filepath.Join(dir, "backups"), 0o700))
	const plan = `
device "fragile" "gw" {
  for_each = toset(["gw-1", "gw-2", "gw-3"])
  config { name = each.key }
}
destination "file" "local" {
  min_free = "1%"
  config { directory = "backups" }
}
plan "p" {
  destinations = [destination.file.local]
  error_policy = "ignore"
  limits { parallel = 8 }
  activity "keep" "x" {
    devices = ["*"]
    domains = ["*"]
  }
}
`
	path := filepath.Join(dir, "plan.hcl")
	need.Done(t, os.WriteFile(path, []byte(plan), 0o600))
	r, err := runner.Open(runner.Options{StateDir: filepath.Join(dir, "state"), Version: "0.1.0-test", Bundled: bundled(), Environ: os.Environ(),
		Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	res, err := r.Apply(t.Context(), runner.ApplyRequest{Operation: runner.Operation{Sink: sink}, Source: runner.Source{Path: path, Environ: os.Environ()}})
	if err != nil || res.Summary == nil {
		t.Fatalf("%v, %+v", err, res.Diagnostics)
	}
	for _, task := range res.Summary.Tasks {
		if task.Domain == "poison" {
			if task.Code == "SUCCESS" || !strings.Contains(task.Message, "fragile 4.5.6") || !strings.Contains(task.Message, "not tried a third time") {
				t.Errorf("%s: %s: %s", task.Task, task.Code, task.Message)
			}
		} else if task.Code != "SUCCESS" {
			t.Errorf("%s: %s: %s", task.Task, task.Code, task.Message)
		}
	}
	if res.Summary.Succeeded != 27 || res.Summary.Failed != 3 {
		t.Errorf("%d succeeded, %d failed", res.Summary.Succeeded, res.Summary.Failed)
	}
}
