package appliance

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// object is a configuration object of a domain.
type object struct {
	ObjectSpec
	properties []Property // as set-config and modify-config gave them
}

// Property is a property of an object: its name, and its element as text.
type Property struct{ Name, Element string }

var (
	errNoObject = refuse("Cannot find configuration object")
	domainName  = regexp.MustCompile(`^[-_.a-z0-9A-Z]{1,128}$`)
)

// find is the index of an object, or -1.
func (d *domain) find(class, name string) int {
	return slices.IndexFunc(d.objects, func(o object) bool { return o.Class == class && o.Name == name })
}

// SetObject creates, changes or removes an object as set-config,
// modify-config and del-config do. A Domain object is a domain.
func (a *Appliance) SetObject(domainName, class, name, operation string, properties []Property) error {
	return a.withDomain(domainName, func(d *domain) error {
		if class == "Domain" {
			return a.setDomain(d, name, operation)
		}
		i := d.find(class, name)
		switch {
		case i < 0 && operation != "set-config":
			return errNoObject
		case operation == "del-config":
			d.objects = slices.Delete(slices.Clone(d.objects), i, i+1)
		case i < 0:
			d.objects = append(slices.Clip(d.objects), object{ObjectSpec{Class: class, Name: name}, nil}.with(properties))
		default:
			o := d.objects[i]
			if operation == "set-config" {
				o.properties = nil
			}
			d.objects = slices.Clone(d.objects) // a checkpoint may hold the old ones
			d.objects[i] = o.with(properties)
		}
		d.saveNeeded = true
		return nil
	})
}

// with is the object with properties in the place of those of their names.
func (o object) with(properties []Property) object {
	given := func(p Property) bool {
		return slices.ContainsFunc(properties, func(q Property) bool { return q.Name == p.Name })
	}
	o.properties = append(slices.DeleteFunc(slices.Clone(o.properties), given), properties...)
	disabled := slices.ContainsFunc(o.properties, func(p Property) bool {
		return p.Name == "mAdminState" && strings.Contains(p.Element, ">disabled<")
	})
	switch {
	case disabled:
		o.State = "disabled"
	case o.State == "disabled":
		o.State = ""
	}
	return o
}

// setDomain makes or removes a domain; in is the domain of the request.
func (a *Appliance) setDomain(in *domain, name, operation string) error {
	there := a.domain(name) != nil
	switch {
	case in.name != "default":
		return refuse("Class 'Domain' is only available in the default domain")
	case !there && operation != "set-config":
		return errNoObject
	case operation == "del-config" && name == "default":
		return refuse("Domain 'default' cannot be deleted")
	case operation == "del-config":
		a.removeDomain(name)
	case !domainName.MatchString(name):
		return refuse("Value '%s' for name is not valid", name)
	case !there:
		d := newDomain(DomainSpec{Name: name, Objects: intrinsic}, a.exportSize)
		a.domains = append(a.domains, d)
		a.sizes.Store(name, a.exportSize)
	}
	in.saveNeeded = true
	return nil
}

// intrinsic are the objects that a domain has without anybody's doing.
var intrinsic = []ObjectSpec{{Class: "XMLManager", Name: "default"}}

// ResetDomain takes all objects out of a domain; its files stay.
func (a *Appliance) ResetDomain(domainName string) error {
	return a.withDomain(domainName, func(d *domain) error {
		d.objects, d.saveNeeded = objectsOf(DomainSpec{Objects: intrinsic}), true
		return nil
	})
}

// QuiesceService takes one service out of service.
func (a *Appliance) QuiesceService(domainName, class, name string, timeout time.Duration) error {
	if err := checkTimeout(timeout, 0); err != nil {
		return err
	}
	return a.serviceState(domainName, class, name, "quiesced")
}

// UnquiesceService puts one service back into service.
func (a *Appliance) UnquiesceService(domainName, class, name string) error {
	return a.serviceState(domainName, class, name, "")
}

func (a *Appliance) serviceState(domainName, class, name, state string) error {
	return a.withDomain(domainName, func(d *domain) error {
		i := d.find(class, name)
		if i < 0 {
			return errNoObject
		}
		d.objects = slices.Clone(d.objects)
		d.objects[i].State = state
		return nil
	})
}
