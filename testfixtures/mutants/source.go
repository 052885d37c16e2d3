package mutants

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// sourceConfig is that of the source.
type sourceConfig struct {
	Device string `dprun:"device,required" doc:"Name of the device."`
	Token  string `dprun:"token,sensitive" doc:"Opens nothing."`
}

type none struct{}

// Domain is the one that the device has.
const Domain = "app01"

// source is a device in memory.
type source struct {
	mutant   string
	c        sourceConfig
	identity string

	mu    sync.Mutex
	state sdk.QuiesceState
	stuck bool
	made  map[string]*domain // beside the one that it has
}

// domain is one that was made.
type domain struct {
	content string
	unsaved bool
}

func newSource(mutant string, c sourceConfig) *source {
	s := &source{mutant: mutant, c: c, identity: c.Device, state: sdk.StateNormal, made: map[string]*domain{}}
	if mutant == "renames_device" {
		s.identity += rand.Text()
	}
	return s
}

// Inspect implements [sdk.Source].
func (s *source) Inspect(context.Context, sdk.InspectRequest) (*sdk.Inspection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := &sdk.Inspection{Facts: sdk.Facts{Identity: s.identity}, Domains: []sdk.Domain{{Name: Domain, QuiesceState: s.state}}}
	for name := range s.made {
		i.Domains = append(i.Domains, sdk.Domain{Name: name, QuiesceState: sdk.StateNormal})
	}
	if s.mutant == "lists_twice" {
		i.Domains = append(i.Domains, i.Domains[0])
	}
	return i, nil
}

// Check implements [sdk.Source].
func (s *source) Check(_ context.Context, r sdk.CheckRequest) (*sdk.CheckReport, error) {
	if r.Target.Domain != Domain && s.mutant != "any_domain" {
		return nil, failure.New(failure.NotFound, failure.UnknownDomain, "check %s: there is no domain %s", s.c.Device, r.Target.Domain)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rep := &sdk.CheckReport{Quiesce: sdk.QuiesceReport{State: s.state}, Variants: []string{sdk.VariantPersisted}}
	if s.mutant == "nothing_to_do" {
		rep.Variants = append(rep.Variants, sdk.VariantPersisted)
	}
	return rep, nil
}

// Quiesce implements [sdk.Source].
func (s *source) Quiesce(context.Context, sdk.Target, time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mutant != "never_quiesces" {
		s.state = sdk.StateQuiesced
	}
	return nil
}

// Unquiesce implements [sdk.Source].
func (s *source) Unquiesce(context.Context, sdk.Target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mutant == "strict" && s.state == sdk.StateNormal {
		return failure.New(failure.Precondition, "", "unquiesce %s: it is not quiesced", s.c.Device)
	}
	s.state = sdk.StateNormal
	return nil
}

// QuiesceState implements [sdk.Source].
func (s *source) QuiesceState(_ context.Context, t sdk.Target) (*sdk.QuiesceReport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.Domain != Domain {
		if s.mutant == "normal_unless_told" {
			return &sdk.QuiesceReport{State: sdk.StateNormal}, nil
		}
		return &sdk.QuiesceReport{State: sdk.StateUnknown}, nil
	}
	return &sdk.QuiesceReport{State: s.state}, nil
}

// Capture implements [sdk.Source]. It takes its time.
func (s *source) Capture(ctx context.Context, r sdk.CaptureRequest, _ func(sdk.CaptureProgress)) (*sdk.Capture, error) {
	s.mu.Lock()
	stuck := s.stuck
	s.mu.Unlock()
	if stuck {
		return nil, failure.New(failure.Unavailable, failure.DeviceBusy, "capture %s: another capture is under way", s.c.Device)
	}
	select {
	case <-ctx.Done():
		s.mu.Lock()
		s.stuck = s.mutant == "stuck"
		s.mu.Unlock()
		return nil, failure.From(ctx.Err())
	case <-time.After(300 * time.Millisecond):
	}
	body := []byte(configuration)
	if r.MaxBytes > 0 && r.MaxBytes < int64(len(body)) && s.mutant != "spends" {
		return nil, failure.New(failure.NoSpace, failure.StagingIO, "capture %s: it has more than %d bytes", s.c.Device, r.MaxBytes)
	}
	names := []string{"a.zip"}
	if s.mutant == "leaves_log" {
		names = append(names, "capture.log")
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(r.Dir, name), body, 0o600); err != nil {
			return nil, failure.New(failure.Unavailable, failure.StagingIO, "write %s: %w", name, err)
		}
	}
	sum := sha256.Sum256(body)
	return &sdk.Capture{Artifacts: []sdk.Artifact{{Name: "a.zip", Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:])}}}, nil
}

// configuration is what the device has.
const configuration = "a configuration, and not much of it"

// Rehearse implements [sdk.Rehearser].
func (s *source) Rehearse(_ context.Context, r sdk.RehearseRequest) (*sdk.RehearseReport, error) {
	if r.Target.Domain != Domain && s.mutant != "rehearses_anywhere" {
		return nil, failure.New(failure.NotFound, failure.UnknownDomain, "rehearse on %s: there is no domain %s", s.c.Device, r.Target.Domain)
	}
	body, err := os.ReadFile(r.File)
	if err != nil {
		return nil, failure.New(failure.Unavailable, failure.StagingIO, "read %s: %w", r.File, err)
	}
	if string(body) != configuration && s.mutant != "believes_artifacts" {
		return nil, failure.New(failure.Corrupt, failure.WrongHash, "rehearse on %s: the artifact is damaged", s.c.Device)
	}
	if s.mutant == "always_changes" {
		return &sdk.RehearseReport{Changes: []sdk.Change{{Effect: sdk.EffectChanged, Name: "it"}}}, nil
	}
	return &sdk.RehearseReport{}, nil
}

// Import implements [sdk.Restorer].
func (s *source) Import(_ context.Context, r sdk.ImportRequest) (*sdk.ImportReport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.made[r.Target.Domain]
	if d == nil {
		if s.mutant == "imports_anywhere" {
			return &sdk.ImportReport{}, nil
		}
		return nil, failure.New(failure.NotFound, failure.UnknownDomain, "import on %s: there is no domain %s", s.c.Device, r.Target.Domain)
	}
	body, err := os.ReadFile(r.File)
	if err != nil {
		return nil, failure.New(failure.Precondition, failure.StagingIO, "read %s: %w", r.File, err)
	}
	if string(body) != configuration && s.mutant != "imports_damaged" {
		return nil, failure.New(failure.Corrupt, failure.WrongHash, "import on %s: the artifact is damaged", s.c.Device)
	}
	if r.Before != "" && s.mutant != "ignores_before" {
		if before, err := os.ReadFile(r.Before); err != nil || string(before) != d.content {
			return nil, failure.New(failure.Precondition, "", "import on %s: the domain is another than before", s.c.Device)
		}
	}
	if s.mutant != "imports_nothing" {
		d.content, d.unsaved = string(body), true
	}
	return &sdk.ImportReport{Objects: 1, SaveNeeded: true}, nil
}

// Resembles implements [sdk.Restorer].
func (s *source) Resembles(_ context.Context, r sdk.ResembleRequest) (*sdk.ResembleReport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.made[r.Target.Domain]
	if d == nil {
		return nil, failure.New(failure.NotFound, failure.UnknownDomain, "compare on %s: there is no domain %s", s.c.Device, r.Target.Domain)
	}
	out := &sdk.ResembleReport{SaveNeeded: d.unsaved}
	for _, file := range r.Files {
		body, err := os.ReadFile(file)
		if err != nil {
			return nil, failure.New(failure.Unavailable, failure.StagingIO, "read %s: %w", file, err)
		}
		equal := string(body) == d.content || s.mutant == "resembles_all"
		out.Of = append(out.Of, sdk.Resemblance{Equal: equal, Only: equal})
	}
	return out, nil
}

// Save implements [sdk.Restorer].
func (s *source) Save(_ context.Context, t sdk.Target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.made[t.Domain]; d != nil && s.mutant != "never_saves" {
		d.unsaved = false
	}
	return nil
}

// Create implements [sdk.Restorer].
func (s *source) Create(_ context.Context, t sdk.Target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made[t.Domain] != nil && s.mutant != "creates_over" {
		return failure.New(failure.Exists, "", "create on %s: there is a domain %s", s.c.Device, t.Domain)
	}
	s.made[t.Domain] = &domain{}
	return nil
}

// Drop implements [sdk.Restorer].
func (s *source) Drop(_ context.Context, t sdk.Target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made[t.Domain] == nil && s.mutant == "drops_once" {
		return failure.New(failure.NotFound, failure.UnknownDomain, "drop on %s: there is no domain %s", s.c.Device, t.Domain)
	}
	if s.mutant != "drops_nothing" {
		delete(s.made, t.Domain)
	}
	return nil
}

// Discard implements [sdk.Source].
func (s *source) Discard(context.Context, string) error { return nil }

// Close implements [sdk.Source].
func (s *source) Close() error { return nil }
