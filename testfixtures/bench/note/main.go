// The plugin note is the smallest source there can be: a device has as many
// domains as its configuration says, and what is captured of each is a file of
// 1 KiB. The benchmarks measure with it what dprun itself does for a task. It is
// written as a third party writes one, with the SDK alone.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// noteSize is the size of every artifact.
const noteSize = 1 << 10

func main() {
	sdk.Serve(sdk.Plugin{
		Name: "note", Version: "0.1.0", Doc: "Devices that are nowhere, whose domains are notes of 1 KiB.",
		Sources: []sdk.SourceType{sdk.NewSource(
			schema.SourceType{Name: "note", Doc: "A device with as many domains as it is told."},
			func(_ context.Context, c config, _ sdk.Env) (*source, error) { return &source{c}, nil }, nil,
			sdk.NewActivity[struct{}](schema.Activity{Name: "write", Doc: "Writes the note of one domain.", Scope: schema.ScopeDomain}, nil),
		)},
	})
}

// config becomes the schema of the config block.
type config struct {
	Name    string `dprun:"name,required" doc:"What the device calls itself."`
	Domains int    `dprun:"domains,required" min:"1" doc:"How many domains there are: d00001 and so on."`
}

type source struct{ config }

// Inspect implements [sdk.Source].
func (s *source) Inspect(context.Context, sdk.InspectRequest) (*sdk.Inspection, error) {
	in := &sdk.Inspection{Facts: sdk.Facts{Identity: "note/" + s.Name}, Domains: make([]sdk.Domain, s.Domains)}
	for i := range in.Domains {
		in.Domains[i] = sdk.Domain{Name: fmt.Sprintf("d%05d", i+1), QuiesceState: sdk.StateNormal}
	}
	return in, nil
}

// Check implements [sdk.Source].
func (s *source) Check(context.Context, sdk.CheckRequest) (*sdk.CheckReport, error) {
	return &sdk.CheckReport{
		Quiesce:  sdk.QuiesceReport{State: sdk.StateNormal},
		Space:    sdk.Space{FreeTemporary: -1, TotalTemporary: -1, FreeInternal: -1, TotalInternal: -1},
		Variants: []string{sdk.VariantPersisted}, Estimate: noteSize,
	}, nil
}

// Quiesce implements [sdk.Source]: nothing here can be stopped.
func (s *source) Quiesce(context.Context, sdk.Target, time.Duration) error {
	return failure.New(failure.Precondition, failure.Unsupported, "a note cannot be quiesced")
}

// Unquiesce implements [sdk.Source].
func (s *source) Unquiesce(context.Context, sdk.Target) error { return nil }

// QuiesceState implements [sdk.Source].
func (s *source) QuiesceState(context.Context, sdk.Target) (*sdk.QuiesceReport, error) {
	return &sdk.QuiesceReport{State: sdk.StateNormal}, nil
}

// Capture writes a note that no other domain has.
func (s *source) Capture(_ context.Context, r sdk.CaptureRequest, _ func(sdk.CaptureProgress)) (*sdk.Capture, error) {
	line := fmt.Sprintf("%s of %s\n", r.Target.Domain, s.Name)
	body := []byte(strings.Repeat(line, noteSize/len(line)+1)[:noteSize])
	name := r.Target.Domain + ".txt"
	if err := os.WriteFile(filepath.Join(r.Dir, name), body, 0o600); err != nil {
		return nil, failure.New(failure.Unavailable, failure.StagingIO, "write the note of %s: %w", r.Target.Domain, err)
	}
	sum := sha256.Sum256(body)
	return &sdk.Capture{Artifacts: []sdk.Artifact{{Name: name, Size: noteSize, SHA256: hex.EncodeToString(sum[:])}}}, nil
}

// Discard implements [sdk.Source]: a capture leaves nothing.
func (s *source) Discard(context.Context, string) error { return nil }

// Close implements [sdk.Source].
func (s *source) Close() error { return nil }
