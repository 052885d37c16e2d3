package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/redact"
	"github.com/dprun/dprun/runner/secret"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// CompiledPlan answers the executor from a compiled plan.
type CompiledPlan struct {
	cfg          *plan.Config
	plan         *plan.Plan
	redact       *redact.Redactor
	secrets      *secret.Store
	devices      map[string]*plan.Device
	destinations map[string]*plan.Destination
	scripts      map[string]*plan.Script
	types        map[string]string // the types of activities, by name
	restoring    bool

	peers *Secrets            // of the devices in other
	other map[string]Endpoint // members of groups that the run does not back up, by name
}

// NewCompiledPlan returns the executor's view of one plan in a file. secrets are those
// that were read for the plan; nil: none.
func NewCompiledPlan(cfg *plan.Config, p *plan.Plan, secrets *secret.Store, r *redact.Redactor) *CompiledPlan {
	x := &CompiledPlan{cfg: cfg, plan: p, redact: r, secrets: secrets, devices: map[string]*plan.Device{}, destinations: map[string]*plan.Destination{},
		scripts: map[string]*plan.Script{}, types: map[string]string{}}
	for _, d := range cfg.Devices {
		x.devices[d.Name] = d
	}
	for _, d := range p.Destinations {
		x.destinations[d.Address] = d
	}
	for _, s := range cfg.Scripts {
		x.scripts[s.Address] = s
	}
	for _, a := range p.Activities {
		x.types[a.Name] = a.Type
	}
	return x
}

// reveal returns a configuration in plain text, and makes the secrets in it known to
// the redactor.
func (x *CompiledPlan) reveal(v cty.Value) cty.Value { return reveal(v, x.redact) }

func reveal(v cty.Value, r *redact.Redactor) cty.Value {
	plain, secrets := plan.Reveal(v)
	for _, s := range secrets {
		at, err := s.Path.Apply(plain)
		if err != nil {
			continue
		}
		_ = cty.Walk(at, func(_ cty.Path, e cty.Value) (bool, error) { // a whole map may be one secret
			if e.IsKnown() && !e.IsNull() && e.Type() == cty.String {
				r.Add(e.AsString())
			}
			return true, nil
		})
	}
	return plain
}

// Doubts describes what is odd about the secrets of a device or a destination.
func (x *CompiledPlan) Doubts(device, destination string) []string {
	if d := x.devices[device]; d != nil {
		return doubts(x.config(d), x.secrets)
	}
	if d := x.destinations[destination]; d != nil {
		return doubts(d.Config, x.secrets)
	}
	return nil
}

func doubts(config cty.Value, secrets *secret.Store) []string {
	_, refs := plan.Reveal(config)
	var all []string
	for _, at := range refs {
		if odd := secrets.Doubts(at.Ref); len(odd) > 0 {
			all = append(all, at.Ref.String()+" "+strings.Join(odd, ", "))
		}
	}
	return all
}

// Know adds devices that the run does not back up. secrets reads their secrets.
func (x *CompiledPlan) Know(other map[string]Endpoint, secrets *Secrets) {
	x.other, x.peers = other, secrets
}

// Device returns how to reach a device; see [execute.Plan].
func (x *CompiledPlan) Device(_ context.Context, name string) (execute.Endpoint, error) {
	if e, ok := x.other[name]; ok {
		return e.Open(x.peers)
	}
	d := x.devices[name]
	if d == nil {
		return execute.Endpoint{}, failure.New(failure.Internal, failure.BadConfig, "device %s is not in the plan", name)
	}
	return execute.Endpoint{Type: d.Type, Config: x.reveal(x.config(d))}, nil
}

// ForRestores returns the plan with the accounts for restores and drills: those of the
// devices' restore blocks, where they have one.
func (x *CompiledPlan) ForRestores() *CompiledPlan {
	restoring := *x
	restoring.restoring = true
	return &restoring
}

func (x *CompiledPlan) config(d *plan.Device) cty.Value {
	if x.restoring && d.Restore != cty.NilVal {
		return d.Restore
	}
	return d.Config
}

// Destination returns how to reach a destination and how to verify its copies.
func (x *CompiledPlan) Destination(_ context.Context, name string) (execute.Endpoint, sdk.Verify, error) {
	d := x.destinations[name]
	if d == nil {
		return execute.Endpoint{}, "", failure.New(failure.Internal, failure.BadConfig, "destination %s is not in the plan", name)
	}
	return execute.Endpoint{Type: d.Type, Config: x.reveal(d.Config)}, sdk.Verify(d.Verify), nil
}

// Script returns a script as evaluated for a run or a task, and whether it takes the
// arguments of DPOD.
func (x *CompiledPlan) Script(_ context.Context, address string, at execute.Scope) (execute.Endpoint, bool, error) {
	e, dpod, err := x.script(address, at)
	if err != nil {
		return execute.Endpoint{}, false, err
	}
	e.Config = x.reveal(e.Config)
	return e, dpod, nil
}

// script evaluates a script's configuration. Its secrets stay marked.
func (x *CompiledPlan) script(address string, at execute.Scope) (execute.Endpoint, bool, error) {
	s := x.scripts[address]
	if s == nil {
		return execute.Endpoint{}, false, failure.New(failure.Internal, failure.BadConfig, "script %s is not in the plan", address)
	}
	v, ds := s.ConfigFor(x.scope(at))
	if err := evaluation("script "+address, ds); err != nil {
		return execute.Endpoint{}, false, err
	}
	return execute.Endpoint{Type: s.Type, Config: v}, s.Arguments == "dpod", nil
}

// ActivityConfig returns the configuration of an activity as evaluated for a task.
func (x *CompiledPlan) ActivityConfig(_ context.Context, at execute.Scope) (cty.Value, error) {
	a := x.plan.Activity(at.Activity)
	if a == nil {
		return cty.NilVal, failure.New(failure.Internal, failure.BadConfig, "activity %s is not in the plan", at.Activity)
	}
	v, ds := a.ConfigFor(x.scope(at))
	if err := evaluation("activity "+at.Activity, ds); err != nil {
		return cty.NilVal, err
	}
	return x.reveal(v), nil
}

// Set returns the directory and the name of a task's files at a destination.
func (x *CompiledPlan) Set(_ context.Context, destination string, at execute.Scope) (string, string, error) {
	d := x.destinations[destination]
	if d == nil {
		return "", "", failure.New(failure.Internal, failure.BadConfig, "destination %s is not in the plan", destination)
	}
	dir, ds := d.PathFor(x.scope(at))
	if err := evaluation("destination "+destination+", path", ds); err != nil {
		return "", "", err
	}
	return dir, setName(x.types[at.Activity], at), nil
}

// setName returns the beginning of the names of a set's files and manifest, in the form
// that the reference product uses.
func setName(activity string, at execute.Scope) string {
	switch {
	case at.Domain != "":
		return plan.EscapeComponent(at.Domain) + "-export-" + at.Stamp
	case activity == "export_all_domains":
		return "all-domains-export-" + at.Stamp
	}
	return "secure-backup-" + at.Stamp
}

func (x *CompiledPlan) scope(at execute.Scope) plan.Scope {
	return plan.Scope{Run: plan.RunScope{ID: at.Run, Outputs: outputs(at.Outputs)}, Plan: x.plan, Activity: x.plan.Activity(at.Activity), Device: x.devices[at.Device],
		Domain: at.Domain, Stamp: at.Stamp, Status: at.Status}
}

// outputs returns the outputs of scripts as values of the plan language. It leaves out
// outputs that are not valid JSON; a plan that uses one gets an error.
func outputs(all map[string]json.RawMessage) map[string]cty.Value {
	out := make(map[string]cty.Value, len(all))
	for name, raw := range all {
		t, err := ctyjson.ImpliedType(raw)
		if err != nil {
			continue
		}
		if v, err := ctyjson.Unmarshal(raw, t); err == nil {
			out[name] = v
		}
	}
	return out
}

// evaluation turns the errors of a lazy argument into a failure.
func evaluation(what string, ds plan.Diagnostics) error {
	var errs []error
	for _, d := range ds {
		if d.Severity == diag.Error {
			errs = append(errs, fmt.Errorf("%s: %s", d.Summary, d.Detail))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return failure.New(failure.Precondition, failure.BadConfig, "%s: %w", what, errors.Join(errs...)).WithRemedy("correct the plan and run again")
}
