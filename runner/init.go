package runner

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/runner/mirror"
	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk/failure"
)

// InitRequest says where to take plugins from, and whether to take newer ones.
type InitRequest struct {
	Mirrors []string // directories; see [mirror]
	// Upgrade takes the newest version that the plan allows. Without it, a locked
	// version stays.
	Upgrade bool
}

// platform returns this program's platform in the form that packages use.
func platform() string { return runtime.GOOS + "_" + runtime.GOARCH }

// parse reads the syntax of a plan's files, which are in dir. If file is nil, the
// diagnostics say why.
func parse(src Source, version string) (file *plan.File, dir string, ds plan.Diagnostics) {
	dir, name := filepath.Split(src.Path)
	if info, err := os.Stat(src.Path); err == nil && info.IsDir() {
		dir, name = src.Path, "."
	}
	dir = cmp.Or(dir, ".")
	sources, ds := plan.Load(src.fs(dir), name, dir)
	if ds.HasErrors() {
		return nil, dir, ds
	}
	file, more := plan.Parse(sources, version)
	return file, dir, append(ds, more...)
}

// locked returns why an installed plugin may not be started for the loaded plan;
// nil: it may.
func (p *Plugins) locked(name, file string) *failure.Error {
	l := p.lock.Load()
	if l == nil {
		return nil
	}
	refuse := func(remedy, format string, args ...any) *failure.Error {
		return failure.New(failure.Denied, failure.BadConfig, "the plugin %s (%s) is not used: %w", name, file, fmt.Errorf(format, args...)).WithRemedy("%s", remedy)
	}
	entry := l.Plugin(name)
	if entry == nil {
		return refuse("name it in required_plugins and run dprun init", "the plan's lock file %s does not list it", plan.LockFile)
	}
	want, ok := entry.Digests[platform()]
	if !ok {
		return refuse("run dprun init --upgrade with a mirror that holds this platform", "the lock file has no digest for %s", platform())
	}
	dir, err := mirror.Installed(file)
	if err != nil {
		return refuse("remove it and run dprun init", "%w", err)
	}
	if installed := filepath.Base(dir); installed != entry.Version {
		return refuse("run dprun init", "version %s is installed, and version %s is locked", installed, entry.Version)
	}
	got, err := mirror.Digest(dir)
	if err != nil {
		return refuse("run dprun init, which installs it anew", "%w", err)
	}
	if got != want {
		return refuse("find out who has changed it; dprun init installs it anew", "what is installed (%s) is not what is locked (%s): it was changed after it was installed", got, want)
	}
	return nil
}

// Init installs the plugins that a plan requires, and writes its lock file. It
// contacts no device and no server. The error, an *[Error], says that a plugin is
// not available.
func (p *Plugins) Init(ctx context.Context, src Source, req InitRequest) (out report.Init, ds plan.Diagnostics, err error) {
	file, dir, ds := parse(src, p.version)
	if ds.HasErrors() {
		return out, ds, nil
	}
	out = report.Init{LockFile: filepath.Join(dir, plan.LockFile), Plugins: []report.InitPlugin{}}
	before, more := plan.ReadLock(os.DirFS(dir), dir)
	if ds = append(ds, more...); ds.HasErrors() {
		return out, ds, nil
	}
	after := &plan.Lock{}
	var back []func() error // returns to the former versions, unless everything works and is locked
	defer func() {
		for _, b := range back {
			if failed := b(); failed != nil {
				err = errors.Join(err, fmt.Errorf("return to the former version: %w", failed))
			}
		}
	}()
	for _, r := range file.RequiredPlugins() {
		row, entry, undo, err := p.initOne(r, before.Plugin(r.Name), req)
		if undo != nil {
			back = append(back, undo)
		}
		if err != nil {
			return out, ds, &Error{ExitPlugin, fmt.Errorf("plugin %s: %w", r.Name, err)}
		}
		after.Plugins = append(after.Plugins, entry)
		out.Plugins = append(out.Plugins, row)
	}
	required := slices.Clone(after.Plugins)
	if before != nil && !isDir(src.Path) { // other plans beside it use the same lock file
		for _, k := range before.Plugins {
			if after.Plugin(k.Name) == nil {
				after.Plugins = append(after.Plugins, k)
			}
		}
		slices.SortFunc(after.Plugins, func(a, b plan.LockedPlugin) int { return cmp.Compare(a.Name, b.Name) })
	}
	if err := p.describeAll(ctx, after, required); err != nil {
		return out, ds, &Error{ExitPlugin, err}
	}
	if out.Changed, err = writeLock(out.LockFile, before, after); err != nil {
		return out, ds, errorf(1, "write the lock file: %w", err)
	}
	back = nil
	return out, ds, nil
}

// initOne chooses a version of a plugin, and installs it if it is missing. back
// undoes the installation.
func (p *Plugins) initOne(r plan.RequiredPlugin, before *plan.LockedPlugin, req InitRequest) (row report.InitPlugin, entry plan.LockedPlugin, back func() error, err error) {
	if info, err := p.host.Info(r.Name); err == nil && info.Bundled {
		return row, entry, nil, errors.New("it comes with dprun: take it out of required_plugins")
	}
	found, err := mirror.Find(req.Mirrors, r.Source)
	if err != nil {
		return row, entry, nil, err
	}
	row = report.InitPlugin{Name: r.Name, Source: r.Source}
	if before != nil {
		row.Before = before.Version
	}
	kept := before != nil && !req.Upgrade && before.Source == r.Source && r.Allows(before.Version)
	var from *mirror.Package
	for i := range found {
		if k := &found[i]; k.Platform == platform() && r.Allows(k.Version) && (!kept || k.Version == before.Version) {
			from = k
			break
		}
	}
	switch {
	case kept:
		entry = *before
	case from == nil:
		return row, entry, nil, unavailable(r, found, req.Mirrors)
	default:
		entry = plan.LockedPlugin{Version: from.Version, Digests: map[string]string{}}
		for _, k := range found {
			if k.Version == from.Version {
				if entry.Digests[k.Platform], err = mirror.Digest(k.Path); err != nil {
					return row, entry, nil, fmt.Errorf("read its package for %s: %w", k.Platform, err)
				}
			}
		}
	}
	entry.Name, entry.Source, entry.Constraints = r.Name, r.Source, r.Version
	row.Version, row.Platforms = entry.Version, slices.Sorted(maps.Keys(entry.Digests))
	want, ok := entry.Digests[platform()]
	if !ok {
		return row, entry, nil, fmt.Errorf("the lock file has no digest of version %s for %s: run dprun init --upgrade with a mirror that holds it", entry.Version, platform())
	}
	if p.holds(entry, want) {
		return row, entry, nil, nil
	}
	if from == nil {
		return row, entry, nil, fmt.Errorf("version %s, which is locked, is neither installed nor in a mirror: %w", entry.Version, unavailable(r, found, req.Mirrors))
	}
	if back, err = mirror.Install(*from, r.Name, want, p.options.Dir); err != nil {
		return row, entry, nil, fmt.Errorf("install version %s: %w", entry.Version, err)
	}
	row.Installed = true
	return row, entry, back, nil
}

// holds reports whether the package of an entry is installed.
func (p *Plugins) holds(entry plan.LockedPlugin, want string) bool {
	dir, err := mirror.Installed(filepath.Join(p.options.Dir, mirror.Program(entry.Name)))
	if err != nil || filepath.Base(dir) != entry.Version {
		return false
	}
	got, err := mirror.Digest(dir)
	return err == nil && got == want
}

// unavailable says that no mirror holds the required plugin, and what the mirrors
// hold.
func unavailable(r plan.RequiredPlugin, found []mirror.Package, mirrors []string) error {
	if len(mirrors) == 0 {
		return errors.New("no directory with its package is given: name one with --plugin-dir or $DPRUN_PLUGIN_MIRROR")
	}
	var have []string
	for _, k := range found {
		have = append(have, k.Version+" for "+k.Platform)
	}
	if len(have) == 0 {
		return fmt.Errorf("%s holds nothing below %s", join(mirrors), r.Source)
	}
	return fmt.Errorf("%s holds no version that the plan allows (%s) for %s; there are: %s", join(mirrors), cmp.Or(r.Version, "any release"), platform(), join(have))
}

// describeAll asks each required plugin what it offers, so that a plugin that
// does not work on this machine is found now.
func (p *Plugins) describeAll(ctx context.Context, l *plan.Lock, required []plan.LockedPlugin) error {
	p.lock.Store(l)
	host := pluginhost.New(p.options) // a new host finds the plugins that were just installed
	defer func() { _ = host.Close() }()
	for _, k := range required {
		s, err := host.Describe(ctx, k.Name)
		if err != nil {
			return err
		}
		if s.Version != k.Version {
			return fmt.Errorf("plugin %s: its package is of version %s, and it calls itself version %s: ask its author", k.Name, k.Version, s.Version)
		}
	}
	return nil
}

// writeLock writes the lock file if it changes. A plan without required plugins
// gets no lock file if it has none.
func writeLock(path string, before, after *plan.Lock) (changed bool, err error) {
	if before == nil && len(after.Plugins) == 0 || before != nil && bytes.Equal(before.Text(), after.Text()) {
		return false, nil
	}
	if before == nil { // an empty one allows no plugin, and the next init completes it
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return false, err
		}
		if err := f.Close(); err != nil {
			return false, err
		}
	}
	return true, replace(path, after.Text())
}
