package appliance

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/dprun/dprun/testfixtures/dpsim/config"
)

// Import is a do-import.
type Import struct {
	Content          []byte // the package
	XML              bool   // it is the list of contents alone
	DryRun           bool
	OverwriteObjects bool
	OverwriteFiles   bool
	RewriteLocalIP   bool
	PolicyName       string // of a policy object of the domain
	VariablesName    string
	Policy           config.Policy
	Objects, Files   []config.Selected
}

// Imported is what an import answers with.
type Imported struct {
	config.Result
	DryRun bool
	// How the reply is spoilt on purpose: no_logs, no_domain, order, empty.
	Spoilt []string
	Word   string // in the place of every status word
}

// Import carries out a do-import. A backup that is imported into default creates
// the domains it holds.
func (a *Appliance) Import(name string, r Import) (*Imported, error) {
	const op = "do-import"
	a.mu.Lock()
	refused := a.takeFault("import_refused", op, name)
	full := a.takeFault("import_disk_full", op, name)
	r.DryRun = r.DryRun && a.takeFault("import_dry_run_ignored", op, name) == nil
	a.mu.Unlock()
	switch {
	case refused != nil:
		return nil, refuse("%s", refused.text("Import failed."))
	case full != nil:
		return nil, refuse("Import: File system full.")
	}
	p, err := r.read()
	if err != nil {
		return nil, err
	}
	if len(p.Domains) > 0 {
		return a.importBackup(name, p, r)
	}
	return a.importPackage(name, p, r)
}

func (r Import) read() (*config.Package, error) {
	if r.XML {
		p, err := config.ReadXML(r.Content)
		if err != nil {
			return nil, refuse("Export file that is specified as XML is unreadable. Import failed.")
		}
		return p, nil
	}
	p, err := config.Read(bytes.NewReader(r.Content), int64(len(r.Content)))
	if err != nil {
		return nil, refuse("Unable to uncompress export file. Import failed.")
	}
	return p, nil
}

func (a *Appliance) importBackup(name string, p *config.Package, r Import) (*Imported, error) {
	if name != "default" {
		return nil, refuse("Import: No domain access.")
	}
	out := &Imported{DryRun: r.DryRun, Result: config.Result{Domain: name, Details: p.Details}}
	for _, domain := range p.Domains {
		nested, err := p.Nested(domain)
		if err != nil {
			return nil, refuse("Import: Failed to extract file '%s'.", domain+".zip")
		}
		if r.DryRun {
			continue
		}
		if !a.HasDomain(domain) {
			if err := a.SetObject("default", "Domain", domain, "set-config", nil); err != nil {
				return nil, err
			}
		}
		done, err := a.importPackage(domain, nested, r)
		if err != nil {
			return nil, err
		}
		out.Objects = append(out.Objects, done.Objects...)
		out.Files = append(out.Files, done.Files...)
	}
	return out, nil
}

func (a *Appliance) importPackage(name string, p *config.Package, r Import) (*Imported, error) {
	var delivered map[string]string
	if r.DryRun { // which changes nothing, not even what is made at the first change
		listed, err := a.deliveredFiles(name)
		if err != nil {
			return nil, err
		}
		delivered = listed
	} else if err := a.ownFiles(name); err != nil {
		return nil, err
	}
	// The files of the package are kept first, without the lock.
	contents := map[string]*File{}
	for _, f := range p.Files {
		if !f.Held() || f.Internal {
			continue
		}
		content, err := f.Open()
		if err != nil {
			return nil, refuse("Import: Failed to extract file '%s'.", f.Name)
		}
		kept, err := a.fileOf(content)
		content.Close()
		if err != nil {
			return nil, refuse("Import: Failed to extract file '%s'.", f.Name)
		}
		contents[f.Name] = kept
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	d := a.domain(name)
	if d == nil {
		return nil, refuse("Domain '%s' does not exist", name)
	}
	policy, err := a.policy(d, r)
	if err != nil {
		return nil, err
	}
	if a.takeFault("import_policy_ignored", "do-import", name) != nil {
		policy = config.Policy{}
	}
	a.imports++
	target := &target{a: a, d: d, contents: contents, delivered: delivered}
	next, result, err := a.configuration(d).Import(p, config.Options{
		DryRun: r.DryRun, OverwriteObjects: r.OverwriteObjects, OverwriteFiles: r.OverwriteFiles, RewriteLocalIP: r.RewriteLocalIP,
		Policy: policy, Objects: r.Objects, Files: r.Files, Domain: name, Number: a.imports, Gateway: target,
	})
	if err != nil {
		return nil, refuse("%s", err)
	}
	if !r.DryRun {
		a.changing(d)
		d.running, d.saveNeeded = next, true
		d.changes++
		for _, f := range p.Files {
			if !f.Internal && !f.Held() && !slices.Contains(d.absent, f.Name) {
				d.absent = append(d.absent, f.Name)
			}
		}
		d.imports = append(d.imports, result.Log...)
		for _, o := range result.Objects {
			if does := config.Starts(o.Class); does != "" && o.Result == "SUCCESS" && !next.Find(o.Class, o.Name).Disabled() {
				a.setOff = append(a.setOff, fmt.Sprintf("%s: %s %s %s", name, o.Class, o.Name, does))
			}
		}
	}
	return a.spoil(&Imported{Result: result, DryRun: r.DryRun}, name), nil
}

// spoil makes a reply the way the faults that meet it want; a.mu is held.
func (a *Appliance) spoil(done *Imported, name string) *Imported {
	const op = "do-import"
	for _, kind := range []string{"no_logs", "no_domain", "order", "empty"} {
		if a.takeFault("import_"+kind, op, name) != nil {
			done.Spoilt = append(done.Spoilt, kind)
		}
	}
	if a.takeFault("import_detected_errors", op, name) != nil {
		done.DetectedErrors = true
	}
	if f := a.takeFault("import_word", op, name); f != nil {
		done.Word = f.text("pondered")
	}
	return done
}

// policy is the policy of a request: inline, or an object of the domain; a.mu is held.
func (a *Appliance) policy(d *domain, r Import) (config.Policy, error) {
	p := r.Policy
	if r.PolicyName != "" {
		o := a.configuration(d).Find("ConfigDeploymentPolicy", r.PolicyName)
		if o == nil {
			return p, refuse("Cannot find referenced deployment policy %s.", r.PolicyName)
		}
		p = config.PolicyOf(o)
	}
	if r.VariablesName != "" {
		o := a.configuration(d).Find("DeploymentPolicyParametersBinding", r.VariablesName)
		if o == nil {
			return p, refuse("Cannot find referenced deployment policy variables %s.", r.VariablesName)
		}
		p.Variables = config.VariablesOf(o)
	}
	return p, nil
}

// target is the domain that an import goes into. The gateway's lock is held.
type target struct {
	a        *Appliance
	d        *domain
	contents map[string]*File
	// delivered are the hashes of the files of a domain that still has those which
	// it was delivered with.
	delivered map[string]string
}

func (t *target) Available(class string) bool {
	switch class {
	case "APIConnectGatewayService", "APIGateway":
		return t.a.profile.APIConnect
	case "GatewayPeering", "GatewayPeeringManager":
		return t.a.profile.GatewayPeering
	}
	return !slices.Contains(t.a.spec.Unlicensed, class)
}

func (t *target) MayChange(class string) bool {
	if f := t.fault("import_object_skipped"); f != nil && (f.File == "" || f.File == class) {
		return false
	}
	uri := config.Classes()[class].URI
	return t.a.May(t.d.name, uri, "a") && t.a.May(t.d.name, uri, "w")
}

// fault is a fault of an import, which meets many of its items.
func (t *target) fault(kind string) *Fault {
	for _, f := range t.a.faults {
		if f.Kind == kind && f.matches("do-import", []string{t.d.name}) {
			return f
		}
	}
	return nil
}

func (t *target) MayWrite(store string) bool {
	return t.fault("import_file_skipped") == nil && t.a.May(t.d.name, "file/"+store, "w")
}

func (t *target) Interface(name string) string {
	if d := t.a.exportDevice(); d.Interface == name {
		return d.InterfaceIP
	}
	return ""
}

func (t *target) FileHash(name string) (string, bool) {
	f := t.a.files[t.d.name][NormalPath(name)]
	if f == nil {
		hash, there := t.delivered[name]
		return hash, there
	}
	return f.hash(), true
}

// noAccess is how the appliance refuses to write a file.
const noAccess = "No access to file"

func (t *target) WriteFile(f config.File) error {
	if fault := t.fault("import_file_fails"); fault != nil && (fault.File == "" || fault.File == f.Name) {
		return errors.New(fault.text(noAccess))
	}
	store, _ := f.Store()
	if !slices.Contains(exportedStores, store) && store != "config" {
		return fmt.Errorf("%s '%s'", noAccess, f.Name)
	}
	t.a.putFile(t.d.name, NormalPath(f.Name), t.contents[f.Name])
	return nil
}

func (t *target) Fails(class, name string) error {
	f := t.fault("import_object_fails")
	if f == nil || f.File != "" && f.File != class+"/"+name {
		return nil
	}
	return errors.New(f.text("required property LocalPort is missing"))
}

// surroundings are what the states of a domain's objects depend on; a.mu is held.
func (a *Appliance) surroundings(d *domain) config.Surroundings {
	listeners := sync.OnceValue(func() map[string][]*config.Object {
		out := map[string][]*config.Object{}
		for _, other := range a.domains {
			for _, o := range a.configuration(other).Objects {
				if port := o.Value("LocalPort"); port != "" {
					out[port] = append(out[port], o)
				}
			}
		}
		return out
	})
	return config.Surroundings{
		HasFile: func(uri string) bool {
			return a.files[d.name][NormalPath(uri)] != nil || strings.HasPrefix(uri, "store:")
		},
		PortTaken: func(o *config.Object) bool {
			if f := (&target{a: a, d: d}).fault("port_in_use"); f != nil && o.Value("LocalPort") == f.text(o.Value("LocalPort")) && o.Since > 0 {
				return true
			}
			return slices.ContainsFunc(listeners()[o.Value("LocalPort")], func(other *config.Object) bool { return other.Since < o.Since && config.Clash(o, other) })
		},
	}
}
