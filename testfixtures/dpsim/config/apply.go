package config

import (
	"fmt"
	"slices"
)

// Options say how to import.
type Options struct {
	DryRun, OverwriteObjects, OverwriteFiles, RewriteLocalIP bool
	Policy                                                   Policy
	Objects                                                  []Selected // none of both: everything
	Files                                                    []Selected
	Domain                                                   string // that the package is imported into
	Number                                                   int64  // of the import, counted on the gateway
	Gateway                                                  Gateway
}

// Selected is an object or a file that is imported, others are not then.
type Selected struct {
	Class, Name string
	Overwrite   *bool // nil: as the request says
}

// Gateway is what an import needs of the gateway that carries it out.
type Gateway interface {
	// Available tells whether the model's class is usable: licensed and of this firmware.
	Available(class string) bool
	// MayChange and MayWrite tell whether the account has the right to a class and to a store.
	MayChange(class string) bool
	MayWrite(store string) bool
	// Interface is the address of an interface; empty if there is none.
	Interface(name string) string
	// FileHash is the base64 of a file's SHA-1.
	FileHash(name string) (hash string, there bool)
	// WriteFile keeps a file. An error is a reason in words.
	WriteFile(f File) error
	// Fails is the reason for which an object fails on purpose.
	Fails(class, name string) error
}

// Result is what an import did, or would do.
type Result struct {
	Domain, Details string
	DetectedErrors  bool
	Files           []FileResult
	Objects         []ObjectResult
	Log             []string // what the gateway's log says, and the reply does not
}

// FileResult is about one file.
type FileResult struct {
	Name, Source, Hash, Status string
	Result, Reason             string // of the copy; empty: none was tried
}

// ObjectResult is about one object.
type ObjectResult struct {
	Class, Name, Status string
	Result              string // of the script; empty: nothing was tried
}

// Import applies a package and returns the configuration that comes out; this one
// stays as it is. Files come first. An object is replaced as a whole, nothing is
// removed, and what fails leaves the rest applied.
func (c *Config) Import(p *Package, o Options) (*Config, Result, error) {
	policy, err := o.Policy.compile()
	if err != nil {
		return c, Result{}, err
	}
	i := &importing{options: o, policy: policy, from: p, to: c.Clone(), result: Result{Domain: o.Domain, Details: p.Details}}
	for _, f := range p.Files {
		i.file(f)
	}
	for _, object := range p.Objects {
		i.object(object)
	}
	if o.DryRun {
		return c, i.result, nil
	}
	i.to.Imported = true
	return i.to, i.result, nil
}

type importing struct {
	options Options
	policy  compiled
	from    *Package
	to      *Config
	result  Result
}

func (i *importing) log(format string, args ...any) {
	if !i.options.DryRun {
		i.result.Log = append(i.result.Log, fmt.Sprintf(format, args...))
	}
}

// selected tells whether an item is imported, and whether over one that is there.
func (i *importing) selected(items []Selected, class, name string, overwrite bool) (bool, bool) {
	if len(i.options.Objects)+len(i.options.Files) == 0 {
		return true, overwrite
	}
	n := slices.IndexFunc(items, func(s Selected) bool {
		return (s.Class == class || s.Class == "all-classes") && (s.Name == name || s.Name == "all-objects")
	})
	if n < 0 {
		return false, false
	}
	if items[n].Overwrite != nil {
		overwrite = *items[n].Overwrite
	}
	return true, overwrite
}

func (i *importing) file(f File) {
	wanted, overwrite := i.selected(i.options.Files, "", f.Name, i.options.OverwriteFiles)
	if f.Internal || !wanted {
		return
	}
	store, path := f.Store()
	row := FileResult{Name: f.Name, Source: f.Source, Hash: f.Hash, Status: "new"}
	hash, there := i.options.Gateway.FileHash(f.Name)
	switch {
	case f.Withheld:
		row.Status, i.result.DetectedErrors = "missing-key", true
	case !f.Held():
		row.Status, i.result.DetectedErrors = "missing-file", true
	case there && hash == f.Hash:
		row.Status = "same"
	case there:
		row.Status = "changed"
	}
	switch {
	case i.options.DryRun || !f.Held():
	case store == "config" && path == i.from.Domain+".cfg":
		row.Result = "ignored" // the source's start script: the objects stand for it
	case there && !overwrite:
		row.Result = "ignored"
	case !i.options.Gateway.MayWrite(store):
		i.log("Because of permissions, skip to import the file '%s'.", f.Name)
	default:
		row.Result = "OK"
		if err := i.options.Gateway.WriteFile(f); err != nil {
			row.Result, row.Reason = "ERROR", err.Error()
		}
	}
	i.result.Files = append(i.result.Files, row)
}

func (i *importing) object(o *Object) {
	wanted, overwrite := i.selected(i.options.Objects, o.Class, o.Name, i.options.OverwriteObjects)
	if !wanted {
		return
	}
	if o = i.policy.apply(i.from.Domain, o, i.log); o == nil {
		return
	}
	there := i.to.Find(o.Class, o.Name)
	class, known := Classes()[o.Class]
	next := i.replacement(o, there)
	row := ObjectResult{Class: o.Class, Name: o.Name, Status: "new"}
	switch {
	case there != nil && there.same(next):
		row.Status = "same"
	case there != nil:
		row.Status = "changed"
	}
	gateway := i.options.Gateway
	switch {
	case i.options.DryRun:
	case !known:
		i.log("Unknown command or macro (%s)", o.Class)
	case !gateway.Available(o.Class):
		i.log("The class %s is not available.", o.Class)
	case !gateway.MayChange(o.Class):
		i.log("Because of permissions, skip to import the configuration.")
	case there != nil && !overwrite:
	case there != nil && there.locked():
		i.log("Changes are discarded since the object is locked.")
	case class.DefaultOnly && i.options.Domain != "default", o.Class == "GeneratedPolicy" && i.from.Domain != i.options.Domain:
		row.Result = "ERROR"
		i.log("%s '%s' cannot be configured in domain %s", o.Class, o.Name, i.options.Domain)
	default:
		row.Result = "SUCCESS"
		if err := gateway.Fails(o.Class, o.Name); err != nil {
			row.Result = "ERROR"
			i.log("%s", err)
			break
		}
		i.to.Put(next)
	}
	i.result.Objects = append(i.result.Objects, row)
}

func (o *Object) locked() bool { return o.attribute("locked") == "true" }

// replacement is the object as the import makes it.
func (i *importing) replacement(o, there *Object) *Object {
	next := *o
	next.Properties = slices.Clone(o.Properties)
	if reset := o.attribute("reset"); reset != "" {
		next.Attributes = "" // it tells how to import, and is no part of the object
		if reset == "false" && there != nil {
			next = *there.With(o.Properties...)
		}
	}
	next.State, next.Since = New, i.options.Number
	if there != nil {
		next.State = Modified
	}
	for n, p := range next.Properties {
		switch {
		case o.Class == "TCPProxyService" && p.Name == "mAdminState": // its rule never sets the state
			next.Properties[n] = AdminState("enabled")
		case o.Class == "PasswordAlias" && p.Name == "Password":
			next.Properties[n].Element = "<Password/>"
			i.log("The password alias '%s' is created without its plaintext password value.", o.Name)
		case p.Name == "LocalAddress" && i.options.RewriteLocalIP:
			next.Properties[n] = i.rewritten(p)
		}
	}
	return &next
}

// rewritten is a local address of the source as the one of the same interface here.
func (i *importing) rewritten(p Property) Property {
	for name, address := range i.from.Interfaces {
		if address == "" || p.Text() != address {
			continue
		}
		here := i.options.Gateway.Interface(name)
		if here == "" {
			i.log("Cannot substitute local IP %s - interface %s not configured.", address, name)
			return p
		}
		return Property{p.Name, "<" + p.Name + ">" + here + "</" + p.Name + ">"}
	}
	return p
}
