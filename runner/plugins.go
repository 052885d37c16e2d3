package runner

import (
	"cmp"
	"context"
	"slices"
	"sync"

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

// List gives the plugins and the files that should be some, by name. All are
// asked at once: one that does not answer takes half a minute. The exit code says
// that one cannot be used; the error, an *[Error], what is wrong with the whole
// directory.
func (p *Plugins) List(ctx context.Context) (rows []report.Plugin, exit int, err error) {
	names := p.host.Names()
	rows = make([]report.Plugin, len(names))
	var asked sync.WaitGroup
	for i, name := range names {
		asked.Go(func() { rows[i] = p.row(ctx, name) })
	}
	asked.Wait()
	if slices.ContainsFunc(rows, func(r report.Plugin) bool { return r.Problem != "" }) {
		exit = ExitPlugin
	}
	for _, u := range p.host.Unfit() {
		exit = ExitPlugin
		if u.Name == "" {
			err = &Error{ExitPlugin, u.Err}
			continue
		}
		rows = append(rows, report.Plugin{Name: u.Name, File: u.File, Problem: u.Err.Error()})
	}
	slices.SortStableFunc(rows, func(a, b report.Plugin) int { return cmp.Compare(a.Name, b.Name) })
	return rows, exit, err
}

// row is what a list says of a plugin that can be started, or should be.
func (p *Plugins) row(ctx context.Context, name string) report.Plugin {
	row := report.Plugin{Name: name}
	s, bad := p.host.Describe(ctx, name)
	info, more := p.host.Info(name)
	if bad = cmp.Or(bad, more); bad == nil {
		row = pluginRow(s)
	} else {
		row.Problem = bad.Error()
	}
	row.Bundled, row.File = info.Bundled, info.File
	return row
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
