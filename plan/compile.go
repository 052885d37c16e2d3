package plan

import (
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plan/diag"
	"github.com/dprun/dprun/plan/function"
	"github.com/dprun/dprun/plan/secret"
	"github.com/dprun/dprun/sdk/schema"
)

// Inputs are what a plan is compiled with.
type Inputs struct {
	Schemas Schemas
	// Validate runs the plugins' own checks on many configurations at once. The
	// answer has one element for each request. Nil: no such checks.
	Validate func([]ValidateRequest) [][]schema.Diagnostic
	// Files is rooted at the plan's directory; functions read files through it. Nil:
	// the plan is a text that somebody sent, and functions can read neither files nor
	// secrets.
	Files fs.FS
	// Dir is the absolute path of the plan's directory. Relative paths in
	// configurations are made absolute against it.
	Dir  string
	Vars VarInputs
	// Now is the current time: windows are checked for the year after it. Zero:
	// windows are not checked.
	Now time.Time
	// Unreadable says why the file at an absolute path is not of the given
	// format; nil: it is. It is asked about files that must exist and that
	// arguments name. Nil: files are not checked.
	Unreadable func(path string, format schema.Format) error
	// Secrets reads secrets. Nil: secrets are unknown values.
	Secrets SecretReader
}

// ValidateRequest is one configuration for a plugin's own check. Its secrets
// are unknown values, even if they were read.
type ValidateRequest struct {
	Kind     string // "source", "destination" or "hook"
	Type     string
	Activity string // the activity's type; empty for the type's own config
	Config   cty.Value
}

// compiler holds what has been compiled so far.
type compiler struct {
	sink
	file *File
	in   Inputs
	cfg  *Config

	base  *hcl.EvalContext // functions only
	root  *hcl.EvalContext // adds var and local
	plans *hcl.EvalContext // adds references; for plans and activities
	tasks *hcl.EvalContext // adds patterns; for the domains of activities

	scripts      definitions
	destinations definitions
	windows      definitions
	patterns     definitions
	retentions   definitions
	devices      definitions
	targets      cty.Type // of references
	deviceNames  map[string]*Device
	drills       []drillAt
	byValue      bool // whether the value of some secret variable was given
	toValidate   []validation
	checked      map[string]bool // lazy arguments that have been checked
}

// validation is one request to a plugin and the place that its answer belongs
// to.
type validation struct {
	request ValidateRequest
	at      *configured
}

// Compile checks a parsed plan against the schemas and evaluates it. The Config
// is never nil. It can be run only if there are no errors.
func Compile(f *File, in Inputs) (*Config, Diagnostics) {
	env := f.env.fork()
	env.dir, env.unreadable = in.Dir, in.Unreadable
	env.secrets = secret.NewStore(in.Secrets)
	secrets := env.secrets
	if in.Files == nil {
		secrets = nil
	}
	env.functions = function.Table(function.Files{FS: in.Files, Dir: in.Dir, Remember: env.remember, Empty: env.noteEmpty}, secrets)
	c := &compiler{
		sink: sink{env: env}, file: f, in: in, cfg: &Config{Dir: in.Dir, env: env},
		targets: newTargetType(), deviceNames: map[string]*Device{}, checked: map[string]bool{},
	}
	if f.refused {
		return c.cfg, nil
	}
	c.base = &hcl.EvalContext{Functions: env.functions, Variables: map[string]cty.Value{}}
	c.root = child(c.base)
	vars := cty.ObjectVal(c.compileVariables())
	c.root.Variables = map[string]cty.Value{"var": vars, "local": c.compileLocals(vars)}

	c.compileWindows()
	c.compilePatterns()
	c.compileRetentions()
	c.compileScripts()
	c.compileDestinations()
	c.compileDevices()
	c.bindReferences()
	c.compilePlans()
	c.checkUnused()
	c.checkRetention()
	c.checkDrills()
	c.checkEmpty()
	c.askPlugins()
	c.list = c.ofInstances(f.withoutConsequences(c.list))
	return c.cfg, c.done()
}

// withoutConsequences drops diagnostics that may only follow from a syntax
// error: all others about the same file, and those that report something
// missing.
func (f *File) withoutConsequences(list diag.List) diag.List {
	if !slices.Contains(slices.Collect(maps.Values(f.broken)), true) {
		return list
	}
	return slices.DeleteFunc(list, func(d diag.Diagnostic) bool {
		switch d.Code {
		case diag.UnknownReference, diag.MissingVariable, diag.UndeclaredVariable, diag.UnusedVariableValue,
			diag.NoMatch, diag.NoPlan, diag.UnknownLabel:
			return true
		}
		return d.Range != nil && f.broken[d.Range.Filename]
	})
}

// askPlugins passes every configuration to its plugin's own check.
func (c *compiler) askPlugins() {
	if c.in.Validate == nil || len(c.toValidate) == 0 {
		return
	}
	requests := make([]ValidateRequest, len(c.toValidate))
	for i := range requests {
		requests[i] = c.toValidate[i].request
	}
	for i, found := range c.in.Validate(requests) {
		if i >= len(c.toValidate) {
			break
		}
		for _, d := range found {
			code := diag.RejectedByPlugin
			if d.Severity == schema.SeverityWarning {
				code = diag.PluginAdvice
			}
			c.fromSchema(d, c.toValidate[i].at, code)
		}
	}
}

// validate records a configuration for [compiler.askPlugins].
func (c *compiler) validate(kind, typ, activity string, at *configured) {
	hidden := at.hidden
	at.hidden = cty.NilVal // needed only now, and a plan is kept for long
	if c.in.Validate != nil {
		c.toValidate = append(c.toValidate, validation{ValidateRequest{kind, typ, activity, hidden}, at})
	}
}

// hideSecrets replaces marked values by unknown ones. It also reports whether
// there were any; if not, it returns the same value.
func hideSecrets(v cty.Value) (cty.Value, bool) {
	switch {
	case v.IsMarked():
		return cty.UnknownVal(v.Type()), true
	case v.Type().IsPrimitiveType() || !v.IsKnown() || v.IsNull():
		return v, false
	case v.Type().IsObjectType():
		// Maps of values and objects take long to make, so make them only if
		// needed.
		if !v.ContainsMarked() {
			return v, false
		}
		parts := v.AsValueMap()
		hideParts(parts)
		return cty.ObjectVal(parts), true
	case !v.ContainsMarked():
		return v, false
	}
	hidden, err := cty.Transform(v, func(_ cty.Path, e cty.Value) (cty.Value, error) {
		if e.IsMarked() {
			u, _ := e.Unmark()
			return cty.UnknownVal(u.Type()), nil
		}
		return e, nil
	})
	if err != nil {
		return cty.UnknownVal(v.Type()), true
	}
	hidden, _ = hidden.UnmarkDeep()
	return hidden, true
}

// hideParts replaces the secrets among the values themselves, and reports
// whether there were any.
func hideParts(values map[string]cty.Value) (changed bool) {
	for name, v := range values {
		if hidden, is := hideSecrets(v); is {
			values[name], changed = hidden, true
		}
	}
	return changed
}

// definition is one block and the instances made of it.
type definition struct {
	block *hclsyntax.Block
	keyed bool
	items map[string]any // by key; "" without for_each
	known bool           // false: for_each could not be used
}

// definitions holds the blocks of one type by the path of their labels.
type definitions struct {
	byPath map[string]*definition
	order  []string
}

// define registers a block. If the name is taken, it reports that and returns
// nil.
func (c *compiler) define(ds *definitions, b *hclsyntax.Block) *definition {
	path := b.Labels[len(b.Labels)-1]
	if len(b.Labels) == 2 {
		path = b.Labels[0] + "." + path
	}
	if ds.byPath == nil {
		ds.byPath = map[string]*definition{}
	}
	if before := ds.byPath[path]; before != nil {
		c.add(diag.DuplicateDefinition, b.DefRange(), "The %s %q is defined already. Rename or remove one of them.", b.Type, path).Related = related("The first one is here.", before.block.DefRange())
		return nil
	}
	d := &definition{block: b, items: map[string]any{}, known: true, keyed: b.Body.Attributes["for_each"] != nil}
	ds.byPath[path] = d
	ds.order = append(ds.order, path)
	return d
}

// each defines every instance of the blocks of a type, in file order.
func (c *compiler) each(blockType string, ds *definitions, ctx *hcl.EvalContext, build func(b *hclsyntax.Block, path string, i instance) any) {
	for _, b := range c.file.blocks[blockType] {
		d := c.define(ds, b)
		if d == nil {
			continue
		}
		list, ok := c.instances(b.Body, ctx)
		d.known = ok
		path := ds.order[len(ds.order)-1]
		for _, i := range list {
			if item := build(b, path, i); item != nil {
				d.items[i.key] = item
			}
		}
	}
}
