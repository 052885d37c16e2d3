package plan_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/testfixtures/golden"
	"github.com/dprun/dprun/testfixtures/need"
)

type secrets map[string]string

func (s secrets) ReadSecret(r plan.SecretRef) (string, error) { return s[r.Args[0]], nil }

// summary is the compiled plan as the golden file has it.
type summary struct {
	Devices, Destinations, Scripts, Windows, Patterns, Plans any
}

func TestFullExampleMeansWhatItSays(t *testing.T) {
	t.Parallel()
	fsys := os.DirFS("testdata/valid/full")
	src, _ := plan.Load(fsys, ".", "")
	f, _ := plan.Parse(src, "0.1.0")
	cfg, ds := plan.Compile(f, plan.Inputs{Schemas: schemas(), Files: fsys, Dir: "/plans",
		Secrets: secrets{"/etc/dprun/id_ed25519": "key", "/etc/dprun/pool.token": "token", "/opt/vault/get": "pw", "/etc/dprun/restore.password": "pw2"}})
	if len(ds) > 0 {
		t.Fatal(render(ds))
	}
	sealed := func(v cty.Value) any {
		b, ok := plan.Seal(v)
		if !ok {
			t.Errorf("not sealed: %#v", v)
		}
		return json.RawMessage(b)
	}
	plain := func(v cty.Value) any {
		b, err := ctyjson.Marshal(v, v.Type())
		if err != nil {
			t.Error(err)
		}
		return json.RawMessage(b)
	}
	type object = map[string]any
	var s summary
	var devices, destinations, scripts, patterns, plans []object
	scope := plan.Scope{Run: plan.RunScope{ID: "r1"}, Plan: cfg.Plans[0], Activity: cfg.Plans[0].Activities[1],
		Device: cfg.Devices[0], Domain: "a/b", Stamp: "2017-06-26-22-48-00-000"}
	for _, d := range cfg.Devices {
		device := object{"name": d.Name, "key": d.Key, "labels": d.Labels, "group": d.Group, "vars": plain(d.Vars), "config": sealed(d.Config)}
		if d.Restore != cty.NilVal {
			device["restore"] = sealed(d.Restore)
		}
		devices = append(devices, device)
	}
	for _, d := range cfg.Destinations {
		path, ds := d.PathFor(scope)
		if len(ds) > 0 {
			t.Error(render(ds))
		}
		destinations = append(destinations, object{"address": d.Address, "family": d.Family, "verify": d.Verify, "parallel": d.Parallel, "min_free": d.MinFree, "retention": cfg.Plans[0].RetentionAt(d), "path": path, "recipients": d.Recipients, "config": sealed(d.Config)})
	}
	for _, x := range cfg.Scripts {
		v, ds := x.ConfigFor(scope)
		if len(ds) > 0 {
			t.Error(render(ds))
		}
		scripts = append(scripts, object{"address": x.Address, "timeout": x.Timeout.String(), "config": sealed(v)})
	}
	for _, p := range cfg.Patterns {
		patterns = append(patterns, object{"address": p.Address, "match": p.Match, "except": p.Except, "labels": p.Labels})
	}
	for _, p := range cfg.Plans {
		var activities []object
		for _, a := range p.Activities {
			var names []string
			for _, d := range a.Devices {
				names = append(names, d.Name)
			}
			set, _ := a.DomainsFor(scope)
			v, _ := a.ConfigFor(scope)
			activities = append(activities, object{"name": a.Name, "type": a.Type, "devices": names, "depends_on": a.DependsOn,
				"quiesce": a.Quiesce, "on_busy": a.OnBusy, "error_policy": a.ErrorPolicy, "domains": set, "config": plain(v)})
		}
		plans = append(plans, object{"name": p.Name, "description": p.Description, "window": p.Window.Name, "error_policy": p.ErrorPolicy, "four_eyes": p.FourEyes,
			"pre_script": p.PreScript.Address, "post_script": p.PostScript.Script.Address + " " + string(p.PostScript.When),
			"limits": p.Limits, "timeouts": p.Timeouts, "guard": p.Guard, "activities": activities})
	}
	s = summary{devices, destinations, scripts, cfg.Windows, patterns, plans}
	got := need.Value(json.MarshalIndent(s, "", "  "))(t)
	golden.Same(t, "testdata/valid/full.golden.json", string(got)+"\n")
}
