package soma

import (
	"strings"

	"github.com/dprun/dprun/testfixtures/dpsim/config"
)

// right is what an account needs for an operation: a resource by the
// appliance's own name, and the letter of the access.
type right struct{ resource, letter string }

// The resources of the classes that can be read. What is not here is open to
// accounts without a profile alone.
var statusResources = map[string]string{
	"ActiveUsers": "status/active-users", "CPUUsage": "status/cpu", "DateTimeStatus": "status/date-time", "DomainCheckpointStatus": "status/chkpoints",
	"DomainStatus": "status/domain-status", "FilesystemStatus": "status/filessystem", "FirmwareStatus": "status/firmware",
	"FirmwareVersion": "status/firmware-version-deprecated", "FirmwareVersion2": "status/firmware-version-deprecated", "FirmwareVersion3": "status/firmware-version",
	"GatewayPeeringStatus": "status/gateway-peering", "GatewayPeeringClusterStatus": "status/gateway-peering-cluster", "MemoryStatus": "status/memory",
	"ObjectStatus": "status/object-status", "QuotaEnforcementStatus": "status/quota-enforcement-status", "SelfBalancedStatus2": "status/self-balanced-status2",
	"StandbyStatus2": "status/standby2", "SystemUsage": "status/system",
}

var configResources = map[string]string{
	"APIConnectGatewayService": "services/apic-gw-service", "CryptoCertificate": "crypto/cert", "Domain": "config/domain", "GatewayPeering": "services/gateway-peering",
	"HostAlias": "network/host-alias", "QuotaEnforcementServer": "system/quota-enforcement-server", "PasswordAlias": "config/password-alias", "SecureBackupMode": "config/secure-mode", "RaidVolume": "system/raid-disk-volume", "SystemSettings": "system/system", "Throttler": "system/throttle",
	"User": "access/username", "UserGroup": "access/usergroup",
}

var actionResources = map[string]string{
	"DomainQuiesce": "config/domainquiesce", "DomainUnquiesce": "config/domainunquiesce", "QuiesceDP": "config/quiesce", "UnquiesceDP": "config/unquiesce",
	"SecureBackup": "config/secure-backup", "DeleteFile": "device/delete-file", "SaveConfig": "config/save-config", "SaveCheckpoint": "config/save-chkpoint",
	"RollbackCheckpoint": "config/rollback-chkpoint", "RemoveCheckpoint": "config/remove-chkpoint",
}

// rights are what an operation needs. Which resource stands for an export is
// not known: it needs none here.
func (r *request) rights() []right {
	store := func(name string) string {
		store, _, _ := strings.Cut(name, ":")
		return "file/" + store
	}
	named := func(table map[string]string, name, letter string) []right {
		if resource, ok := table[name]; ok {
			return []right{{resource, letter}}
		}
		if name == noSuchClass { // what is not there needs no right
			return nil
		}
		return []right{{"everything", letter}}
	}
	switch r.op.name {
	case "get-status":
		return named(statusResources, r.op.attrs["class"], "r")
	case "get-config":
		return named(configResources, r.op.attrs["class"], "r")
	case "do-view-certificate-details":
		return []right{{"crypto/cert", "r"}}
	case "get-filestore":
		return []right{{store(r.op.attrs["location"]), "r"}}
	case "get-file":
		return []right{{store(r.op.attrs["name"]), "r"}}
	case "set-file":
		return []right{{store(r.op.attrs["name"]), "w"}}
	case "set-config", "modify-config", "del-config":
		letter := map[string]string{"set-config": "a", "modify-config": "w", "del-config": "d"}[r.op.name]
		var out []right
		for _, o := range r.op.children {
			resource := config.Classes()[o.name].URI
			if resource == "" {
				resource = "everything"
			}
			out = append(out, right{resource, letter})
		}
		return out
	case "do-export", "do-backup", "do-import": // an import skips what the account may not change
		return nil
	case "do-action":
		out := named(actionResources, r.action.name, "x")
		if r.action.name == "DeleteFile" {
			out = append(out, right{store(r.action.value("File")), "d"})
		}
		return out
	}
	return []right{{"everything", "w"}}
}

// noSuchClass is the class that dprun asks for to hear how the gateway answers
// for one that it does not know.
const noSuchClass = "DprunAsksForNoClass"

// refused reports whether the account lacks a right that a request needs. The
// domain does not count for the actions that are of the whole device.
func (x *exchange) refused(req *request) bool {
	for _, need := range req.rights() {
		if !x.app.May(req.domain, need.resource, need.letter) {
			return true
		}
	}
	return false
}
