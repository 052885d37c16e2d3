package runner

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/pattern"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/sdk/schema"
)

// specOf makes the spec of the run machine from a compiled plan.
func specOf(p *plan.Plan, run string, only Only, parallel int) (lifecycle.RunSpec, plan.Diagnostics) {
	var diags plan.Diagnostics
	h := fnv.New64a()
	h.Write([]byte(run))
	s := lifecycle.RunSpec{
		ID: run, Plan: p.Name, Seed: h.Sum64(), Window: p.Window, ErrorPolicy: lifecycle.ErrorPolicy(p.ErrorPolicy),
		Limits: lifecycle.Limits{Parallel: p.Limits.Parallel, PerDevice: p.Limits.PerDevice, PerLabel: p.Limits.PerLabel},
		Timeouts: lifecycle.Timeouts{Queue: p.Timeouts.Queue, Run: p.Timeouts.Run, Quiesce: p.Timeouts.Quiesce, Unquiesce: p.Timeouts.Unquiesce,
			Grace: p.Timeouts.Grace, Store: p.Timeouts.Store, Healthy: p.Timeouts.Healthy},
		PreScript: scriptOf(p.PreScript), PostScript: postScriptOf(p.PostScript),
		Devices: map[string]lifecycle.Device{},
	}
	if parallel > 0 {
		s.Limits.Parallel = parallel
	}
	for _, d := range p.Destinations {
		s.Destinations = append(s.Destinations, lifecycle.Destination{Name: d.Address, Family: d.Family, Parallel: d.Parallel,
			MinFree: lifecycle.MinFree{Percent: d.MinFree.Percent, Bytes: d.MinFree.Bytes}})
	}
	for _, a := range p.Activities {
		la := lifecycle.Activity{
			Name: a.Name, Type: a.Type, Scope: a.Schema.Scope, Exclusive: a.Schema.Exclusive, ErrorPolicy: lifecycle.ErrorPolicy(a.ErrorPolicy),
			Quiesce: lifecycle.QuiesceMode(a.Quiesce), OnBusy: lifecycle.OnBusy(a.OnBusy), DependsOn: a.DependsOn,
			PreScript: scriptOf(a.PreScript), PostScript: postScriptOf(a.PostScript),
			BeforeQuiesce: scriptOf(a.BeforeQuiesce), AfterUnquiesce: scriptOf(a.AfterUnquiesce), Only: only.domains(),
		}
		if only.devices == nil && len(only.labels) == 0 {
			la.Unmatched = a.Unmatched
		}
		for _, d := range a.Devices {
			if !only.device(d) {
				continue
			}
			s.Devices[d.Name] = lifecycle.Device{Labels: d.Labels, Group: d.Group}
			la.Devices = append(la.Devices, d.Name)
			if a.Schema.Scope != schema.ScopeDomain {
				continue
			}
			set, ds := a.DomainsFor(plan.Scope{Plan: p, Activity: a, Device: d})
			diags = append(diags, ds...)
			la.SetDomains(d.Name, set)
		}
		if len(la.Devices) > 0 || len(la.Unmatched) > 0 {
			s.Activities = append(s.Activities, la)
		}
	}
	return s, diags
}

func scriptOf(s *plan.Script) *lifecycle.Script {
	if s == nil {
		return nil
	}
	return &lifecycle.Script{Address: s.Address, Timeout: s.Timeout}
}

func postScriptOf(p *plan.PostScript) *lifecycle.Script {
	if p == nil {
		return nil
	}
	s := scriptOf(p.Script)
	s.When = lifecycle.When(p.When)
	return s
}

// Only narrows a run: terms of one key are alternatives, different keys must all fit.
type Only struct {
	devices pattern.Set
	doms    pattern.Set
	labels  map[string]pattern.Set
}

// ParseOnly reads the --only flag: "site=fra,device=fra-*,domain=orders".
func ParseOnly(expr string) (Only, error) {
	o := Only{labels: map[string]pattern.Set{}}
	if strings.TrimSpace(expr) == "" {
		return o, nil
	}
	for term := range strings.SplitSeq(expr, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(term), "=")
		if !ok || key == "" || value == "" {
			return o, fmt.Errorf("--only: %q is no KEY=GLOB; write for example site=fra,device=fra-*,domain=orders", term)
		}
		p := pattern.Literal(value)
		switch key {
		case "device":
			o.devices = append(o.devices, p)
		case "domain":
			o.doms = append(o.doms, p)
		default:
			o.labels[key] = append(o.labels[key], p)
		}
	}
	return o, nil
}

func (o Only) device(d *plan.Device) bool {
	if o.devices != nil && !o.devices.Matches(d.Name) {
		return false
	}
	for k, set := range o.labels {
		if v, ok := d.Labels[k]; !ok || !set.Matches(v) {
			return false
		}
	}
	return true
}

func (o Only) domains() *pattern.Set {
	if o.doms == nil {
		return nil
	}
	set := slices.Clone(o.doms)
	return &set
}
