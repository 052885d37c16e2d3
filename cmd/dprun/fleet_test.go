package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/dprun/dprun/testfixtures/dpsim"
)

// startFleet starts gateways gw-1, gw-2 … that quiesce at once, and writes
// their passwords to gw-1.pw, gw-2.pw …
func startFleet(devices, domains int, dir string) (*dpsim.Fleet, error) {
	certs, err := os.MkdirTemp(dir, ".fleet-*")
	if err != nil {
		return nil, err
	}
	fleet, err := dpsim.Start(context.Background(), dpsim.Scenario{
		Dir: certs,
		Devices: []dpsim.Device{{
			Name: "gw", Count: devices, AppDomains: domains, ExportSize: "64KB",
			Timings: &dpsim.Timings{Quiesce: "50ms", Unquiesce: "50ms"},
		}},
	})
	if err != nil {
		return nil, err
	}
	for _, d := range fleet.Ready().Devices {
		if err := os.WriteFile(filepath.Join(dir, d.Name+".pw"), []byte(d.Password), 0o600); err != nil {
			fleet.Close()
			return nil, err
		}
	}
	return fleet, nil
}
