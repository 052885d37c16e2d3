package plan

import (
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk/schema"
)

// AllDomains is the value of `domain` for tasks on a whole device.
const AllDomains = "ALL"

// Scope holds the names that lazy arguments can use. An empty text is not known
// yet.
type Scope struct {
	Run      RunScope
	Plan     *Plan
	Activity *Activity // nil: a script of the plan itself
	Device   *Device   // nil: a script of the plan itself
	Domain   string    // for tasks on a whole device always AllDomains
	Stamp    string    // the task's start; see FormatStamp
	Artifact string
	Status   string
}

// RunScope holds what lazy arguments can use of the run. Outputs of scripts are
// known once ID is.
type RunScope struct {
	ID      string
	Outputs map[string]cty.Value
}

// FormatStamp formats a task's start as the reference product does:
// yyyy-MM-dd-HH-mm-ss-SSS, in UTC.
func FormatStamp(t time.Time) string {
	t = t.UTC()
	ms := t.Nanosecond() / int(time.Millisecond)
	return t.Format("2006-01-02-15-04-05-") + string([]byte{byte('0' + ms/100), byte('0' + ms/10%10), byte('0' + ms%10)})
}

func (s Scope) domain() string {
	if s.Domain == "" && s.Activity != nil && s.Activity.Schema.Scope == schema.ScopeDevice {
		return AllDomains
	}
	return s.Domain
}

// roots are the first names of an expression's references.
type roots map[string]bool

func rootsOf(vars []hcl.Traversal) roots {
	r := roots{}
	for _, t := range vars {
		r[t.RootName()] = true
	}
	return r
}

// variables returns the names of the scope that are in want. It leaves out names
// that do not belong to the scope, such as the device in a plan's own script.
func (s Scope) variables(want roots) map[string]cty.Value {
	return s.names(want, func(name string) string { return name }, func(text, _ string) cty.Value {
		if text == "" {
			return cty.UnknownVal(cty.String).RefineNotNull()
		}
		return cty.StringVal(text)
	})
}

// names makes the variables. It passes each name of the plan through name.
// pending makes the value of a text that may not be known yet.
func (s Scope) names(want roots, name func(string) string, pending func(text, placeholder string) cty.Value) map[string]cty.Value {
	vars := map[string]cty.Value{}
	if want["run"] {
		outputs := cty.DynamicVal
		if s.Run.ID != "" {
			outputs = cty.ObjectVal(s.Run.Outputs)
		}
		vars["run"] = cty.ObjectVal(map[string]cty.Value{"id": pending(s.Run.ID, "<run>"), "outputs": outputs})
	}
	if want["status"] {
		vars["status"] = pending(s.Status, "<status>")
	}
	if want["plan"] && s.Plan != nil {
		vars["plan"] = cty.ObjectVal(map[string]cty.Value{
			"name": cty.StringVal(name(s.Plan.Name)), "description": cty.StringVal(s.Plan.Description)})
	}
	if s.Activity != nil {
		if want["activity"] {
			vars["activity"] = cty.ObjectVal(map[string]cty.Value{
				"name": cty.StringVal(name(s.Activity.Name)), "type": cty.StringVal(s.Activity.Type)})
		}
		if want["domain"] {
			vars["domain"] = pending(s.domain(), pendingDomain)
		}
		if want["stamp"] {
			vars["stamp"] = pending(s.Stamp, pendingStamp)
		}
		if want["artifact"] {
			vars["artifact"] = pending(s.Artifact, "<artifact>")
		}
	}
	if want["device"] && s.Device != nil {
		vars["device"] = s.Device.object(name)
	}
	return vars
}

// object returns the device as `device`, with its names passed through name.
func (d *Device) object(name func(string) string) cty.Value {
	if d.unchanged(name) {
		return d.plain()
	}
	return d.renamed(name)
}

// plain returns the device as `device`. It is made on first use, because few of
// ten thousand devices are ever asked for it.
func (d *Device) plain() cty.Value {
	if made := d.scope.Load(); made != nil {
		return *made
	}
	v := d.renamed(func(name string) string { return name })
	d.scope.Store(&v)
	return v
}

func (d *Device) renamed(name func(string) string) cty.Value {
	labels := cty.MapValEmpty(cty.String)
	if len(d.Labels) > 0 {
		m := make(map[string]cty.Value, len(d.Labels))
		for k, v := range d.Labels {
			m[k] = cty.StringVal(name(v))
		}
		labels = cty.MapVal(m)
	}
	return cty.ObjectVal(map[string]cty.Value{
		"name":   cty.StringVal(name(d.Name)),
		"type":   cty.StringVal(d.Type),
		"label":  cty.StringVal(d.Label),
		"key":    cty.StringVal(name(d.Key)),
		"group":  cty.StringVal(name(d.Group)),
		"labels": labels,
		"vars":   d.Vars,
	})
}

// unchanged reports whether name leaves all names of the device as they are.
func (d *Device) unchanged(name func(string) string) bool {
	if name(d.Name) != d.Name || name(d.Key) != d.Key || name(d.Group) != d.Group {
		return false
	}
	for _, v := range d.Labels {
		if name(v) != v {
			return false
		}
	}
	return true
}
