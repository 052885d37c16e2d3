// Package record writes down what is needed later, and reads it back: the run itself,
// sealed, so that it can be finished without its plan; what each obligation needs, so
// that it can be settled without its run; and the history that the journal keeps.
package record

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/evidence"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Run is what the journal keeps of a run so that it can be finished without the plan
// file. It holds no secrets: configurations are sealed.
type Run struct {
	Spec         lifecycle.RunSpec      `json:"spec"`
	Dir          string                 `json:"dir"`                  // of the plan
	Files        []evidence.File        `json:"plan_files,omitempty"` // the files that the plan was read from
	User         string                 `json:"user,omitempty"`       // who began the run
	Change       string                 `json:"change,omitempty"`     // the change number that this person gave
	Reason       string                 `json:"reason,omitempty"`     // the reason that this person gave
	Devices      map[string]Endpoint    `json:"devices"`
	Destinations map[string]Destination `json:"destinations"`
	Keys         *Endpoint              `json:"signing,omitempty"` // of the signing block; nil: there is none
	Notify       []Notify               `json:"notify,omitempty"`
}

// Endpoint is an endpoint with references in place of its secrets. Any process can open
// it from anywhere, because it holds the directory that references are relative to.
type Endpoint struct {
	Type       string          `json:"type"`
	Config     json.RawMessage `json:"config,omitempty"` // absent if a secret was given by value
	ConfigType json.RawMessage `json:"config_type,omitempty"`
	Dir        string          `json:"dir,omitempty"`  // of the plan: secret commands run there
	Dpod       bool            `json:"dpod,omitempty"` // of a script
}

// Destination is the endpoint of a destination, with the way to verify what is stored
// there.
type Destination struct {
	Endpoint
	Verify sdk.Verify `json:"verify"`
}

// seal replaces the secrets in a configuration by references, which are relative to
// dir.
func seal(typ string, config cty.Value, dir string) (Endpoint, error) {
	s := Endpoint{Type: typ, Dir: dir}
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

// Open reads the secrets again and returns the endpoint in plain text.
func (s Endpoint) Open(secrets *Secrets) (execute.Endpoint, error) {
	if s.Config == nil {
		return execute.Endpoint{}, failure.New(failure.Precondition, failure.BadConfig, "its secret was given by value and was not written down").
			WithRemedy("for the next run, refer to it with secret_env, secret_file or secret_command, so that recovery can read it again")
	}
	v, err := s.unseal(secrets)
	if err != nil {
		return execute.Endpoint{}, err
	}
	return execute.Endpoint{Type: s.Type, Config: reveal(v, secrets.redact)}, nil
}

// unseal puts the secrets back into the configuration. They stay marked.
func (s Endpoint) unseal(secrets *Secrets) (cty.Value, error) {
	t, err := ctyjson.UnmarshalType(s.ConfigType)
	if err != nil {
		return cty.NilVal, fmt.Errorf("read the journal's record of a configuration: %w", err)
	}
	v, err := plan.Unseal(s.Config, t, secrets.in(s.Dir))
	if err != nil {
		return cty.NilVal, failure.New(failure.Precondition, failure.BadConfig, "its secrets cannot be read again: %w", err)
	}
	return v, nil
}

// DeviceRow returns an obligation to a device in a form that can be settled without the
// plan.
func (r Run) DeviceRow(o lifecycle.Obligation, identity string) (pending.Obligation, error) {
	row := r.row(o, identity)
	body, err := json.Marshal(r.Devices[o.Device])
	if err != nil {
		return row, fmt.Errorf("encode what must be undone on %s: %w", o.Device, err)
	}
	row.Endpoint = body
	return row, nil
}

// RestoreEndpoint returns how to log in to a device for restores and drills, for the
// file of an obligation. It fails if the secrets of the account could not be read again
// later.
func RestoreEndpoint(d *plan.Device, dir string) (json.RawMessage, error) {
	s, err := seal(d.Type, d.Restore, dir)
	if err == nil && s.Config == nil {
		err = failure.New(failure.Precondition, failure.BadConfig, "the account of the restore block of device %s is given by value: after a crash nobody could log in again", d.Name).
			WithRemedy("refer to its secret with secret_env, secret_file or secret_command")
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

func (r Run) row(o lifecycle.Obligation, identity string) pending.Obligation {
	return pending.Obligation{
		Key:  pending.Key{Run: r.Spec.ID, Task: o.Task, ID: o.ID},
		Kind: o.Kind, Plan: r.Spec.Plan, DueBack: o.DueBack, Debt: o.Debt, Device: o.Device, Identity: identity, Domain: o.Domain, Token: o.Token, Script: o.Script,
	}
}

// Members seals the devices of a file that belong to a group of one of the plan's
// devices. A run of another plan reads them before it quiesces a device of the same
// group.
func Members(cfg *plan.Config, p *plan.Plan, origin string) ([]journal.Member, error) {
	groups := map[string]bool{}
	for _, a := range p.Activities {
		for _, d := range a.Devices {
			groups[d.Group] = true
		}
	}
	var out []journal.Member
	for _, d := range cfg.Devices {
		if d.Group == "" || !groups[d.Group] {
			continue
		}
		s, err := seal(d.Type, d.Config, cfg.Dir)
		if err != nil {
			return nil, fmt.Errorf("device %s: %w", d.Name, err)
		}
		body, err := json.Marshal(s) // also if no other run can log in to it: then nobody can tell that it serves
		if err != nil {
			return nil, fmt.Errorf("device %s: %w", d.Name, err)
		}
		out = append(out, journal.Member{Group: d.Group, Device: d.Name, Plan: p.Name, Origin: origin, Endpoint: body})
	}
	return out, nil
}

// DeviceOf returns the device that an obligation is about.
func DeviceOf(o pending.Obligation) (Endpoint, error) {
	var e Endpoint
	if err := json.Unmarshal(o.Endpoint, &e); err != nil {
		return e, fmt.Errorf("read how %s is reached: %w", o.Device, err)
	}
	return e, nil
}

// doubts describes what is odd about the secrets of an endpoint.
func (s Endpoint) doubts(secrets *Secrets) []string {
	if s.Config == nil {
		return nil
	}
	v, err := s.unseal(secrets)
	if err != nil {
		return nil
	}
	return doubts(v, secrets.in(s.Dir))
}

// Of seals everything that finishing the run may need.
func Of(x *CompiledPlan, spec lifecycle.RunSpec) (Run, error) {
	rec := Run{Spec: spec, Dir: x.cfg.Dir, Files: filesOf(x.cfg), Devices: map[string]Endpoint{}, Destinations: map[string]Destination{}}
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
		rec.Destinations[d.Address] = Destination{Endpoint: s, Verify: sdk.Verify(d.Verify)}
	}
	if !x.plan.Signing.IsNull() {
		s, err := seal("", x.plan.Signing, x.cfg.Dir)
		if err != nil {
			return rec, fmt.Errorf("signing: %w", err)
		}
		rec.Keys = &s
	}
	var err error
	rec.Notify, err = x.notify(spec.ID)
	return rec, err
}

// filesOf returns the files that a plan was read from.
func filesOf(c *plan.Config) (out []evidence.File) {
	texts := c.Texts()
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		out = append(out, evidence.File{File: name, Size: int64(len(texts[name])), SHA256: evidence.Digest(texts[name])})
	}
	return out
}
