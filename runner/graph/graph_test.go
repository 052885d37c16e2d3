package graph

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/plan/pattern"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk/schema"
)

func spec() lifecycle.RunSpec {
	return lifecycle.RunSpec{
		Plan:      `night"ly`,
		PreScript: &lifecycle.Script{Address: "exec.open"}, PostScript: &lifecycle.Script{Address: "exec.close"},
		Activities: []lifecycle.Activity{
			{Name: "appliance", Scope: schema.ScopeDevice, Devices: []string{"a", "b"}},
			{Name: "domains", Scope: schema.ScopeDomain, Devices: []string{"b"}, DependsOn: []string{"appliance"}},
		},
	}
}

func TestEdgesLeadFromInspectionThroughTheGateToTheTasks(t *testing.T) {
	t.Parallel()
	got := map[string]bool{}
	for _, e := range Of(spec()).Edges {
		got[e.From+" > "+e.To] = true
	}
	want := map[string]bool{
		"inspect/a > expand/appliance/a": true, "inspect/b > expand/appliance/b": true, "inspect/b > expand/domains/b": true,
		"expand/appliance/a > pre_script": true, "expand/appliance/b > pre_script": true, "expand/domains/b > pre_script": true,
		"pre_script > task/appliance/a": true, "pre_script > task/appliance/b": true, "pre_script > task/domains/b/*": true,
		"task/appliance/b > task/domains/b/*": true,
		"task/appliance/a > post_script":      true, "task/appliance/b > post_script": true, "task/domains/b/* > post_script": true,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("edges (-want +got):\n%s", d)
	}
}

func TestDomainsThatAreNotKnownAreNamedByTheirPatterns(t *testing.T) {
	t.Parallel()
	s := spec()
	s.Activities[1].Domains = pattern.Set{{Match: []string{"app*"}}, {Match: []string{"orders", "x"}}}
	s.Activities[1].DomainsByDevice = map[string]pattern.Set{"c": {{Match: []string{"only-c"}}}}
	s.Activities[1].Devices = []string{"b", "c"}
	var got []string
	for _, n := range Of(s).Nodes {
		if n.Kind == report.GraphTask {
			got = append(got, n.Label)
		}
	}
	if d := cmp.Diff([]string{"appliance a", "appliance b", "domains b app*,orders,x", "domains c only-c"}, got); d != "" {
		t.Error(d)
	}
}
