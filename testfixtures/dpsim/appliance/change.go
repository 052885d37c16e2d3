package appliance

import (
	"regexp"
	"slices"
	"time"
)

// Checkpoint is a configuration checkpoint of a domain.
type Checkpoint struct {
	Name    string
	Time    time.Time
	objects []object
}

var checkpointName = regexp.MustCompile(`^[-_a-z0-9A-Z]+$`)

// maxCheckpoints is what a Domain object allows unless it says otherwise.
const maxCheckpoints = 3

// withDomain does something to a domain.
func (a *Appliance) withDomain(name string, do func(d *domain) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	d := a.domain(name)
	if d == nil {
		return refuse("Domain '%s' does not exist", name)
	}
	return do(d)
}

// Checkpoints lists the checkpoints of a domain.
func (a *Appliance) Checkpoints(domainName string) []Checkpoint {
	var out []Checkpoint
	_ = a.withDomain(domainName, func(d *domain) error {
		for _, c := range d.checkpoints {
			out = append(out, Checkpoint{Name: c.Name, Time: c.Time.In(a.zone)})
		}
		return nil
	})
	return out
}

// SaveCheckpoint keeps the configuration under a name.
func (a *Appliance) SaveCheckpoint(domainName, name string) error {
	return a.withDomain(domainName, func(d *domain) error {
		switch {
		case !checkpointName.MatchString(name):
			return refuse("Value '%s' for parameter ChkName is not valid", name)
		case slices.ContainsFunc(d.checkpoints, func(c Checkpoint) bool { return c.Name == name }):
			return refuse("Configuration Checkpoint '%s' already exists.", name)
		case len(d.checkpoints) >= maxCheckpoints:
			return refuse("Maximum number of Configuration Checkpoint reached.")
		}
		d.checkpoints = append(d.checkpoints, Checkpoint{name, a.Clock.Now(), slices.Clone(d.objects)})
		return nil
	})
}

// RemoveCheckpoint forgets a checkpoint.
func (a *Appliance) RemoveCheckpoint(domainName, name string) error {
	return a.withDomain(domainName, func(d *domain) error {
		i := slices.IndexFunc(d.checkpoints, func(c Checkpoint) bool { return c.Name == name })
		if i < 0 {
			return refuse("Cannot find Configuration Checkpoint '%s'.", name)
		}
		d.checkpoints = slices.Delete(d.checkpoints, i, i+1)
		return nil
	})
}

// RollbackCheckpoint brings back the objects that a checkpoint was made of.
func (a *Appliance) RollbackCheckpoint(domainName, name string) error {
	return a.withDomain(domainName, func(d *domain) error {
		i := slices.IndexFunc(d.checkpoints, func(c Checkpoint) bool { return c.Name == name })
		if i < 0 {
			return refuse("Cannot find Configuration Checkpoint '%s'.", name)
		}
		d.objects, d.saveNeeded = slices.Clone(d.checkpoints[i].objects), true
		return nil
	})
}

// RestartDomain starts a domain again: what was not saved is gone, and it is in
// service.
func (a *Appliance) RestartDomain(domainName string) error {
	return a.withDomain(domainName, func(d *domain) error {
		d.become(a.Clock.Now(), Normal)
		d.late, d.saveNeeded = nil, false
		return nil
	})
}

// ExecConfig runs a script of commands that is there; it changes something.
func (a *Appliance) ExecConfig(domainName, url string) error {
	if _, err := a.ReadFile(domainName, url); err != nil {
		return refuse("Unable to execute %s - must be text file.", url)
	}
	return a.withDomain(domainName, func(d *domain) error {
		d.saveNeeded = true
		return nil
	})
}

// HasObject is an error unless the domain has the object.
func (a *Appliance) HasObject(domainName, class, name string) error {
	return a.withDomain(domainName, func(d *domain) error {
		if d.find(class, name) < 0 {
			return errNoObject
		}
		return nil
	})
}
