package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/dprun/dprun/runner/execute"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/pending"
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/script"
)

// Script is what is needed to run a pending script without its run. Its configuration
// is evaluated when the script becomes pending, and again when more of what it may use
// becomes known.
type Script struct {
	Endpoint
	// Outcomes maps outcomes to elements of Configs, for a script that uses the outcome
	// that it is told.
	Outcomes map[string]int `json:"outcomes,omitempty"`
	Configs  []Endpoint     `json:"configs,omitempty"`
	// Unknown says why there is no configuration.
	Unknown string `json:"unknown,omitempty"`

	Plan         string            `json:"plan,omitempty"`
	Timeout      time.Duration     `json:"timeout,omitempty"`
	Activity     string            `json:"activity,omitempty"`
	ActivityType string            `json:"activity_type,omitempty"`
	Stamp        string            `json:"stamp,omitempty"`
	Types        map[string]string `json:"types,omitempty"`  // the types of activities by name, for a plan's script
	Device       *Endpoint         `json:"device,omitempty"` // the script is told its address
}

// ScriptOf reads the script that an obligation is about.
func ScriptOf(o pending.Obligation) (Script, error) {
	var row Script
	if err := json.Unmarshal(o.Endpoint, &row); err != nil {
		return row, fmt.Errorf("read the journal's record of script %s: %w", o.Script, err)
	}
	return row, nil
}

// Open reads the script's secrets again and returns its configuration for an outcome.
func (s *Script) Open(secrets *Secrets, outcome string) (execute.Endpoint, error) {
	if s.Unknown != "" {
		return execute.Endpoint{}, failure.New(failure.Precondition, failure.BadConfig, "its configuration was not known when the run was interrupted: %s", s.Unknown)
	}
	if s.Outcomes == nil {
		return s.Endpoint.Open(secrets)
	}
	i, ok := s.Outcomes[outcome]
	if !ok || i >= len(s.Configs) {
		return execute.Endpoint{}, failure.New(failure.Precondition, failure.BadConfig, "its configuration depends on the status, and is not known for %s", outcome)
	}
	return s.Configs[i].Open(secrets)
}

// Alone answers the executor for this script only.
func (s *Script) Alone(o pending.Obligation, secrets *Secrets) execute.Plan {
	var rec Run
	if s.Device != nil {
		rec.Devices = map[string]Endpoint{o.Device: *s.Device}
	}
	return rec.Plan([]journal.Obligation{{Obligation: o}}, secrets)
}

// script returns the row of a pending script, made from what is known now.
func (b *Writer) script(o lifecycle.Obligation) (Script, error) {
	spec := b.Record.Spec
	row := Script{Plan: spec.Plan, Endpoint: Endpoint{Dir: b.Record.Dir}}
	at := execute.Scope{Run: b.Record.Spec.ID, Plan: spec.Plan, Device: o.Device, Domain: o.Domain, Outputs: b.outputs}
	script := spec.PostScript
	if t := b.Machine.Task(o.Task); t != nil {
		a := t.Spec().Activity
		row.Activity, row.ActivityType, at.Activity = a.Name, a.Type, a.Name
		if p := t.Prepared(); p != nil {
			row.Stamp, at.Stamp = p.Stamp, p.Stamp
		}
		script = a.PostScript
		if o.ID == lifecycle.OwedAfterUnquiesce {
			script = a.AfterUnquiesce
		}
	} else {
		row.Types = map[string]string{}
		for _, a := range spec.Activities {
			row.Types[a.Name] = a.Type
		}
	}
	if script != nil {
		row.Timeout = script.Timeout
	}
	if b.Plan == nil {
		row.Unknown = "it became due while the run was being recovered, without the plan"
		return row, nil
	}
	ends := func(c status.Entry) bool { return o.Task == "" || c.Level == status.LevelTask && begun(c) } // a run may also end in the code of a task
	if o.ID == lifecycle.OwedAfterUnquiesce {
		ends = nil
	}
	if err := b.Plan.configure(&row, o.Script, at, ends); err != nil {
		return row, err
	}
	if d, ok := b.Record.Devices[o.Device]; ok && row.Dpod {
		row.Device = &d
	}
	return row, nil
}

// configure evaluates and seals the configuration of a script. If the script needs
// something that is not known yet, such as an output of another script, the row says
// so. ends selects the codes that the script may be told as its outcome; nil: it is
// told none.
func (x *CompiledPlan) configure(row *Script, address string, at execute.Scope, ends func(status.Entry) bool) error {
	e, dpod, err := x.script(address, at)
	if err != nil {
		row.Unknown = x.redact.Redact(failure.From(err).Message)
		return nil
	}
	row.Type, row.Dpod = e.Type, dpod
	if e.Config.IsWhollyKnown() || ends == nil {
		row.Endpoint, err = seal(e.Type, e.Config, x.cfg.Dir)
		row.Dpod = dpod
		return err
	}
	row.Outcomes = map[string]int{}
	for _, c := range status.Catalogue() {
		if !c.Final() || !ends(c) {
			continue
		}
		at.Status = string(c.Code)
		e, _, err := x.script(address, at)
		if err != nil || !e.Config.IsWhollyKnown() {
			continue // there is none for this outcome
		}
		s, err := seal(e.Type, e.Config, x.cfg.Dir)
		if err != nil {
			return err
		}
		row.Outcomes[at.Status] = row.add(s)
	}
	return nil
}

// Notify is a `notify` block of a run's plan.
type Notify struct {
	On     []script.Event `json:"on"`
	Script Script         `json:"script"`
	// Address of the script.
	Address string `json:"address"`
}

// notify seals the notify blocks of the plan, so that a run that another process
// finishes can notify people too.
func (x *CompiledPlan) notify(run string) (out []Notify, err error) {
	for _, n := range x.plan.Notify {
		row := Script{Plan: x.plan.Name, Endpoint: Endpoint{Dir: x.cfg.Dir}, Timeout: n.Script.Timeout}
		if err := x.configure(&row, n.Script.Address, execute.Scope{Run: run, Plan: x.plan.Name}, func(status.Entry) bool { return true }); err != nil {
			return nil, fmt.Errorf("script %s: %w", n.Script.Address, err)
		}
		out = append(out, Notify{On: n.On, Script: row, Address: n.Script.Address})
	}
	return out, nil
}

// begun reports whether a task may end in a code after it was dispatched.
func begun(c status.Entry) bool {
	return slices.ContainsFunc(c.Phases, func(phase int) bool { return phase >= int(lifecycle.PhaseDispatch) })
}

// add returns the index of a configuration, and adds it if it is new.
func (s *Script) add(c Endpoint) int {
	for i, k := range s.Configs {
		if bytes.Equal(k.Config, c.Config) && bytes.Equal(k.ConfigType, c.ConfigType) {
			return i
		}
	}
	s.Configs = append(s.Configs, c)
	return len(s.Configs) - 1
}
