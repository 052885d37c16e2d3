package appliance

import (
	"regexp"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim/config"
)

// Property is a property of an object: its name, and its element as text.
type Property = config.Property

var (
	errNoObject = refuse("Cannot find configuration object")
	domainName  = regexp.MustCompile(`^[-_.a-z0-9A-Z]{1,128}$`)
)

// SetObject creates, changes or removes an object as set-config,
// modify-config and del-config do. A Domain object is a domain.
func (a *Appliance) SetObject(domainName, class, name, operation string, properties []Property) error {
	return a.withDomain(domainName, func(d *domain) error {
		if class == "Domain" {
			return a.setDomain(d, name, operation, properties)
		}
		there := a.configuration(d).Find(class, name)
		if there == nil && operation != "set-config" {
			return errNoObject
		}
		c := a.changing(d)
		switch {
		case operation == "del-config":
			c.Remove(class, name)
		case there == nil:
			c.Put(&config.Object{Class: class, Name: name, State: config.New, Properties: properties})
		case operation == "set-config":
			c.Put(&config.Object{Class: class, Name: name, State: config.Modified, Properties: properties, Hidden: there.Hidden})
		default:
			next := there.With(properties...)
			next.State = config.Modified
			c.Put(next)
		}
		d.saveNeeded = true
		d.changes++
		return nil
	})
}

// setDomain makes or removes a domain; in is the domain of the request.
func (a *Appliance) setDomain(in *domain, name, operation string, properties []Property) error {
	there := a.domain(name) != nil
	switch {
	case in.name != "default":
		return refuse("Class 'Domain' is only available in the default domain")
	case !there && operation != "set-config":
		return errNoObject
	case operation == "del-config" && name == "default":
		return refuse("Domain 'default' cannot be deleted")
	case operation == "del-config":
		if a.takeFault("domain_delete_refused", operation, name) != nil {
			return refuse("Domain '%s' cannot be deleted until all users are logged out.", name)
		}
		if f := a.takeFault("domain_delete_slow", operation, name); f != nil {
			d := a.domain(name)
			d.gone = a.Clock.Now().Add(f.after)
			d.runUntil["no domain"] = d.gone
			a.leaving = true
			break
		}
		a.removeDomain(name)
	case !domainName.MatchString(name):
		return refuse("Value '%s' for name is not valid", name)
	case !there:
		d := newDomain(DomainSpec{Name: name}, a.exportSize)
		d.bare, d.unsaved, d.files = true, true, map[string]*File{}
		if f := a.takeFault("domain_create_slow", operation, name); f != nil {
			d.runUntil["domain"] = a.Clock.Now().Add(f.after)
		}
		a.domains = append(a.domains, d)
		a.sizes.Store(name, a.exportSize)
	}
	if d := a.domain(name); d != nil {
		for _, p := range properties {
			if p.Name == "UserSummary" {
				d.summary = p.Text()
			}
		}
	}
	in.saveNeeded = true
	return nil
}

// ResetDomain takes all objects out of a domain; its files stay.
func (a *Appliance) ResetDomain(domainName string) error {
	return a.withDomain(domainName, func(d *domain) error {
		a.changing(d).Objects = config.Intrinsic().Objects
		d.saveNeeded = true
		d.changes++
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
		there := a.configuration(d).Find(class, name)
		if there == nil {
			return errNoObject
		}
		next := there.With()
		next.Condition = state
		a.changing(d).Put(next)
		return nil
	})
}
