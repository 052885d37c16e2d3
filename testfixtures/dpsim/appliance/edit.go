package appliance

import (
	"context"
	"fmt"
	"time"
)

// Edit changes a gateway by hand, as an operator or an accident would. Fields
// that are absent leave things as they are.
type Edit struct {
	Device string `json:"device,omitempty"` // used by the fleet
	Domain string `json:"domain,omitempty"`

	// Of the domain:
	SaveNeeded     *bool       `json:"save_needed,omitempty"`
	QuiesceState   *string     `json:"quiesce_state,omitempty"`
	CurrentCommand *string     `json:"current_command,omitempty"`
	Busy           *bool       `json:"busy,omitempty"`
	Remove         bool        `json:"remove,omitempty"`
	Object         *ObjectSpec `json:"object,omitempty"` // its state; added if new

	// Of the gateway:
	Down          *bool            `json:"down,omitempty"`
	Reboot        bool             `json:"reboot,omitempty"`
	Outage        string           `json:"outage,omitempty"` // of the reboot
	BackupMode    *string          `json:"backup_mode,omitempty"`
	Password      *string          `json:"password,omitempty"`
	FreeTemporary *string          `json:"free_temporary,omitempty"`
	FreeInternal  *string          `json:"free_internal,omitempty"`
	LoadPercent   *int             `json:"load_percent,omitempty"`
	MemoryPercent *int             `json:"memory_percent,omitempty"`
	Throttle      *int             `json:"temp_fs_throttle,omitempty"`
	Users         *[]UserSpec      `json:"users,omitempty"` // all that are logged in
	CPUPercent    *int             `json:"cpu_percent,omitempty"`
	Certificate   *CertificateSpec `json:"certificate,omitempty"` // its state; added if new
	RemoveFile    string           `json:"remove_file,omitempty"` // of the default domain
	TakeOver      string           `json:"take_over,omitempty"`   // a group: "standby 5", "peering default/gwp", "quota server"
	ResetCounters bool             `json:"reset_counters,omitempty"`
	TLS           string           `json:"tls,omitempty"` // used by the fleet
}

// Apply carries out an edit. ctx bounds the outage of a reboot.
func (a *Appliance) Apply(ctx context.Context, e Edit) error {
	var p parser
	outage := p.duration("outage", e.Outage, 0)
	free := func(field string, text *string, into *int64) {
		if text != nil {
			*into = p.size(field, *text, 0)
		}
	}
	var space space
	free("free_temporary", e.FreeTemporary, &space.freeTemporary)
	free("free_internal", e.FreeInternal, &space.freeInternal)
	if e.BackupMode != nil {
		p.choice("backup_mode", *e.BackupMode, "secure", "normal")
	}
	if e.QuiesceState != nil {
		p.choice("quiesce_state", *e.QuiesceState, Normal, Quiescing, Quiesced, Unquiescing, Broken, Unknown)
	}
	if p.err != nil {
		return p.err
	}
	if err := a.edit(e, space); err != nil {
		return err
	}
	if e.ResetCounters {
		a.ResetCounters()
	}
	if e.TakeOver != "" {
		if err := a.Groups.takeOver(e.TakeOver, a); err != nil {
			return err
		}
	}
	if e.RemoveFile != "" {
		if err := a.DeleteFile("default", e.RemoveFile); err != nil {
			return err
		}
	}
	if e.Down != nil {
		a.SetUp(!*e.Down)
	}
	if e.Reboot {
		a.Reboot(ctx, outage)
	}
	return nil
}

func (a *Appliance) edit(e Edit, space space) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e.Domain != "" {
		if err := a.editDomain(e); err != nil {
			return err
		}
	}
	if e.FreeTemporary != nil {
		a.space.freeTemporary = space.freeTemporary
	}
	if e.FreeInternal != nil {
		a.space.freeInternal = space.freeInternal
	}
	if e.BackupMode != nil {
		a.backupMode = *e.BackupMode
	}
	if e.Password != nil {
		a.password = *e.Password
	}
	if e.CPUPercent != nil {
		a.spec.CPUPercent = *e.CPUPercent
	}
	if e.LoadPercent != nil {
		a.spec.LoadPercent = *e.LoadPercent
	}
	if e.MemoryPercent != nil {
		a.spec.MemoryPercent = *e.MemoryPercent
	}
	if e.Throttle != nil {
		a.spec.TempFSThrottle = *e.Throttle
	}
	if e.Users != nil {
		a.spec.Users = *e.Users
	}
	if e.Certificate != nil {
		a.editCertificate(*e.Certificate)
	}
	return nil
}

func (a *Appliance) editDomain(e Edit) error {
	d := a.domain(e.Domain)
	if d == nil {
		return fmt.Errorf("device %q has no domain %q", a.name, e.Domain)
	}
	if e.SaveNeeded != nil {
		d.saveNeeded = *e.SaveNeeded
	}
	if e.QuiesceState != nil {
		d.become(a.Clock.Now(), *e.QuiesceState)
		d.objectsDown = time.Time{}
	}
	if e.CurrentCommand != nil {
		d.command = *e.CurrentCommand
	}
	if e.Busy != nil {
		d.busy = *e.Busy
	}
	if e.Object != nil {
		c := a.changing(d)
		there := c.Find(e.Object.Class, e.Object.Name)
		if there == nil {
			d.changes++
		}
		c.Put(e.Object.object(there))
	}
	if e.Remove {
		a.removeDomain(e.Domain)
	}
	return nil
}

func (a *Appliance) editCertificate(c CertificateSpec) {
	for i := range a.certs {
		if a.certs[i].Name == c.Name {
			a.certs[i] = c
			return
		}
	}
	a.certs = append(a.certs, c)
}
