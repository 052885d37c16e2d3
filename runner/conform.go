package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner/redact"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/secret"
	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/schema"
)

// TestRequest asks whether a plugin keeps the rules for plugins.
type TestRequest struct {
	Program string // the plugin's file; it need not be installed
	// Config is a plan file with blocks of the plugin's types. Each destination is
	// tested, and one script of each type. Scripts named "fails" and "hangs" must
	// fail and hang for their type.
	Config   Source
	ReadOnly bool     // test only rules that write nothing to the destination
	Rules    []string // IDs of the rules to test; empty: all
	Size     int64    // size of the large files, in bytes; 0: the suite's default
	// Found receives each rule as soon as it was tested.
	Found func(report.PluginRule)
}

// TestPlugin tests the rules. The exit code is 1 if a rule does not hold. The
// error, an *[Error], says why nothing was tested; the diagnostics say what is
// wrong with the configuration.
func TestPlugin(ctx context.Context, o PluginOptions, q TestRequest) (t report.PluginTest, ds plan.Diagnostics, err error) {
	if err := knownRules(q.Rules); err != nil {
		return t, nil, err
	}
	start := conformance.Program(q.Program)
	running, err := start(ctx)
	if err != nil {
		return t, nil, &Error{ExitPlugin, err}
	}
	offered, err := running.Describe(ctx)
	running.Stop()
	if err != nil {
		return t, nil, &Error{ExitPlugin, fmt.Errorf("ask %s what it offers: %w", q.Program, err)}
	}
	t = report.PluginTest{Plugin: offered.Name, Version: offered.Version, File: q.Program, ReadOnly: q.ReadOnly}
	plugins, remove, err := onlyPlugin(o, offered.Name, q.Program)
	if err != nil {
		return t, nil, err
	}
	defer remove()
	var known redact.Redactor
	subjects, ds, err := subjectsOf(ctx, plugins, q.Config, offered, &known)
	if err != nil || ds.HasErrors() {
		return t, ds, err
	}
	for _, s := range subjects {
		s.Start, s.Large, s.Ordinary = start, q.Size, min(q.Size, 9<<20)
		cases := slices.DeleteFunc(conformance.Cases(s.Subject), func(c conformance.Case) bool {
			return q.ReadOnly && !c.ReadOnly || len(q.Rules) > 0 && !slices.Contains(q.Rules, c.ID)
		})
		conformance.Run(ctx, cases, func(r conformance.Result) {
			if ctx.Err() != nil {
				return // it was stopped, and the rule may have failed only because of that
			}
			found := report.PluginRule{Block: s.block, Rule: r.ID, Holds: r.Holds, Result: report.RuleHolds, NotAsked: r.NotAsked}
			switch {
			case !r.Passed:
				t.Broken++
				found.Result, found.Why, found.Remedy = report.RuleBroken, r.Why, r.Remedy
				for _, line := range r.Log {
					found.Found = append(found.Found, known.Redact(line))
				}
			case r.NotAsked != "":
				t.NotAsked++
				found.Result = report.RuleNotAsked
			default:
				t.Held++
			}
			q.Found(found)
		})
		if ctx.Err() != nil {
			return t, ds, ctx.Err()
		}
	}
	if t.Broken > 0 {
		t.ExitCode = 1
	}
	return t, ds, nil
}

// PluginRules returns the IDs of the rules for plugins.
func PluginRules() (ids []string) {
	for _, r := range conformance.Rules() {
		ids = append(ids, r.ID)
	}
	return ids
}

// knownRules returns an error for an ID that no rule has.
func knownRules(ids []string) error {
	all := PluginRules()
	for _, id := range ids {
		if slices.Contains(all, id) {
			continue
		}
		if s := diag.Suggest(id, all); s != "" {
			return errorf(ExitUsage, "there is no rule %q; did you mean %q?", id, s)
		}
		return errorf(ExitUsage, "there is no rule %q; docs/conformance.md lists them", id)
	}
	return nil
}

// onlyPlugin opens the bundled plugins and one other plugin, wherever its file
// is.
func onlyPlugin(o PluginOptions, name, program string) (_ *Plugins, remove func(), err error) {
	program, err = filepath.Abs(program)
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "dprun-plugin-test-")
	if err != nil {
		return nil, nil, err
	}
	if err := os.Symlink(program, filepath.Join(dir, "dprun-plugin-"+name)); err != nil {
		_ = os.RemoveAll(dir)
		return nil, nil, err
	}
	o.Dir, o.Bundled = dir, maps.Clone(o.Bundled)
	delete(o.Bundled, name)
	plugins := OpenPlugins(o)
	return plugins, func() {
		_ = plugins.Close()
		_ = os.RemoveAll(dir)
	}, nil
}

// subject is a block of the plan that is tested.
type subject struct {
	conformance.Subject
	block string // destination.webdav.vault
}

// subjectsOf returns the blocks of a plugin's types, with their secrets.
func subjectsOf(ctx context.Context, plugins *Plugins, src Source, offered schema.Plugin, known *redact.Redactor) ([]subject, plan.Diagnostics, error) {
	loaded, ds, err := Load(ctx, src, plugins)
	ds = slices.DeleteFunc(ds, func(d diag.Diagnostic) bool { return d.Code == diag.NoPlan })
	if err != nil || ds.HasErrors() {
		return nil, ds, err
	}
	more, err := loaded.readNeeded(ctx, secret.New(planDir(src.Path), src.Environ, known), func(c *plan.Config) ([]plan.SecretRef, error) {
		var refs []plan.SecretRef
		_, err := configured(c, offered, func(v cty.Value) cty.Value {
			v, found := plan.Reveal(v)
			for _, at := range found {
				if at.Ref.Readable() {
					refs = append(refs, at.Ref)
				}
			}
			return v
		})
		return refs, err
	})
	ds = append(ds, more...)
	if err != nil || ds.HasErrors() {
		return nil, ds, err
	}
	subjects, err := configured(loaded.Config, offered, func(v cty.Value) cty.Value {
		v, _ = plan.Reveal(v)
		return v
	})
	if err != nil {
		return nil, ds, err
	}
	if len(subjects) == 0 {
		return nil, ds, errorf(ExitUsage, "%s has no destination and no script of the plugin %s; write a block such as %s", src.Path, offered.Name, exampleBlock(offered))
	}
	for _, s := range subjects {
		if !s.Config.IsWhollyKnown() {
			return nil, ds, errorf(ExitUsage, "%s has values that only a run knows; write fixed values", s.block)
		}
	}
	return subjects, ds, nil
}

// configured returns the blocks of a plugin's types, with values that reveal has
// changed.
func configured(c *plan.Config, offered schema.Plugin, reveal func(cty.Value) cty.Value) (out []subject, err error) {
	for _, d := range c.Destinations {
		if slices.Contains(offered.Types(schema.KindDestination), d.Type) {
			out = append(out, subject{conformance.Subject{Kind: schema.KindDestination, Type: d.Type, Config: reveal(d.Config)}, "destination." + d.Address})
		}
	}
	for _, typ := range offered.Types(schema.KindHook) {
		s := subject{Subject: conformance.Subject{Kind: schema.KindHook, Type: typ}}
		for _, sc := range c.Scripts {
			if sc.Type != typ {
				continue
			}
			v, ds := sc.ConfigFor(plan.Scope{})
			if ds.HasErrors() {
				err = errors.Join(err, errorf(ExitUsage, "script.%s cannot be tested, as its configuration needs what only a run knows: %s", sc.Address, ds[0].Detail))
				continue
			}
			switch v = reveal(v); {
			case sc.Name == "fails":
				s.Fails = v
			case sc.Name == "hangs":
				s.Hangs = v
			case s.block == "":
				s.Config, s.block = v, "script."+sc.Address
			}
		}
		if s.block != "" {
			out = append(out, s)
		}
	}
	return out, err
}

// exampleBlock returns a block that a configuration might hold.
func exampleBlock(offered schema.Plugin) string {
	block, types := "destination", offered.Types(schema.KindDestination)
	if len(types) == 0 {
		block, types = "script", append(offered.Types(schema.KindHook), offered.Name)
	}
	return fmt.Sprintf("%s %q \"test\" { config { … } }", block, types[0])
}
