package runner

import (
	"cmp"
	"context"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/skeleton"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

// ServePlugin serves one of this program's plugins if the arguments say that the
// process was started as a plugin. In that case it does not return.
func ServePlugin(args []string, bundled map[string]func() sdk.Plugin) {
	pluginhost.ServeBundled(args, bundled)
}

// Names returns the names of the available plugins.
func (p *Plugins) Names() []string { return p.host.Names() }

// List returns the plugins, and the files that should be plugins, by name. It
// asks all plugins at the same time, because one that does not answer takes half
// a minute. The exit code says that a plugin cannot be used; the error, an
// *[Error], says what is wrong with the whole directory.
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

// row returns the row of a plugin, even if the plugin cannot be started.
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

// Describe returns what one plugin offers. The error is an *[Error].
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

// pluginRow turns a plugin's schema into a row of the list.
func pluginRow(s schema.Plugin) report.Plugin {
	p := report.Plugin{Name: s.Name, Version: s.Version, Sources: s.Types(schema.KindSource), Destinations: s.Types(schema.KindDestination), Hooks: s.Types(schema.KindHook)}
	for _, t := range s.Sources {
		for _, a := range t.Activities {
			p.Activities = append(p.Activities, a.Name)
		}
	}
	return p
}

// NewPluginRequest asks for the first files of a new plugin.
type NewPluginRequest struct {
	Kind    string // destination or hook
	Name    string
	Dir     string // empty: dprun-plugin-NAME
	Version string // version of dprun
	// Replace is a directory with dprun's source, to build the plugin with a version
	// that is not released.
	Replace string
	Bundled map[string]func() sdk.Plugin // their names are taken
}

var (
	pluginName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	released   = regexp.MustCompile(`^v?([0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.]+)?)$`)
)

// NewPlugin writes the files. It never replaces a file.
func NewPlugin(q NewPluginRequest) (report.NewPlugin, error) {
	kinds := []string{"destination", "hook"}
	switch _, bundled := q.Bundled[q.Name]; {
	case !slices.Contains(kinds, q.Kind):
		return report.NewPlugin{}, errorf(ExitUsage, "there is no kind of plugin %q to write; it is destination or hook", q.Kind)
	case !pluginName.MatchString(q.Name):
		return report.NewPlugin{}, errorf(ExitUsage, "%q cannot be a plugin's name; it has lower case letters, digits and underscores, and begins with a letter", q.Name)
	case bundled:
		return report.NewPlugin{}, errorf(ExitUsage, "a plugin %s comes with dprun; choose another name", q.Name)
	}
	p := skeleton.Plugin{Kind: q.Kind, Name: q.Name, Go: languageVersion()}
	if m := released.FindStringSubmatch(q.Version); m != nil {
		p.Version = "v" + m[1]
	}
	if q.Replace != "" {
		dir, err := filepath.Abs(q.Replace)
		if err != nil {
			return report.NewPlugin{}, err
		}
		p.Replace, p.Version = dir, "v0.0.0"
	}
	dir := cmp.Or(q.Dir, "dprun-plugin-"+q.Name)
	files, err := skeleton.Write(dir, p)
	if err != nil {
		return report.NewPlugin{}, err
	}
	return report.NewPlugin{Plugin: q.Name, Kind: q.Kind, Directory: dir, Files: files}, nil
}

// languageVersion returns the version of Go that this program was built with,
// without the patch number.
func languageVersion() string {
	parts := strings.SplitN(strings.TrimPrefix(runtime.Version(), "go"), ".", 3)
	if len(parts) < 2 {
		return "1.26.0"
	}
	return parts[0] + "." + parts[1] + ".0"
}
