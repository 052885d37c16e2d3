package runner

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/runner/journal"
	"github.com/dprun/dprun/runner/lifecycle"
	"github.com/dprun/dprun/runner/pluginhost"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/runner/secret"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
)

// PluginOptions are the parts of [Plugins].
type PluginOptions struct {
	Bundled map[string]func() sdk.Plugin
	Version string // dprun's own
	Environ []string
	Log     *slog.Logger
	// Dir holds third-party plugins; empty: there are none.
	Dir string
	// WorkDir is where processes get their private directories; empty: the system's.
	WorkDir string
	Redact  func(string) string
}

// Plugins are the plugins there are: enough to compile a plan, without a
// state directory.
type Plugins struct {
	options pluginhost.Options
	version string
	host    *pluginhost.Host
	lock    atomic.Pointer[plan.Lock] // of the plan that was loaded; nil: it has none
	warned  sync.Once
}

// OpenPlugins finds the plugins. No process is started before one is needed.
func OpenPlugins(o PluginOptions) *Plugins {
	p := &Plugins{version: o.Version, options: pluginhost.Options{Bundled: o.Bundled, Dir: o.Dir, WorkDir: o.WorkDir, Log: o.Log, Redact: o.Redact,
		LookupEnv: func(name string) (string, bool) {
			for i := len(o.Environ) - 1; i >= 0; i-- {
				if k, v, ok := strings.Cut(o.Environ[i], "="); ok && k == name {
					return v, true
				}
			}
			return "", false
		}}}
	p.options.Locked = p.locked
	p.host = pluginhost.New(p.options)
	return p
}

// warn says, once, which files of the plugin directory are not started. Who
// needs one of them gets an error.
func (p *Plugins) warn() {
	p.warned.Do(func() {
		said := map[string]bool{} // a directory's fault is that of all its files
		for _, u := range p.host.Unfit() {
			if why := u.Err.Error(); !said[why] {
				p.options.Log.Warn("a file of the plugin directory is not used", "why", why)
				said[why] = true
			}
		}
	})
}

// Close ends the processes that were started.
func (p *Plugins) Close() error { return p.host.Close() }

// Load reads, parses and compiles a plan. Every secret is an unknown value,
// and none is read. The diagnostics hold everything that is wrong with the
// plan; the error, an *Error, is a plugin that is missing or broken.
func Load(ctx context.Context, src Source, plugins *Plugins) (*Loaded, plan.Diagnostics, error) {
	loaded := &Loaded{}
	file, dir, ds := parse(src, plugins.version)
	if file == nil {
		return loaded, ds, nil
	}
	files := src.fs(dir)
	lock, more := plan.ReadLock(files, dir)
	if ds = append(ds, more...); more.HasErrors() {
		return loaded, ds, nil
	}
	plugins.lock.Store(lock)
	if more := file.CheckLock(lock); more.HasErrors() { // what its plugins offer is not known
		return loaded, append(ds, more...), nil
	}
	vars, more := variables(src)
	ds = append(ds, more...)
	schemas, err := plugins.schemas(ctx, file.RequiredTypes())
	if err != nil {
		return loaded, ds, &Error{ExitPlugin, err}
	}
	plugins.warn()
	loaded.file, loaded.inputs = file, plan.Inputs{Schemas: schemas, Files: files, Dir: planDir(src.Path), Unreadable: unreadable(), Vars: vars, Now: time.Now()}
	in := loaded.inputs
	in.Validate = func(reqs []plan.ValidateRequest) [][]schema.Diagnostic { return plugins.validate(ctx, reqs) }
	loaded.Config, more = plan.Compile(file, in)
	return loaded, append(ds, more...).Sorted(), nil
}

// readSecrets reads the secrets that one plan of the file needs for the
// devices that only leaves, and those that also names, and compiles the file again with them. Secrets can
// decide about others, so this is done until there are none to read.
func (l *Loaded) readSecrets(ctx context.Context, name string, only Only, secrets *secret.Store, also ...secretsOf) (plan.Diagnostics, error) {
	return l.readNeeded(ctx, secrets, func(c *plan.Config) ([]plan.SecretRef, error) {
		p, err := Pick(c, name)
		if err != nil {
			return nil, err
		}
		refs := c.SecretsOf(p, only.device)
		for _, of := range also {
			refs = append(refs, of(c)...)
		}
		return refs, nil
	})
}

// secretsOf names secrets of a plan's file that its runs do not need.
type secretsOf func(*plan.Config) []plan.SecretRef

// secretsOfRestore names those by which a device is logged in to for a restore.
func secretsOfRestore(device string) secretsOf {
	return func(c *plan.Config) []plan.SecretRef { return c.SecretsOfRestore(device) }
}

// readNeeded reads the secrets that are needed, and compiles the file again with
// them, until none is missing.
func (l *Loaded) readNeeded(ctx context.Context, secrets *secret.Store, needed func(*plan.Config) ([]plan.SecretRef, error)) (plan.Diagnostics, error) {
	l.secrets = secrets
	for {
		refs, err := needed(l.Config)
		if err != nil {
			return nil, err
		}
		missing := secrets.Lacks(refs)
		if len(missing) == 0 && l.inputs.Secrets != nil {
			return openFiles(secrets), nil
		}
		if err := secrets.Prefetch(ctx, missing); err != nil {
			return nil, errorf(1, "the secrets were not all read, and nothing was contacted: %w", err)
		}
		reader := secrets.Reader()
		l.inputs.Secrets = reader
		var ds plan.Diagnostics
		l.Config, ds = plan.Compile(l.file, l.inputs)
		reader.Loaded()
		if ds.HasErrors() {
			return ds, nil
		}
	}
}

// openFiles warns of files whose secret others of the machine can read.
func openFiles(secrets *secret.Store) plan.Diagnostics {
	var ds plan.Diagnostics
	for _, name := range secrets.Open() {
		e, _ := diag.Lookup(diag.SecretFileOpen)
		ds = append(ds, diag.Diagnostic{Severity: e.Severity, Code: e.Code, Summary: e.Summary,
			Detail: "The file " + name + " holds a secret, and other users of this machine may read or change it. Run: chmod 0600 " + name})
	}
	return ds
}

// unreadable says why a file is none of a format; each is opened once.
func unreadable() func(string, schema.Format) error {
	type file struct {
		path   string
		format schema.Format
	}
	var mu sync.Mutex
	known := map[file]error{}
	return func(path string, format schema.Format) error {
		mu.Lock()
		defer mu.Unlock()
		f := file{path, format}
		err, ok := known[f]
		if !ok {
			if err = openFile(path); err == nil && format == schema.FormatCertificates {
				err = certificatesIn(path)
			}
			known[f] = err
		}
		return err
	}
}

// certificatesIn says why a file holds no certificate.
func certificatesIn(path string) error {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		return fmt.Errorf("%s holds no certificate in PEM form; put the authority's certificate into it, from BEGIN CERTIFICATE to END CERTIFICATE", path)
	}
	return nil
}

// missingError is the path of a file that is not there.
type missingError string

func (e missingError) Error() string {
	return string(e) + " does not exist; correct the path, or put the file there"
}

// Is tells errors.Is that it is one of a file that does not exist.
func (e missingError) Is(target error) bool { return target == fs.ErrNotExist }

// openFile opens and closes a file. A pipe is left alone, as opening it would wait for a writer.
func openFile(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return missingError(path)
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a directory; name a file", path)
	case !info.Mode().IsRegular():
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w; let the user that dprun runs as read it", err)
	}
	return f.Close()
}

// validate asks the plugins' own checks about many configurations.
func (p *Plugins) validate(ctx context.Context, reqs []plan.ValidateRequest) [][]schema.Diagnostic {
	out := make([][]schema.Diagnostic, len(reqs))
	var wg sync.WaitGroup
	share := (len(reqs) + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0)
	for from := 0; from < len(reqs); from += share {
		wg.Go(func() { p.validateSome(ctx, reqs[from:min(from+share, len(reqs))], out[from:]) })
	}
	wg.Wait()
	return out
}

func (p *Plugins) validateSome(ctx context.Context, reqs []plan.ValidateRequest, out [][]schema.Diagnostic) {
	for i, q := range reqs {
		if q.Type == "" { // an activity on no device: nobody knows whose it is
			continue
		}
		kind := schema.Kind(q.Kind)
		if q.Activity != "" {
			kind = schema.KindActivity
		}
		found, err := p.host.Validate(ctx, kind, q.Type, q.Activity, q.Config)
		if err != nil {
			found = []schema.Diagnostic{{Severity: schema.SeverityError, Summary: "Plugin cannot validate", Detail: err.Error()}}
		}
		out[i] = found
	}
}

// variables collects what the command line and the environment set.
func variables(src Source) (plan.VarInputs, plan.Diagnostics) {
	v := plan.VarInputs{Env: map[string]string{}}
	var ds plan.Diagnostics
	for _, f := range src.VarFiles {
		s, more := plan.Load(os.DirFS(filepath.Dir(f)), filepath.Base(f), filepath.Dir(f))
		ds = append(ds, more...)
		for _, file := range s.Files {
			v.Files = append(v.Files, plan.Source{Name: f, Text: file.Text})
		}
	}
	for _, kv := range src.Environ {
		if name, value, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(name, "DPRUN_VAR_") {
			v.Env[strings.TrimPrefix(name, "DPRUN_VAR_")] = value
		}
	}
	for _, arg := range src.Vars {
		name, value, _ := strings.Cut(arg, "=")
		v.Args = append(v.Args, plan.VarArg{Name: name, Value: value})
	}
	return v, ds
}

// schemas asks the plugins for the schemas of the types that a plan uses. A
// type that no plugin offers is left out: the language says so at its place.
func (p *Plugins) schemas(ctx context.Context, need plan.Required) (plan.Schemas, error) {
	s := plan.Schemas{Sources: map[string]schema.SourceType{}, Destinations: map[string]schema.DestinationType{}, Hooks: map[string]schema.HookType{},
		Offered: map[schema.Kind][]string{}}
	var refs []pluginhost.Ref
	for _, u := range need.Sources {
		refs = append(refs, pluginhost.Ref{Kind: schema.KindSource, Type: u.Name})
	}
	for _, u := range need.Destinations {
		refs = append(refs, pluginhost.Ref{Kind: schema.KindDestination, Type: u.Name})
	}
	for _, u := range need.Hooks {
		refs = append(refs, pluginhost.Ref{Kind: schema.KindHook, Type: u.Name})
	}
	for _, ref := range refs {
		found, err := p.host.Schemas(ctx, ref)
		if unknown := new(pluginhost.UnknownTypeError); errors.As(err, &unknown) {
			s.Offered[ref.Kind] = unknown.Known
			continue
		}
		if err != nil {
			return s, err
		}
		for _, pl := range found {
			for _, t := range pl.Sources {
				s.Sources[t.Name] = t
			}
			for _, t := range pl.Destinations {
				s.Destinations[t.Name] = t
			}
			for _, t := range pl.Hooks {
				s.Hooks[t.Name] = t
			}
		}
	}
	return s, nil
}

// load compiles a file, picks one plan of it and reads the secrets that this
// plan needs, and those that also names. It gives no plan and no error when the diagnostics say what is wrong.
func (r *Runner) load(ctx context.Context, src Source, name string, only Only, res *report.Result, also ...secretsOf) (*Loaded, *plan.Plan, error) {
	loaded, ds, err := Load(ctx, src, r.plugins)
	res.Diagnostics = ds
	if err == nil && !ds.HasErrors() {
		ds, err = loaded.readSecrets(ctx, name, only, secret.New(planDir(src.Path), src.Environ, &r.redact), also...)
		res.Diagnostics = append(res.Diagnostics, ds...).Sorted()
	}
	if err != nil {
		return loaded, nil, err
	}
	if ds.HasErrors() {
		res.ExitCode = graverExit(res.ExitCode, ExitInvalid)
		return loaded, nil, nil
	}
	for _, text := range loaded.Config.SensitiveValues() {
		r.redact.Add(text)
	}
	p, err := Pick(loaded.Config, name)
	return loaded, p, err
}

// narrow is what of a plan is to be run, as which run; empty: a new one. It gives
// an empty spec and no error when the diagnostics say what is wrong.
func (r *Runner) narrow(p *plan.Plan, id string, only Only, parallel int, res *report.Result) (lifecycle.RunSpec, error) {
	if id == "" {
		var err error
		if id, err = journal.NewRunID(r.Clock.Now()); err != nil {
			return lifecycle.RunSpec{}, &Error{ExitBug, err}
		}
	}
	spec, ds := specOf(p, id, only, parallel)
	if res.Diagnostics = append(res.Diagnostics, ds...); ds.HasErrors() {
		res.ExitCode = graverExit(res.ExitCode, ExitInvalid)
		return lifecycle.RunSpec{}, nil
	}
	return spec, only.check(p, spec)
}

// Pick finds the plan to run: by name, or the only one.
func Pick(c *plan.Config, name string) (*plan.Plan, error) {
	var names []string
	for _, p := range c.Plans {
		names = append(names, p.Name)
	}
	switch {
	case name != "":
		if p := c.Plan(name); p != nil {
			return p, nil
		}
		return nil, &Error{ExitUsage, suggesting(fmt.Sprintf("pick a plan of the file: it has no plan %q", name), name, names)}
	case len(names) == 1:
		return c.Plans[0], nil
	case len(names) == 0:
		return nil, errorf(ExitUsage, "the file has no plan block: nothing to run")
	}
	return nil, errorf(ExitUsage, "the file has several plans (%s): name one with --plan", join(names))
}

// originOf is the absolute path of the file that holds a plan. With the plan's
// name it says which plan a run is of: files may share a state directory.
func originOf(l *Loaded, p *plan.Plan) string {
	return filepath.Join(l.Config.Dir, filepath.FromSlash(p.Range.Filename))
}
