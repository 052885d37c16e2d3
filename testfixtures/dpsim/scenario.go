package dpsim

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2/hclsimple"

	"github.com/dprun/dprun/testfixtures/dpsim/appliance"
)

// The words of a scenario. See package appliance for their fields.
type (
	Device       = appliance.Spec
	Domain       = appliance.DomainSpec
	Object       = appliance.ObjectSpec
	Certificate  = appliance.CertificateSpec
	Peering      = appliance.PeeringSpec
	Standby      = appliance.StandbySpec
	Quota        = appliance.QuotaSpec
	User         = appliance.UserSpec
	Timings      = appliance.Timings
	SecureBackup = appliance.SecureBackupSpec
	BackupFile   = appliance.BackupFileSpec
	Fault        = appliance.Fault
	Edit         = appliance.Edit
	DeviceState  = appliance.State
	DomainState  = appliance.DomainState
	Outage       = appliance.Outage
	Served       = appliance.Served
	FileState    = appliance.FileState
	Request      = appliance.Request
)

// Scenario describes a fleet.
type Scenario struct {
	// Start is the simulated time at the beginning (RFC 3339); default now.
	Start string `hcl:"start,optional"`
	// Frozen makes simulated time move only when told to.
	Frozen  bool     `hcl:"frozen,optional"`
	Devices []Device `hcl:"device,block"`
	// Faults meet the devices whose name matches their Device pattern
	// ("fra-*"; empty: all).
	Faults []Fault `hcl:"fault,block"`

	// Dir receives the devices' certificates. Empty: a temporary directory
	// that Close removes.
	Dir string
	// SpoolDir holds archives, in unlinked files; empty: the system's
	// temporary directory.
	SpoolDir string
}

// LoadScenario reads a scenario file. Paths of archives are relative to it.
func LoadScenario(path string) (Scenario, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return Scenario{}, fmt.Errorf("read the scenario: %w", err)
	}
	var s Scenario
	name := path
	if filepath.Ext(name) != ".hcl" {
		name += ".hcl" // the decoder goes by the extension
	}
	if err := hclsimple.Decode(name, source, nil, &s); err != nil {
		return Scenario{}, fmt.Errorf("read the scenario: %w", err)
	}
	for i := range s.Devices {
		for j := range s.Devices[i].Domains {
			d := &s.Devices[i].Domains[j]
			if d.Archive != "" && !filepath.IsAbs(d.Archive) {
				d.Archive = filepath.Join(filepath.Dir(path), d.Archive)
			}
		}
	}
	return s, nil
}

// expand turns devices with a count into that many, and checks the names.
func (s Scenario) expand() ([]Device, error) {
	var out []Device
	seen := map[string]bool{}
	for _, d := range s.Devices {
		names := []string{d.Name}
		if d.Count > 0 {
			names = nil
			for i := range d.Count {
				names = append(names, fmt.Sprintf("%s-%d", d.Name, i+1))
			}
		}
		for _, name := range names {
			if name == "" || filepath.Base(name) != name || seen[name] {
				return nil, fmt.Errorf("device name %q is empty, there twice, or no plain name", name)
			}
			seen[name] = true
			one := d
			one.Name, one.Count = name, 0
			out = append(out, one)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("the scenario has no device")
	}
	return out, nil
}
