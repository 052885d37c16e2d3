package runner

import (
	"cmp"
	"context"
	"slices"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

// ServePlugin serves a plugin of this program where the arguments say that the
// process was started to be one. It does not return then.
func ServePlugin(args []string, bundled map[string]func() sdk.Plugin) {
	pluginhost.ServeBundled(args, bundled)
}

// Names are the plugins that there are.
func (p *Plugins) Names() []string { return p.host.Names() }

// List gives the plugins and the files that should be some. The exit code says
// that one cannot be used; the error, an *[Error], what is wrong with the whole
// directory.
func (p *Plugins) List(ctx context.Context) (rows []report.Plugin, exit int, err error) {
	for _, name := range p.host.Names() {
		row := report.Plugin{Name: name}
		s, bad := p.host.Describe(ctx, name)
		info, more := p.host.Info(name)
		if bad = cmp.Or(bad, more); bad == nil {
			row = pluginRow(s)
		} else {
			row.Problem, exit = bad.Error(), ExitPlugin
		}
		row.Bundled, row.File = info.Bundled, info.File
		rows = append(rows, row)
	}
	for _, u := range p.host.Unfit() {
		exit = ExitPlugin
		if u.Name == "" {
			err = &Error{ExitPlugin, u.Err}
			continue
		}
		rows = append(rows, report.Plugin{Name: u.Name, File: u.File, Problem: u.Err.Error()})
	}
	return rows, exit, err
}

// Describe gives what one plugin offers. The error is an *[Error].
func (p *Plugins) Describe(ctx context.Context, name string) (schema.Plugin, error) {
	names := p.host.Names()
	for _, u := range p.host.Unfit() {
		if u.Name == name || u.Name == "" && !slices.Contains(names, name) {
			return schema.Plugin{}, &Error{ExitPlugin, u.Err}
		}
	}
	if !slices.Contains(names, name) {
		if s := diag.Suggest(name, names); s != "" {
			return schema.Plugin{}, errorf(ExitUsage, "there is no plugin %q; did you mean %q?", name, s)
		}
		return schema.Plugin{}, errorf(ExitUsage, "there is no plugin %q; `dprun plugin list` lists them", name)
	}
	s, err := p.host.Describe(ctx, name)
	if err != nil {
		return s, &Error{ExitPlugin, err}
	}
	return s, nil
}

// pluginRow makes a list's row of a plugin's schema.
func pluginRow(s schema.Plugin) report.Plugin {
	p := report.Plugin{Name: s.Name, Version: s.Version, Sources: s.Types(schema.KindSource), Destinations: s.Types(schema.KindDestination), Hooks: s.Types(schema.KindHook)}
	for _, t := range s.Sources {
		for _, a := range t.Activities {
			p.Activities = append(p.Activities, a.Name)
		}
	}
	return p
}
