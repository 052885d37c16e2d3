package appliance

import (
	"cmp"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim/config"
)

// ObjectRow is a row of ObjectStatus.
type ObjectRow struct {
	Class, Name, OpState, AdminState, EventCode, ErrorCode, ConfigState string

	Properties []Property // those that were set
}

// Objects lists the objects of a domain with their operational state: the
// services of a quiesced domain are down.
func (a *Appliance) Objects(name string) []ObjectRow {
	a.mu.Lock()
	defer a.mu.Unlock()
	d := a.domain(name)
	if d == nil {
		return nil
	}
	var rows []ObjectRow
	quiesced := d.state != Normal && d.state != Broken
	late := a.Clock.Now().Before(d.objectsDown)
	conf := a.configuration(d)
	var statuses []config.Status
	if conf.Imported {
		statuses = conf.Statuses(a.surroundings(d))
	}
	for i, o := range conf.Objects {
		if o.Hidden && a.access != nil {
			continue
		}
		state := o.Condition
		switch {
		case o.Disabled():
			state = "disabled"
		case !config.Classes()[o.Class].Serves():
		case quiesced && (state == "" || state == "up"):
			state = "quiesced"
		case late && (state == "" || state == "up"):
			state = "down"
		}
		row := a.objectRow(d, o.Class, o.Name, state)
		row.Properties = o.Properties
		if d.running != nil {
			row.ConfigState = o.State
		}
		if statuses != nil && !statuses[i].Up && row.OpState == "up" {
			row.OpState, row.EventCode, row.ErrorCode = "down", statuses[i].EventCode, statuses[i].ErrorCode
		}
		rows = append(rows, row)
	}
	if name == "default" {
		for _, c := range a.certs {
			rows = append(rows, a.objectRow(d, "CryptoCertificate", c.Name, c.State))
		}
	}
	for _, p := range a.spec.Peerings {
		if p.domain() == name {
			rows = append(rows, a.objectRow(d, "GatewayPeering", p.Name, ""))
		}
	}
	return rows
}

func (a *Appliance) objectRow(d *domain, class, name, state string) ObjectRow {
	r := ObjectRow{Class: class, Name: name, OpState: "up", AdminState: "enabled", EventCode: "0x00000000", ConfigState: "saved"}
	if d.saveNeeded {
		r.ConfigState = "modified"
	}
	switch state {
	case "down":
		r.OpState, r.EventCode, r.ErrorCode = "down", "0x00b30014", "One or more referenced objects are down"
	case "expired":
		r.OpState, r.EventCode, r.ErrorCode = "down", "0x00330002", "Certificate is expired or not yet valid"
	case "disabled":
		r.OpState, r.AdminState, r.EventCode, r.ErrorCode = "down", "disabled", "0x0034000d", "Object is disabled"
	case "quiesced":
		r.OpState, r.EventCode, r.ErrorCode = "down", "0x0036003d", "in quiescence"
	}
	return r
}

// Certificates lists the CryptoCertificate objects of the default domain.
func (a *Appliance) Certificates() []CertificateSpec {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]CertificateSpec(nil), a.certs...)
}

// CertificateEnd is when a certificate expires.
func (a *Appliance) CertificateEnd(c CertificateSpec) time.Time {
	left, err := time.ParseDuration(c.Left)
	if err != nil {
		return a.started.AddDate(5, 0, 0)
	}
	return a.started.Add(left)
}

// BackupMode is secure or normal.
func (a *Appliance) BackupMode() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.backupMode
}

// Load is how much of CPU, capacity and memory is used, in percent.
func (a *Appliance) Load() (cpu, load, memory int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.spec.CPUPercent, a.spec.LoadPercent, cmp.Or(a.spec.MemoryPercent, 34)
}

// Users lists who is logged in, beside the account of the management interface.
func (a *Appliance) Users() []UserSpec {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]UserSpec(nil), a.spec.Users...)
}

// TempFSThrottle is the limit of temporary: in percent.
func (a *Appliance) TempFSThrottle() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.spec.TempFSThrottle
}
