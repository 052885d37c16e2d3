// Package wrong is a plugin whose source does not keep the protocol and whose
// destination fails. Their configuration says how, so that scenarios can show
// what a run makes of it.
package wrong

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

// Config is the `config` block of a device "wrong".
type Config struct {
	Mode string `dprun:"mode,required" oneof:"crash|panic|no_variant" doc:"What goes wrong during a capture, or the check before it."`
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
			func(_ context.Context, c DestinationConfig, _ sdk.Env) (sdk.Destination, error) {
				return &destination{c}, nil
			}, nil)},
	}
}

type source struct{ mode string }

var _ sdk.Source = (*source)(nil)

// Inspect implements [sdk.Source].
func (s *source) Inspect(context.Context) (*sdk.Inspection, error) {
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
func (s *source) Capture(_ context.Context, _ sdk.CaptureRequest, _ func(sdk.CaptureProgress)) (*sdk.Capture, error) {
	switch s.mode {
	case "crash":
		fmt.Fprintln(os.Stderr, "the wrong plugin gives up")
		os.Exit(3)
	case "panic":
		panic("in a capture")
	}
	return &sdk.Capture{}, nil
}

// Discard implements [sdk.Source].
func (s *source) Discard(context.Context, string) error { return nil }

// Close implements [sdk.Source].
func (s *source) Close() error { return nil }
