package plan

import (
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/sdk/schema"
)

// AllDomains is what `domain` is for tasks of a whole device.
const AllDomains = "ALL"

// Scope is what lazy arguments know. An empty text is not known yet.
type Scope struct {
	Run      RunScope
	Plan     *Plan
	Activity *Activity // nil: a script of the plan itself
	Device   *Device   // likewise
	Domain   string    // AllDomains without being said for tasks of a whole device
	Stamp    string    // the task's start; see FormatStamp
	Artifact string
	Status   string
}

// RunScope is what lazy arguments know of the run. Outputs of scripts are
// known once ID is.
type RunScope struct {
	ID      string
	Outputs map[string]cty.Value
}

// FormatStamp writes a task's start as the reference product does:
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

func maybe(text string) cty.Value {
	if text == "" {
		return cty.UnknownVal(cty.String).RefineNotNull()
	}
	return cty.StringVal(text)
}

// variables are the names of the scope. What does not belong to it, such as
// the device of a plan's own script, is not among them.
func (s Scope) variables() map[string]cty.Value {
	outputs := cty.DynamicVal
	if s.Run.ID != "" {
		outputs = cty.ObjectVal(s.Run.Outputs)
	}
	vars := map[string]cty.Value{
		"run":    cty.ObjectVal(map[string]cty.Value{"id": maybe(s.Run.ID), "outputs": outputs}),
		"status": maybe(s.Status),
	}
	if s.Plan != nil {
		vars["plan"] = cty.ObjectVal(map[string]cty.Value{
			"name": cty.StringVal(s.Plan.Name), "description": cty.StringVal(s.Plan.Description)})
	}
	if s.Activity != nil {
		vars["activity"] = cty.ObjectVal(map[string]cty.Value{
			"name": cty.StringVal(s.Activity.Name), "type": cty.StringVal(s.Activity.Type)})
		vars["domain"] = maybe(s.domain())
		vars["stamp"] = maybe(s.Stamp)
		vars["artifact"] = maybe(s.Artifact)
	}
	if s.Device != nil {
		vars["device"] = s.Device.scope
	}
	return vars
}

// object is the device as `device`, its names passed through name.
func (d *Device) object(name func(string) string) cty.Value {
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
