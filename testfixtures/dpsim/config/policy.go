package config

import (
	"encoding/xml"
	"fmt"
	"regexp"
	"strings"
)

// Policy is a deployment policy.
type Policy struct {
	Accepted, Filtered []string // matching statements
	Modified           []Modify
	Variables          map[string]string // for ${name} in values
}

// Modify is a statement that changes properties.
type Modify struct{ Match, Type, Property, Value string }

// MissingVariableError reports a variable that nothing gives a value.
type MissingVariableError struct{ Name string }

func (e *MissingVariableError) Error() string {
	return fmt.Sprintf("Cannot find variable %s in deployment policy variables configuration.", e.Name)
}

// statement is a matching statement: address/domain/resource?Name=…&Property=…&Value=….
type statement struct {
	domain, resource string
	name, value      *regexp.Regexp
	property         string
}

var statementForm = regexp.MustCompile(`^[-_a-zA-Z0-9:.*]+/([-_a-zA-Z0-9.*]+)/([-a-z0-9/*]+)(\?[^=]+=[^&]+(&[^=]+=[^&]+)*)?$`)

func parseStatement(text string) (statement, error) {
	m := statementForm.FindStringSubmatch(text)
	if m == nil {
		return statement{}, fmt.Errorf("the matching statement %q is not valid", text)
	}
	s := statement{domain: m[1], resource: m[2]}
	for key := range strings.SplitSeq(strings.TrimPrefix(m[3], "?"), "&") {
		name, value, _ := strings.Cut(key, "=")
		if name == "Property" {
			s.property = value
			continue
		}
		if name != "Name" && name != "Value" {
			continue
		}
		pattern, err := regexp.Compile("^(?:" + value + ")$")
		if err != nil {
			return statement{}, fmt.Errorf("the matching statement %q is not valid: %w", text, err)
		}
		if name == "Name" {
			s.name = pattern
		} else {
			s.value = pattern
		}
	}
	return s, nil
}

// fits reports whether the statement is about the object.
func (s statement) fits(domain string, o *Object) bool {
	uri := Classes()[o.Class].URI
	if s.domain != "*" && s.domain != domain || s.resource != "*" && s.resource != uri || s.name != nil && !s.name.MatchString(o.Name) {
		return false
	}
	if s.property == "" || s.value == nil {
		return true
	}
	return s.value.MatchString(o.Value(s.property))
}

// compiled is a policy whose statements are parsed.
type compiled struct {
	accepted, filtered, modified []statement
	policy                       Policy
}

func (p Policy) compile() (compiled, error) {
	c := compiled{policy: p}
	parse := func(texts []string) ([]statement, error) {
		var out []statement
		for _, text := range texts {
			s, err := parseStatement(text)
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		}
		return out, nil
	}
	var matches []string
	for _, m := range p.Modified {
		matches = append(matches, m.Match)
		for _, name := range variable.FindAllStringSubmatch(m.Value, -1) {
			if _, known := p.Variables[name[1]]; !known {
				return c, &MissingVariableError{name[1]}
			}
		}
	}
	var err error
	if c.accepted, err = parse(p.Accepted); err != nil {
		return c, err
	}
	if c.filtered, err = parse(p.Filtered); err != nil {
		return c, err
	}
	c.modified, err = parse(matches)
	return c, err
}

var variable = regexp.MustCompile(`\$\{([^}]+)\}`)

// apply evaluates the policy for an object: accept, filter, modify. nil: the
// object is not imported. The first statement that modifies a property wins.
func (c compiled) apply(domain string, o *Object, log func(format string, args ...any)) *Object {
	fitting := func(statements []statement) int {
		for i, s := range statements {
			if s.fits(domain, o) {
				return i
			}
		}
		return -1
	}
	if len(c.accepted) > 0 && fitting(c.accepted) < 0 {
		log("Import skipped due to configured but non-matching deployment policy accept statement.")
		return nil
	}
	if i := fitting(c.filtered); i >= 0 {
		log("Import skipped due to deployment policy filter statement #: %d.", i+1)
		return nil
	}
	changed := map[string]bool{}
	original := o
	for i, s := range c.modified {
		m := c.policy.Modified[i]
		if !s.fits(domain, original) {
			continue
		}
		property := s.property
		if m.Type == "add" {
			property = m.Property
		}
		if changed[property] {
			log("Skipped matching but conflicting deployment policy modify statement # %d.", i+1)
			continue
		}
		changed[property] = true
		value := variable.ReplaceAllStringFunc(m.Value, func(v string) string { return c.policy.Variables[v[2:len(v)-1]] })
		o = modify(o, m.Type, property, value, i+1, log)
	}
	return o
}

func modify(o *Object, kind, property, value string, number int, log func(string, ...any)) *Object {
	element := Property{property, "<" + property + ">" + escape(value) + "</" + property + ">"}
	switch kind {
	case "delete":
		out := *o
		out.Properties = nil
		for _, p := range o.Properties {
			if p.Name != property {
				out.Properties = append(out.Properties, p)
			}
		}
		log("Deleted %s due to deployment policy modify statement # %d.", property, number)
		return &out
	case "change":
		before := o.Value(property)
		out := *o
		out.Properties = nil
		for _, p := range o.Properties {
			if p.Name == property {
				// A reference stays one.
				if end := strings.IndexByte(p.Element, '>'); end > 0 && !strings.HasSuffix(p.Element[:end], "/") {
					p.Element = p.Element[:end+1] + escape(value) + "</" + property + ">"
				} else {
					p = element
				}
			}
			out.Properties = append(out.Properties, p)
		}
		log("Changed %s from %s to %s due to deployment policy modify statement # %d.", property, before, value, number)
		return &out
	}
	log("Added %s due to deployment policy modify statement # %d.", property, number)
	return o.With(element)
}

// PolicyOf is the policy that an object of class ConfigDeploymentPolicy holds.
func PolicyOf(o *Object) Policy {
	var p Policy
	for _, property := range o.Properties {
		switch property.Name {
		case "AcceptedConfig":
			p.Accepted = append(p.Accepted, property.Text())
		case "FilteredConfig":
			p.Filtered = append(p.Filtered, property.Text())
		case "ModifiedConfig":
			var m Modify
			_ = xml.Unmarshal([]byte(property.Element), &m)
			p.Modified = append(p.Modified, m)
		}
	}
	return p
}

// VariablesOf are the values that a DeploymentPolicyParametersBinding gives.
func VariablesOf(o *Object) map[string]string {
	out := map[string]string{}
	for _, property := range o.Properties {
		var v struct{ ParameterName, ParameterValue string }
		if property.Name == "DeploymentPolicyParameter" && xml.Unmarshal([]byte(property.Element), &v) == nil {
			out[v.ParameterName] = v.ParameterValue
		}
	}
	return out
}
