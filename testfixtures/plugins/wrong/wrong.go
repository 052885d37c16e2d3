// Package wrong is a plugin whose source breaks the protocol and whose destination
// fails. Their configuration says how. Scenarios use it to show how a run reacts.
package wrong

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// Config is the `config` block of a device "wrong".
type Config struct {
	Mode string `dprun:"mode,required" oneof:"crash|panic|no_variant|false_size|false_hash|no_file|another_file" doc:"What goes wrong during a capture, or the check before it: the plugin ends, panics, names nothing to capture, or claims a file that is not what is there."`
}

type nothing struct{}

// Plugin offers devices of type "wrong" with one domain, and an activity "snapshot".
func Plugin() sdk.Plugin {
	return sdk.Plugin{
		Name: "wrong", Version: "0.0.1", Doc: "Breaks the protocol on purpose.",
		Sources: []sdk.SourceType{sdk.NewSource(schema.SourceType{Name: "wrong", Doc: "A device that is nowhere."},
			func(_ context.Context, c Config, _ sdk.Env) (sdk.Source, error) { return &source{c.Mode}, nil }, nil,
			sdk.NewActivity[nothing](schema.Activity{Name: "snapshot", Doc: "Captures one domain, wrongly.", Scope: schema.ScopeDomain, Quiesce: []string{"domain"}}, nil),
		)},
		Destinations: []sdk.DestinationType{sdk.NewDestination(schema.DestinationType{Name: "wrong", Doc: "A directory in which files come to harm."},
			func(_ context.Context, c DestinationConfig, env sdk.Env) (*destination, error) {
				return &destination{DestinationConfig: c, log: env.Log}, nil
			}, nil)},
	}
}

type source struct{ mode string }

var _ sdk.Source = (*source)(nil)

// Inspect implements [sdk.Source].
func (s *source) Inspect(context.Context, sdk.InspectRequest) (*sdk.Inspection, error) {
	return &sdk.Inspection{Facts: sdk.Facts{Identity: "wrong/" + s.mode}, Domains: []sdk.Domain{{Name: "app01", QuiesceState: sdk.StateNormal}}}, nil
}

// Check implements [sdk.Source].
func (s *source) Check(context.Context, sdk.CheckRequest) (*sdk.CheckReport, error) {
	r := &sdk.CheckReport{Quiesce: sdk.QuiesceReport{State: sdk.StateNormal}, Space: sdk.Space{FreeTemporary: -1}}
	if s.mode != "no_variant" {
		r.Variants = []string{sdk.VariantPersisted}
	}
	return r, nil
}

// Quiesce implements [sdk.Source].
func (s *source) Quiesce(context.Context, sdk.Target, time.Duration) error { return nil }

// Unquiesce implements [sdk.Source].
func (s *source) Unquiesce(context.Context, sdk.Target) error { return nil }

// QuiesceState implements [sdk.Source].
func (s *source) QuiesceState(context.Context, sdk.Target) (*sdk.QuiesceReport, error) {
	return &sdk.QuiesceReport{State: sdk.StateNormal}, nil
}

// Capture goes wrong.
func (s *source) Capture(_ context.Context, r sdk.CaptureRequest, _ func(sdk.CaptureProgress)) (*sdk.Capture, error) {
	switch s.mode {
	case "crash":
		fmt.Fprintln(os.Stderr, "the wrong plugin gives up")
		os.Exit(3)
	case "panic":
		panic("in a capture")
	case "false_size", "false_hash", "no_file", "another_file":
		return s.lie(r.Dir)
	}
	return &sdk.Capture{}, nil
}

// Discard implements [sdk.Source].
func (s *source) Discard(context.Context, string) error { return nil }

// Close implements [sdk.Source].
func (s *source) Close() error { return nil }

// lie claims a file that is not what is there.
func (s *source) lie(dir string) (*sdk.Capture, error) {
	body := []byte("not much")
	sum := sha256.Sum256(body)
	claimed := sdk.Artifact{Name: "a.zip", Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:])}
	there := []string{claimed.Name}
	switch s.mode {
	case "false_size":
		claimed.Size++
	case "false_hash":
		claimed.SHA256 = hex.EncodeToString(make([]byte, sha256.Size))
	case "no_file":
		there = nil
	case "another_file":
		there = append(there, "b.zip")
	}
	for _, name := range there {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
			return nil, failure.New(failure.Unavailable, failure.StagingIO, "write %s: %w", name, err)
		}
	}
	return &sdk.Capture{Artifacts: []sdk.Artifact{claimed}}, nil
}
