package datapower_test

import (
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plugins/datapower"
	"github.com/dprun/dprun/sdk/conformance"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	fleet := need.Value(dpsim.Start(t.Context(), dpsim.Scenario{Dir: t.TempDir(), SpoolDir: t.TempDir(), Devices: []dpsim.Device{{
		Name: gatewayName, ExportSize: "2MB", Domains: []dpsim.Domain{{Name: "orders", Objects: with()}},
	}}}))(t)
	t.Cleanup(fleet.Close)
	ready := fleet.Device(gatewayName)
	for _, c := range conformance.Cases(conformance.Subject{
		Start: conformance.InProcess(datapower.Plugin()), Kind: schema.KindSource, Type: "datapower",
		Config: cty.ObjectVal(map[string]cty.Value{
			"host": cty.StringVal(ready.Host), "port": cty.NumberIntVal(int64(ready.Port)), "username": cty.StringVal(ready.Username), "password": cty.StringVal(ready.Password),
			"tls": cty.ObjectVal(map[string]cty.Value{"ca_file": cty.StringVal(ready.CAFile)}),
		}),
		Work: &conformance.Work{Activity: "export_domain", Domain: "orders", Quiesce: true, Restore: true},
	}) {
		t.Run(c.ID, func(t *testing.T) { c.Run(t.Context(), t) })
	}
}
