package runner

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/redact"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// record is what the journal keeps of a run so that it can be finished
// without the plan file. It holds no secret: configurations are sealed.
type record struct {
	Spec         lifecycle.RunSpec            `json:"spec"`
	Dir          string                       `json:"dir"` // of the plan
	Devices      map[string]sealed            `json:"devices"`
	Destinations map[string]sealedDestination `json:"destinations"`
}

// sealed is an endpoint with references in place of secrets.
type sealed struct {
	Type       string          `json:"type"`
	Config     json.RawMessage `json:"config,omitempty"` // absent when a secret was given by value
	ConfigType json.RawMessage `json:"config_type,omitempty"`
	Dpod       bool            `json:"dpod,omitempty"` // of a script
}

type sealedDestination struct {
	sealed
	Verify sdk.Verify `json:"verify"`
}

func seal(typ string, config cty.Value) (sealed, error) {
	s := sealed{Type: typ}
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
func (s sealed) open(secrets plan.SecretReader, r *redact.Redactor) (execute.Endpoint, error) {
	if s.Config == nil {
		return execute.Endpoint{}, failure.New(failure.Precondition, failure.BadConfig, "its secret was given by value and was not written down").
			WithRemedy("refer to the secret with secret_env, secret_file or secret_command, so that recovery can read it again")
	}
	t, err := ctyjson.UnmarshalType(s.ConfigType)
	if err != nil {
		return execute.Endpoint{}, fmt.Errorf("read the journal's record of a configuration: %w", err)
	}
	v, err := plan.Unseal(s.Config, t, secrets)
	if err != nil {
		return execute.Endpoint{}, failure.New(failure.Precondition, failure.BadConfig, "read its secrets again: %w", err)
	}
	return execute.Endpoint{Type: s.Type, Config: reveal(v, r)}, nil
}

// recordOf seals everything that finishing the run may need.
func recordOf(x *planned, spec lifecycle.RunSpec) (record, error) {
	rec := record{Spec: spec, Dir: x.cfg.Dir, Devices: map[string]sealed{}, Destinations: map[string]sealedDestination{}}
	for name := range spec.Devices {
		d := x.devices[name]
		s, err := seal(d.Type, d.Config)
		if err != nil {
			return rec, fmt.Errorf("device %s: %w", name, err)
		}
		rec.Devices[name] = s
	}
	for _, d := range x.plan.Destinations {
		s, err := seal(d.Type, d.Config)
		if err != nil {
			return rec, fmt.Errorf("destination %s: %w", d.Address, err)
		}
		rec.Destinations[d.Address] = sealedDestination{sealed: s, Verify: sdk.Verify(d.Verify)}
	}
	return rec, nil
}

// recorded answers the executor from the journal: the plan of a run that is
// being finished.
type recorded struct {
	rec     record
	owed    []journal.Obligation
	secrets plan.SecretReader
	redact  *redact.Redactor
}

func (x *recorded) Device(_ context.Context, name string) (execute.Endpoint, error) {
	return x.rec.Devices[name].open(x.secrets, x.redact)
}

func (x *recorded) Destination(_ context.Context, name string) (execute.Endpoint, sdk.Verify, error) {
	d := x.rec.Destinations[name]
	e, err := d.open(x.secrets, x.redact)
	return e, d.Verify, err
}

// Script finds the configuration that was evaluated when the script became owed.
func (x *recorded) Script(_ context.Context, address string, at execute.Scope) (execute.Endpoint, bool, error) {
	for _, o := range x.owed {
		if o.Kind != journal.PostScript || o.Script != address || o.Device != at.Device || o.Domain != at.Domain {
			continue
		}
		var s sealed
		if err := json.Unmarshal(o.Endpoint, &s); err != nil {
			return execute.Endpoint{}, false, fmt.Errorf("read the journal's record of script %s: %w", address, err)
		}
		e, err := s.open(x.secrets, x.redact)
		return e, s.Dpod, err
	}
	return execute.Endpoint{}, false, failure.New(failure.Precondition, failure.BadConfig, "script %s was not owed when the run was interrupted: its configuration is not known", address)
}

func (x *recorded) ActivityConfig(context.Context, execute.Scope) (cty.Value, error) {
	return cty.NilVal, failure.New(failure.Internal, "", "recovery captures nothing")
}

func (x *recorded) Set(context.Context, string, execute.Scope) (string, string, error) {
	return "", "", failure.New(failure.Internal, "", "recovery begins no set")
}
