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

// PluginOptions are the options of [OpenPlugins].
type PluginOptions struct {
	Bundled map[string]func() sdk.Plugin
	Version string // version of dprun
	Environ []string
	Log     *slog.Logger
	// Dir holds third-party plugins; empty: there are none.
	Dir string
	// WorkDir holds the private directories of plugin processes; empty: the system's
	// default.
	WorkDir string
	Redact  func(string) string
}

// Plugins are the available plugins. They are enough to compile a plan without a
// state directory.
type Plugins struct {
	options pluginhost.Options
	version string
	host    *pluginhost.Host
	lock    atomic.Pointer[plan.Lock] // of the loaded plan; nil: it has none
	warned  sync.Once
}

// OpenPlugins finds the plugins. It starts no process before one is needed.
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

// warn says once which files of the plugin directory are not used. A caller that
// needs one of them gets an error.
func (p *Plugins) warn() {
	p.warned.Do(func() {
		said := map[string]bool{} // a fault of the directory is repeated for all its files
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

// Load reads, parses and compiles a plan. It reads no secret: every secret is an
// unknown value. The diagnostics say everything that is wrong with the plan. The
// error, an *Error, says that a plugin is missing or broken.
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
	if more := file.CheckLock(lock); more.HasErrors() { // the schemas of its plugins are not known
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

// readSecrets reads the secrets that one plan of the file needs for the devices
// that only selects, and those that also names. It compiles the file again with
// them, and repeats that until no secret is missing, because secrets can decide
// which others are needed.
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

// secretsOf returns secrets of a plan's file that its runs do not need.
type secretsOf func(*plan.Config) []plan.SecretRef

// secretsOfRestore returns the secrets with which a restore logs in to a device.
func secretsOfRestore(device string) secretsOf {
	return func(c *plan.Config) []plan.SecretRef { return c.SecretsOfRestore(device) }
}

// readNeeded reads the needed secrets and compiles the file again with them,
// until none is missing.
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
			return nil, errorf(1, "the reading of secrets was stopped, and nothing was contacted: %w", err)
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

// openFiles warns about secret files that other users of the machine can read.
func openFiles(secrets *secret.Store) plan.Diagnostics {
	var ds plan.Diagnostics
	for _, name := range secrets.Open() {
		e, _ := diag.Lookup(diag.SecretFileOpen)
		ds = append(ds, diag.Diagnostic{Severity: e.Severity, Code: e.Code, Summary: e.Summary,
			Detail: "The file " + name + " holds a secret, and other users of this machine may read or change it. Run: chmod 0600 " + name})
	}
	return ds
}

// unreadable returns a function that says why a file does not have a format. It
// opens each file once.
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

// certificatesIn returns an error if a file holds no certificate.
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

// missingError is the path of a file that does not exist.
type missingError string

func (e missingError) Error() string {
	return string(e) + " does not exist; correct the path, or put the file there"
}

// Is tells errors.Is that the file does not exist.
func (e missingError) Is(target error) bool { return target == fs.ErrNotExist }

// openFile opens and closes a file. It does not open a pipe, because that would
// wait for a writer.
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

// validate runs the plugins' own checks on many configurations.
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
		if q.Type == "" { // an activity on no device: its plugin is unknown
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

// variablePrefix begins the names of what the environment gives as variables.
const variablePrefix = "DPRUN_VAR_"

// variables collects the values from the command line and the environment.
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
		if name, value, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(name, variablePrefix) {
			v.Env[strings.TrimPrefix(name, variablePrefix)] = value
		}
	}
	for _, arg := range src.Vars {
		name, value, _ := strings.Cut(arg, "=")
		v.Args = append(v.Args, plan.VarArg{Name: name, Value: value})
	}
	return v, ds
}

// schemas asks the plugins for the schemas of the types that a plan uses. It
// leaves out a type that no plugin offers; the language reports that at its place
// in the plan.
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

// load compiles a file, picks one plan of it, and reads the secrets that this
// plan needs and those that also names. It returns neither a plan nor an error if
// the diagnostics say that the plan is wrong.
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

// narrow returns the part of a plan to run. id is the run's ID; empty: a new one.
// It returns an empty spec and no error if the diagnostics say what is wrong.
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

// Pick returns the plan with a name; with an empty name, the only plan.
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

// originOf returns the absolute path of the file that holds a plan. Together with
// the plan's name it identifies the plan of a run, because files may share a
// state directory.
func originOf(l *Loaded, p *plan.Plan) string {
	return filepath.Join(l.Config.Dir, filepath.FromSlash(p.Range.Filename))
}
