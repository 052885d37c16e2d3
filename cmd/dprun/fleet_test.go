package main

import (
	"context"
	"os"

	"github.com/dprun/dprun/testfixtures/dpsim"
)

// startFleet starts gateways gw-1, gw-2 … that quiesce at once. It must not
// be in the way of scripts that look at their directory.
func startFleet(devices, domains int, dir string) (*dpsim.Fleet, error) {
	certs, err := os.MkdirTemp(dir, ".fleet-*")
	if err != nil {
		return nil, err
	}
	return dpsim.Start(context.Background(), dpsim.Scenario{
		Dir: certs,
		Devices: []dpsim.Device{{
			Name: "gw", Count: devices, AppDomains: domains, ExportSize: "64KB",
			Timings: &dpsim.Timings{Quiesce: "50ms", Unquiesce: "50ms"},
		}},
	})
}
