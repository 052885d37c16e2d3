package runner

import (
	"hash/fnv"

	"github.com/dprun/dprun/plan"
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
		PreScript: scriptOf(p.PreScript), PostScript: postScriptOf(p.PostScript), Only: only.expr,
		Devices: map[string]lifecycle.Device{},
		Guard: lifecycle.Guard{MaxDevices: p.Guard.MaxDevices, MaxPerGroup: p.Guard.MaxPerGroup, Settle: p.Guard.Settle, Peers: p.Guard.Peers == plan.PeersUp,
			RefuseActive: p.Guard.Active == plan.Refuse, RefuseAPIConnect: p.Guard.APIConnect == plan.Refuse, Environment: p.Guard.Environment},
	}
	if parallel > 0 {
		s.Limits.Parallel = parallel
	}
	for _, d := range p.Destinations {
		s.Destinations = append(s.Destinations, lifecycle.Destination{Name: d.Address, Family: d.Family, Parallel: d.Parallel,
			MinFree: lifecycle.MinFree{Percent: d.MinFree.Percent, Bytes: d.MinFree.Bytes}, Recipients: d.Recipients})
	}
	for _, a := range p.Activities {
		if !only.activity(a.Name) {
			continue
		}
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
