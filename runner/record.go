package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/redact"
	"github.com/dprun/dprun/runner/secret"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// runRecord is what the journal keeps of a run so that it can be finished
// without the plan file. It holds no secret: configurations are sealed.
type runRecord struct {
	Spec         lifecycle.RunSpec            `json:"spec"`
	Dir          string                       `json:"dir"` // of the plan
	Devices      map[string]sealedEndpoint    `json:"devices"`
	Destinations map[string]sealedDestination `json:"destinations"`
}

// sealedEndpoint is an endpoint with references in place of secrets. It can be opened
// wherever and by whatever process: what a reference is relative to is in it.
type sealedEndpoint struct {
	Type       string          `json:"type"`
	Config     json.RawMessage `json:"config,omitempty"` // absent when a secret was given by value
	ConfigType json.RawMessage `json:"config_type,omitempty"`
	Dir        string          `json:"dir,omitempty"`  // of the plan: where secret commands run
	Dpod       bool            `json:"dpod,omitempty"` // of a script
}

type sealedDestination struct {
	sealedEndpoint
	Verify sdk.Verify `json:"verify"`
}

// seal puts references in place of a configuration's secrets, which are read
// from dir.
func seal(typ string, config cty.Value, dir string) (sealedEndpoint, error) {
	s := sealedEndpoint{Type: typ, Dir: dir}
	body, ok := plan.Seal(config)
	if !ok {
		return s, nil
	}
	t, err := ctyjson.MarshalType(config.Type())
	if err != nil {
		return s, err
	}
	s.Config, s.ConfigType = body, t
	return s, nil
}

// open reads the secrets again and gives the endpoint in plain.
func (s sealedEndpoint) open(secrets *secretReader) (execute.Endpoint, error) {
	if s.Config == nil {
		return execute.Endpoint{}, failure.New(failure.Precondition, failure.BadConfig, "its secret was given by value and was not written down").
			WithRemedy("for the next run, refer to it with secret_env, secret_file or secret_command, so that recovery can read it again")
	}
	t, err := ctyjson.UnmarshalType(s.ConfigType)
	if err != nil {
		return execute.Endpoint{}, fmt.Errorf("read the journal's record of a configuration: %w", err)
	}
	v, err := plan.Unseal(s.Config, t, secrets.in(s.Dir))
	if err != nil {
		return execute.Endpoint{}, failure.New(failure.Precondition, failure.BadConfig, "its secrets cannot be read again: %w", err)
	}
	return execute.Endpoint{Type: s.Type, Config: reveal(v, secrets.redact)}, nil
}

// secretReader reads secrets anew, from the directories of the plans that refer
// to them: each reference once.
type secretReader struct {
	environ []string
	redact  *redact.Redactor
	log     *slog.Logger

	mu     sync.Mutex
	stores map[string]*secret.Store // by directory
}

func (x *secretReader) in(dir string) *secret.Store {
	if dir == "" { // not written down by older versions
		dir = "/"
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.stores[dir]
	if s == nil {
		at := dir
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			x.log.Warn("the directory of the plan is gone: commands for secrets run in / instead; those that need it cannot work until it is back", "directory", dir)
			at = "/"
		}
		s = secret.New(at, x.environ, x.redact)
		x.stores[dir] = s
	}
	return s
}

// doubts say what is odd about the secrets of an endpoint.
func (s sealedEndpoint) doubts(secrets *secretReader) []string {
	if s.Config == nil {
		return nil
	}
	t, err := ctyjson.UnmarshalType(s.ConfigType)
	if err != nil {
		return nil
	}
	v, err := plan.Unseal(s.Config, t, secrets.in(s.Dir))
	if err != nil {
		return nil
	}
	return doubts(v, secrets.in(s.Dir))
}

// recordOf seals everything that finishing the run may need.
func recordOf(x *compiledPlan, spec lifecycle.RunSpec) (runRecord, error) {
	rec := runRecord{Spec: spec, Dir: x.cfg.Dir, Devices: map[string]sealedEndpoint{}, Destinations: map[string]sealedDestination{}}
	for name := range spec.Devices {
		d := x.devices[name]
		s, err := seal(d.Type, d.Config, x.cfg.Dir)
		if err != nil {
			return rec, fmt.Errorf("device %s: %w", name, err)
		}
		rec.Devices[name] = s
	}
	for _, d := range x.plan.Destinations {
		s, err := seal(d.Type, d.Config, x.cfg.Dir)
		if err != nil {
			return rec, fmt.Errorf("destination %s: %w", d.Address, err)
		}
		rec.Destinations[d.Address] = sealedDestination{sealedEndpoint: s, Verify: sdk.Verify(d.Verify)}
	}
	return rec, nil
}

// recordedPlan answers the executor from the journal: the plan of a run that is
// being finished.
type recordedPlan struct {
	rec     runRecord
	owed    []journal.Obligation
	secrets *secretReader
}

func (x *recordedPlan) Device(_ context.Context, name string) (execute.Endpoint, error) {
	return x.rec.Devices[name].open(x.secrets)
}

func (x *recordedPlan) Destination(_ context.Context, name string) (execute.Endpoint, sdk.Verify, error) {
	d := x.rec.Destinations[name]
	e, err := d.open(x.secrets)
	return e, d.Verify, err
}

// Doubts implements execute.Plan.
func (x *recordedPlan) Doubts(device, destination string) []string {
	if d, ok := x.rec.Devices[device]; ok {
		return d.doubts(x.secrets)
	}
	return x.rec.Destinations[destination].doubts(x.secrets)
}

// Script finds the configuration that was evaluated when the script became owed.
func (x *recordedPlan) Script(_ context.Context, address string, at execute.Scope) (execute.Endpoint, bool, error) {
	task := ""
	if at.Activity != "" {
		task = lifecycle.TaskID(at.Activity, at.Device, at.Domain)
	}
	for _, o := range x.owed {
		// One script may be owed twice by a task; only a post-script is told an outcome.
		if o.Kind != pending.PostScript || o.Script != address || o.Task != task || (o.ID == lifecycle.OwedAfterUnquiesce) != (at.Status == "") {
			continue
		}
		row, err := scriptRowOf(o.Obligation)
		if err != nil {
			return execute.Endpoint{}, false, err
		}
		e, err := row.open(x.secrets, at.Status)
		return e, row.Dpod, err
	}
	return execute.Endpoint{}, false, failure.New(failure.Precondition, failure.BadConfig, "script %s was not owed when the run was interrupted: its configuration is not known", address).
		WithRemedy("run it by hand if it is needed")
}

func (x *recordedPlan) ActivityConfig(context.Context, execute.Scope) (cty.Value, error) {
	return cty.NilVal, failure.New(failure.Internal, "", "recovery captures nothing")
}

func (x *recordedPlan) Set(context.Context, string, execute.Scope) (string, string, error) {
	return "", "", failure.New(failure.Internal, "", "recovery begins no set")
}
