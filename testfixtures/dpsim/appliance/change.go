package appliance

import (
	"regexp"
	"slices"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim/config"
)

// Checkpoint is a configuration checkpoint of a domain.
type Checkpoint struct {
	Name    string
	Time    time.Time
	there   time.Time // it is listed from then on
	objects *config.Config
	files   map[string]*File // of local:; nil: as they were delivered
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
			if a.Clock.Now().Before(c.there) {
				continue
			}
			out = append(out, Checkpoint{Name: c.Name, Time: c.Time.In(a.zone)})
		}
		return nil
	})
	return out
}

// SaveCheckpoint keeps the configuration under a name. It is listed once it is
// written.
func (a *Appliance) SaveCheckpoint(domainName, name string) error {
	return a.withDomain(domainName, func(d *domain) error {
		switch {
		case !checkpointName.MatchString(name):
			return refuse("Configuration Checkpoint '%s' is not valid name.", name)
		case slices.ContainsFunc(d.checkpoints, func(c Checkpoint) bool { return c.Name == name }):
			return refuse("Configuration Checkpoint '%s' already exists.", name)
		case len(d.checkpoints) >= maxCheckpoints:
			return refuse("Maximum number of Configuration Checkpoint reached.")
		}
		const op = "do-action/SaveCheckpoint"
		now := a.Clock.Now()
		d.runUntil["save chkpoint"] = now.Add(a.times.checkpoint)
		if a.takeFault("checkpoint_never_saved", op, domainName) == nil {
			d.checkpoints = append(d.checkpoints, Checkpoint{name, now, now.Add(a.times.checkpoint), a.configuration(d), a.localFiles(d)})
		}
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

// RollbackCheckpoint brings back the objects and the files of local: that a
// checkpoint was made of. The domain restarts with them; they are not saved.
func (a *Appliance) RollbackCheckpoint(domainName, name string) error {
	return a.withDomain(domainName, func(d *domain) error {
		i := slices.IndexFunc(d.checkpoints, func(c Checkpoint) bool { return c.Name == name })
		if i < 0 {
			return refuse("Cannot find Configuration Checkpoint '%s'.", name)
		}
		now := a.Clock.Now()
		d.runUntil["rollback chkpoint"] = now.Add(a.times.checkpoint)
		if a.takeFault("rollback_fails", "do-action/RollbackCheckpoint", domainName) != nil {
			return nil // accepted, and nothing comes of it
		}
		objects := d.checkpoints[i].objects
		if objects == nil {
			objects = a.delivered(d, false)
		}
		a.changing(d)
		d.running = objects.Clone()
		d.changes++
		a.rewind(d, d.checkpoints[i].files)
		d.become(now, Normal)
		d.late, d.saveNeeded, d.objectsDown = nil, true, now.Add(a.times.checkpoint)
		return nil
	})
}

// RestartDomain starts a domain again: what was not saved is gone, and it is in
// service.
func (a *Appliance) RestartDomain(domainName string) error {
	return a.withDomain(domainName, func(d *domain) error {
		d.become(a.Clock.Now(), Normal)
		d.restart()
		if domainName == "default" {
			a.forgetUnsaved()
		}
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
		if a.configuration(d).Find(class, name) == nil {
			return errNoObject
		}
		return nil
	})
}
