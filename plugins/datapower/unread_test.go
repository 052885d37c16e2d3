package datapower_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/testfixtures/dpsim"
	"github.com/dprun/dprun/testfixtures/need"
)

// unreadFacts lists what an inspection could not read: the fact, the domain and the reason.
func unreadFacts(in *sdk.Inspection) []string {
	var out []string
	for _, u := range in.Unread {
		out = append(out, strings.Join(strings.Fields(fmt.Sprint(u.Fact, " ", u.Domain, " ", u.Failure.Reason)), " "))
	}
	return out
}

// For every read of an inspection, and for every way to answer it wrongly: the fact is unknown, and nothing else is.
func TestWhatAGatewayDoesNotTellIsUnread(t *testing.T) {
	t.Parallel()
	for operation, fact := range map[string]string{
		"get-config/APIConnectGatewayService": "api_connect app01",
		"get-status/FilesystemStatus":         "space", "get-config/SystemSettings": "settings",
	} {
		for kind, reason := range map[string]failure.Reason{
			"refused": failure.NotPermitted, "garbage": failure.BadReply, "wrong_part": failure.BadReply, "http_error": failure.DeviceError, "error_log": failure.DeviceError,
		} {
			t.Run(operation+" "+kind, func(t *testing.T) {
				t.Parallel()
				g := newGateway(t, dpsim.Device{
					AppDomains: 1,
					Faults:     []dpsim.Fault{{Kind: kind, Operation: operation}},
				})
				got := need.Value(g.Inspect(testContext(t), everyDomain))(t)
				if diff := cmp.Diff([]string{fact + " " + string(reason)}, unreadFacts(got)); diff != "" {
					t.Errorf("unread (-want +got):\n%s", diff)
				}
				if kind == "refused" && !strings.Contains(got.Unread[0].Failure.Error(), operation[strings.Index(operation, "/")+1:]) {
					t.Errorf("the failure does not name the permission: %v", got.Unread[0].Failure)
				}
			})
		}
	}
}

func TestAnUnreadFirmwareLeavesTheRest(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{AppDomains: 1, Serial: "7800163"})
	for _, class := range []string{"FirmwareVersion", "FirmwareVersion2", "FirmwareVersion3"} {
		g.fault(dpsim.Fault{Kind: "refused", Operation: "get-status/" + class})
	}
	got, err := g.Inspect(testContext(t), everyDomain)
	if err != nil || !cmp.Equal(unreadFacts(got), []string{"firmware not_permitted"}) {
		t.Fatalf("%v, %v", unreadFacts(got), err)
	}
	if got.Facts.Identity != "7800163/"+gatewayName {
		t.Errorf("identity %q: the settings tell the serial number too", got.Facts.Identity)
	}
}

func TestAnErrorForEveryReadIsNotTakenForAnUnknownClass(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{AppDomains: 1, Faults: []dpsim.Fault{{Kind: "error_log", Operation: "get-config"}}})
	got, err := g.Inspect(testContext(t), everyDomain)
	want := []string{"settings device_error", "api_connect app01 device_error"}
	if err != nil || !cmp.Equal(unreadFacts(got), want) {
		t.Errorf("unread %v, %v; want %v", unreadFacts(got), err, want)
	}
}

func TestAClassThatTheFirmwareLacksIsNone(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{Firmware: "XI50.6", AppDomains: 3})
	got, err := g.Inspect(testContext(t), everyDomain)
	if err != nil || len(got.Unread) > 0 {
		t.Fatalf("unread %v, %v", unreadFacts(got), err)
	}
	if n := g.fleet.State().Device(gatewayName).Operations["get-config/DprunAsksForNoClass"]; n != 1 {
		t.Errorf("asked for a class that does not exist %d times, want once", n)
	}
}

func TestAnErrorThatPassesIsReadAgain(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{AppDomains: 1, Faults: []dpsim.Fault{{Kind: "http_error", Operation: "get-config/APIConnectGatewayService", Count: 1}}})
	if got, err := g.Inspect(testContext(t), everyDomain); err != nil || len(got.Unread) > 0 {
		t.Errorf("unread %v, %v", unreadFacts(got), err)
	}
}

func TestALostAnswerFailsTheInspection(t *testing.T) {
	t.Parallel()
	g := newGateway(t, dpsim.Device{AppDomains: 1, Faults: []dpsim.Fault{{Kind: "close", Operation: "get-config/APIConnectGatewayService"}}})
	_, err := g.Inspect(testContext(t), everyDomain)
	wantFailure(t, failure.CallInspect, err, failure.Unavailable, "")
}

func TestARefusedReadOfCertificatesIsAPermission(t *testing.T) {
	t.Parallel()
	c := config(secureBackup, map[string]string{"certificate": "backup"})
	for _, operation := range []string{"get-config/CryptoCertificate", "get-status/ObjectStatus", "get-config/SystemSettings"} {
		g := secureGateway(t, dpsim.Device{Faults: []dpsim.Fault{{Kind: "refused", Operation: operation}}})
		_, err := g.Check(testContext(t), sdk.CheckRequest{Activity: secureBackup, Config: c})
		wantFailure(t, failure.CallCheck, err, failure.Denied, failure.NotPermitted)
		if _, class, _ := strings.Cut(operation, "/"); !strings.Contains(err.Error(), class+" in domain default") {
			t.Errorf("the failure does not name the permission: %v", err)
		}
	}
	g := secureGateway(t, dpsim.Device{Faults: []dpsim.Fault{{Kind: "refused", Operation: "get-status/FilesystemStatus"}}})
	r, err := g.Check(testContext(t), sdk.CheckRequest{Activity: secureBackup, Config: c})
	if err != nil || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "read access to status FilesystemStatus") || r.Space.FreeTemporary >= 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
