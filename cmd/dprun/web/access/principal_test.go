package access

import (
	"context"
	"testing"
)

func TestARoleIncludesTheOnesBelowIt(t *testing.T) {
	t.Parallel()
	for i, has := range Roles() {
		for j, needs := range Roles() {
			if got := (Principal{Role: has}).May(needs); got != (i >= j) {
				t.Errorf("%s may %s: %v", has, needs, got)
			}
		}
	}
	for _, has := range []Role{"", "root", "Admin"} {
		if (Principal{Role: has}).May(Viewer) {
			t.Errorf("the role %q may read", has)
		}
	}
	for _, needs := range []Role{"", "root"} {
		if (Principal{Role: Admin}).May(needs) {
			t.Errorf("an admin may what needs the role %q", needs)
		}
	}
}

func TestLimitsToPlansAndLabels(t *testing.T) {
	t.Parallel()
	type labels = map[string]string
	for _, c := range []struct {
		name   string
		p      Principal
		plan   string
		labels labels
		want   bool
	}{
		{"no limits", Principal{}, "nightly", nil, true},
		{"no limits, no plan", Principal{}, "", nil, true},
		{"plan", Principal{Plans: []string{"prod-*"}}, "prod-night", nil, true},
		{"second glob", Principal{Plans: []string{"x", "prod-*"}}, "prod-night", nil, true},
		{"other plan", Principal{Plans: []string{"prod-*"}}, "test", nil, false},
		{"what belongs to no plan", Principal{Plans: []string{"*"}}, "", nil, false},
		{"label", Principal{Labels: labels{"site": "fra"}}, "x", labels{"site": "fra", "tier": "1"}, true},
		{"other value", Principal{Labels: labels{"site": "fra"}}, "x", labels{"site": "ber"}, false},
		{"one of two labels", Principal{Labels: labels{"site": "fra", "tier": "1"}}, "x", labels{"site": "fra"}, false},
		{"no labels known", Principal{Labels: labels{"site": "*"}}, "x", nil, false},
		{"label, other plan", Principal{Plans: []string{"a"}, Labels: labels{"site": "fra"}}, "x", labels{"site": "fra"}, false},
	} {
		if got := c.p.MaySee(c.plan, c.labels); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestNobodyIsNobody(t *testing.T) {
	t.Parallel()
	if p, is := From(context.Background()); is || p.May(Viewer) {
		t.Errorf("without a principal: %+v, %v", p, is)
	}
	if p, is := From(With(context.Background(), Principal{Name: "token night", Role: Viewer})); !is || p.Name != "token night" {
		t.Errorf("with one: %+v, %v", p, is)
	}
}
