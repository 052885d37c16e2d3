package datapower_test

import (
	"strings"
	"testing"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/dpsim"
)

// room is the check of an export of domain app01 whose last backup had a size.
func (g *gateway) room(lastSize int64) *sdk.CheckReport {
	g.t.Helper()
	r, err := g.Check(testContext(g.t), sdk.CheckRequest{
		Activity: "export_domain", Config: config("export_domain", nil), Target: sdk.Target{Domain: "app01"}, LastSize: lastSize,
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return r
}

func TestTheGatewaysOwnLimitOfTemporarySpaceIsRead(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{AppDomains: 1, TotalTemporary: "1000MB", FreeTemporary: "700MB", TempFSThrottle: 25})
	if r := g.room(1_000_000); r.KeepTemporary != 250_000_000 || r.Estimate != 0 || len(r.Warnings) > 0 {
		t.Errorf("%+v", r)
	}
	if n := g.requests(); n != 3 {
		t.Errorf("%d requests, want 3: a backup that was made before needs no estimate", n)
	}
	if r := g.room(0); r.Estimate < 1_000_000 {
		t.Errorf("the first backup is estimated at %d bytes", r.Estimate)
	}
	g = newGateway(t, dpsim.Device{AppDomains: 1})
	if r := g.room(0); r.KeepTemporary != 0 || r.Estimate != 0 || g.requests() != 3 {
		t.Errorf("%d requests: %+v", g.requests(), r)
	}
}

func TestALimitThatCannotBeReadIsAWarning(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"refused", "no_rows", "error_log", "garbage"} {
		g := newGateway(t, dpsim.Device{AppDomains: 1, Faults: []dpsim.Fault{{Kind: kind, Operation: "get-config/Throttler"}}})
		if r := g.room(0); !hold(r.Warnings, "could not be checked whether the gateway has a limit for its temporary space") || !strings.Contains(r.Warnings[0], "Throttler") {
			t.Errorf("%s: %q", kind, r.Warnings)
		}
	}
}

// With a limit, and without anything that tells how much a backup takes, it is not made.
func TestWithALimitABackupOfUnknownSizeIsNotMade(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{AppDomains: 1, TempFSThrottle: 10, Faults: []dpsim.Fault{{Kind: "refused", Operation: "get-filestore"}}})
	_, err := g.Check(testContext(t), sdk.CheckRequest{Activity: "export_domain", Config: config("export_domain", nil), Target: sdk.Target{Domain: "app01"}})
	wantFailure(t, failure.CallCheck, err, failure.Denied, failure.NotPermitted)
	if r := g.room(1000); r.KeepTemporary == 0 {
		t.Errorf("with a known size: %+v", r)
	}
}

func TestWhatEarlierBackupsLeftIsNamedWhereRoomIsShort(t *testing.T) {
	t.Parallel()
	g := secureGateway(t, dpsim.Device{TotalTemporary: "100MB", FreeTemporary: "50MB"})
	if _, _, err := g.capture(secureBackup, "", sdk.VariantSecureBackup, config(secureBackup, map[string]string{"certificate": "backup"})); err != nil {
		t.Fatal(err)
	}
	if _, _, err := g.capture("export_all_domains", "", sdk.VariantPersisted, config("export_all_domains", nil)); err != nil {
		t.Fatal(err)
	}
	if r := g.room(1_000_000); len(r.Leftovers)+len(r.Warnings) > 0 {
		t.Errorf("with room enough: %+v", r)
	}
	r := g.room(40_000_000)
	if !hold(r.Leftovers, "temporary:///dprun-sb (9 files, 2.0 MB | export:///export.zip (0.") || len(r.Warnings) != 2 {
		t.Errorf("leftovers %q, warnings %q", r.Leftovers, r.Warnings)
	}
	g.fault(dpsim.Fault{Kind: "refused", Operation: "get-filestore"})
	if r := g.room(40_000_000); !hold(r.Warnings, "left files on the gateway: | left files") {
		t.Errorf("warnings %q", r.Warnings)
	}
}

func TestARAIDVolumeThatIsLeftOutIsAWarning(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		device   dpsim.Device
		set      map[string]string
		warnings string
	}{
		"none":     {dpsim.Device{}, nil, ""},
		"left out": {dpsim.Device{RAID: true}, nil, "RAID volume (raid0) that this backup leaves out"},
		"unread":   {dpsim.Device{Faults: []dpsim.Fault{{Kind: "refused", Operation: "get-config/RaidVolume"}}}, nil, "RaidVolume in domain default"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := secureGateway(t, c.device)
			r, err := g.Check(testContext(t), sdk.CheckRequest{Activity: secureBackup, Config: config(secureBackup, map[string]string{"certificate": "backup"})})
			if err != nil || !hold(r.Warnings, c.warnings) {
				t.Errorf("warnings %q, %v", r.Warnings, err)
			}
		})
	}
}
