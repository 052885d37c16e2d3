package datapower_test

import (
	"strings"
	"testing"

	"github.com/dprun/dprun/plugins/datapower"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/dpsim"
)

func TestOtherWorkOfAGatewayIsTold(t *testing.T) {
	t.Parallel()
	anna := []dpsim.User{{Name: "anna", Address: "10.1.2.3"}, {Name: "monitor", Connection: "saml-artifact"}, {Name: "gateway", Connection: "apic-gw-service"}}
	cases := map[string]struct {
		device         dpsim.Device
		policy         string
		busy           bool
		with, warnings string // the parts that they hold, in order, divided by " | "
	}{
		"idle":                    {dpsim.Device{CPUPercent: 40, LoadPercent: 50}, "warn", false, "", ""},
		"processors":              {dpsim.Device{CPUPercent: 90}, "ignore", true, "90% of its processors", ""},
		"capacity":                {dpsim.Device{LoadPercent: 97}, "ignore", true, "97% of its capacity", ""},
		"memory":                  {dpsim.Device{MemoryPercent: 80}, "ignore", true, "80% of its memory", ""},
		"less memory":             {dpsim.Device{MemoryPercent: 79}, "ignore", false, "", ""},
		"administrators, warn":    {dpsim.Device{Users: anna}, "warn", false, "anna is logged in by SSH from 10.1.2.3 | monitor", "anna is logged in by SSH | monitor is logged in by the XML management interface"},
		"administrators, wait":    {dpsim.Device{Users: anna}, "wait", true, "anna is logged in by SSH from 10.1.2.3 | monitor", ""},
		"administrators, ignored": {dpsim.Device{Users: anna}, "ignore", false, "", ""},
		"unread load":             {dpsim.Device{Faults: []dpsim.Fault{{Kind: "refused", Operation: "get-status/CPUUsage"}}}, "warn", false, "", "could not be read whether the gateway is busy"},
		"garbled memory":          {dpsim.Device{Faults: []dpsim.Fault{{Kind: "no_rows", Operation: "get-status/MemoryStatus"}}}, "warn", false, "", "MemoryStatus"},
		"unread users, warn":      {dpsim.Device{Faults: []dpsim.Fault{{Kind: "refused", Operation: "get-status/ActiveUsers"}}}, "warn", false, "could not be read", "read access to status ActiveUsers"},
		"unread users, wait":      {dpsim.Device{Faults: []dpsim.Fault{{Kind: "garbage", Operation: "get-status/ActiveUsers"}}}, "wait", true, "could not be read", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.device.AppDomains = 1
			g := newGateway(t, c.device, func(conf *datapower.Config) { conf.ActiveUsers = c.policy })
			got := g.before("app01")
			if got.Busy != c.busy || !hold(got.BusyWith, c.with) || !hold(got.Warnings, c.warnings) {
				t.Errorf("busy %v with %q, warnings %q", got.Busy, got.BusyWith, got.Warnings)
			}
		})
	}
}

// hold reports whether there are as many texts as parts, and each holds its own.
func hold(texts []string, parts string) bool {
	if parts == "" {
		return len(texts) == 0
	}
	want := strings.Split(parts, " | ")
	for i := range want {
		if i >= len(texts) || !strings.Contains(texts[i], want[i]) {
			return false
		}
	}
	return len(texts) == len(want)
}

func TestAccountsThatThePlanNamesAreNoAdministrators(t *testing.T) {
	t.Parallel()
	d := dpsim.Device{AppDomains: 1, Users: []dpsim.User{
		{Name: "monitor", Connection: "rest-mgmt"}, {Name: "admin", Connection: "saml-artifact"}, {Name: "admin", Connection: "web-gui"}, {Name: ""},
	}}
	g := newGateway(t, d, func(c *datapower.Config) { c.ActiveUsers, c.IgnoreUsers = "wait", []string{"monitor", ""} })
	got := g.before("app01")
	// The account of dprun counts where somebody uses it at another interface; a row without a name is somebody.
	if !got.Busy || !hold(got.BusyWith, "admin is logged in by the web interface | (unnamed)") {
		t.Errorf("busy with %q", got.BusyWith)
	}
}

func TestADeviceThatIsNotQuiescedMayBeBusy(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{AppDomains: 1, CPUPercent: 99, Users: []dpsim.User{{Name: "anna"}}}, func(c *datapower.Config) { c.ActiveUsers = "wait" })
	r, err := g.Check(testContext(t), sdk.CheckRequest{Activity: "export_domain", Config: config("export_domain", nil), Target: sdk.Target{Domain: "app01"}})
	if err != nil || r.Busy || len(r.BusyWith)+len(r.Warnings) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
