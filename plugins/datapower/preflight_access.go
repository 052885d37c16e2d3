package datapower

import (
	"context"
	"slices"

	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
)

// Access is a right that dprun uses on a gateway. The names of resources come from the appliance's own management
// model.
type Access struct {
	Resource string // the appliance's name, such as "status/domain-status"
	Letters  string // r, x or d
	// Domains says that the right is needed in every backed up domain. Otherwise it is needed in the default
	// domain, or for the whole gateway.
	Domains bool
	For     string // what dprun does with it, after "may"
	Note    string // what else to know, as a sentence
	// Activities lists the activities that need the right; empty: all do.
	Activities []string
	Quiesce    string // needed only if the plan quiesces this: "any", "domain" or "device"
	// CheckOnly says that only `dprun check` uses the right.
	CheckOnly bool

	// status, config and store name what is read to see whether the right exists; all empty: reading cannot show
	// it.
	status, config, store string
	login                 bool // everybody who gets an answer has it
}

// Proven reports whether reading shows that the right is there.
func (a Access) Proven() bool { return a.login || a.status != "" || a.config != "" || a.store != "" }

const unknownGate = "It is the resource of the REST interface or of the command line; it is not known which one covers XML management."

// anyQuiesce stands for either kind of quiesce.
const anyQuiesce = "any"

// Accesses returns all rights that dprun uses. Add a right here for every read that is added to the plugin: a
// test has the simulated gateway refuse everything else.
func Accesses() []Access {
	exports := []string{activityExport, activityAllDomains}
	secure := []string{activitySecureBackup}
	return []Access{
		{Resource: "login/xml-mgmt", Letters: "x", For: "log in to the XML management interface", login: true},
		{Resource: "status/domain-status", Letters: "r", For: "list the domains and read their quiesce state, unsaved changes and running commands", status: "DomainStatus"},
		{Resource: "status/firmware-version", Letters: "r", For: "read serial number, model and firmware", status: "FirmwareVersion3"},
		{Resource: "status/filessystem", Letters: "r", For: "read how much room the gateway has", status: "FilesystemStatus"},
		{Resource: "system/system", Letters: "r", For: "read the gateway's name and backup mode", config: "SystemSettings"},
		{Resource: "system/throttle", Letters: "r", For: "read the limit of free space below which the gateway turns traffic away", config: "Throttler"},
		{Resource: "services/apic-gw-service", Letters: "r", Domains: true, For: "see which domains API Connect manages", config: "APIConnectGatewayService"},
		{Resource: "status/object-status", Letters: "r", Domains: true, For: "see which objects there are and which are up", status: "ObjectStatus"},
		{Resource: "services/gateway-peering", Letters: "r", Domains: true, For: "read the gateway's role in peer groups", Quiesce: anyQuiesce, config: "GatewayPeering"},
		{Resource: "status/gateway-peering", Letters: "r", Domains: true, For: "read which member of a peer group is the primary one", Quiesce: anyQuiesce, status: "GatewayPeeringStatus"},
		{Resource: "status/gateway-peering-cluster", Letters: "r", Domains: true, For: "read which members of a peer cluster are primary ones", Quiesce: anyQuiesce, status: "GatewayPeeringClusterStatus"},
		{Resource: "network/host-alias", Letters: "r", For: "find the address of a peering that names a host alias", Quiesce: anyQuiesce, config: "HostAlias"},
		{Resource: "status/standby2", Letters: "r", For: "read which member of a standby group is the active one", Quiesce: anyQuiesce, status: "StandbyStatus2"},
		{Resource: "status/self-balanced-status2", Letters: "r", For: "read which services the standby groups balance", Quiesce: anyQuiesce, status: "SelfBalancedStatus2"},
		{Resource: "status/quota-enforcement-status", Letters: "r", For: "read the role of the quota enforcement server", Quiesce: anyQuiesce, status: "QuotaEnforcementStatus"},
		{Resource: "system/quota-enforcement-server", Letters: "r", For: "see whether the quota enforcement server is in a peer group", Quiesce: anyQuiesce, config: "QuotaEnforcementServer"},
		{Resource: "status/cpu", Letters: "r", For: "see whether its processors are busy", Quiesce: anyQuiesce, status: "CPUUsage"},
		{Resource: "status/system", Letters: "r", For: "see how much of its capacity is used", Quiesce: anyQuiesce, status: "SystemUsage"},
		{Resource: "status/memory", Letters: "r", For: "see how much of its memory is used", Quiesce: anyQuiesce, status: "MemoryStatus"},
		{Resource: "status/active-users", Letters: "r", For: "see whether administrators are logged in", Quiesce: anyQuiesce, status: "ActiveUsers"},
		{Resource: "file/local", Letters: "r", Domains: true, For: "estimate a first backup, where the gateway has a limit for its temporary space", store: "local:"},
		{Resource: "system/raid-disk-volume", Letters: "r", For: "see whether a secure backup leaves a RAID volume out", Activities: secure, config: "RaidVolume"},
		{Resource: "crypto/cert", Letters: "r", For: "find the certificate that a secure backup is encrypted with", Activities: secure, config: "CryptoCertificate"},
		{Resource: "config/secure-mode", Letters: "r", For: "read the backup mode where the system settings do not tell it", Activities: secure, config: "SecureBackupMode"},
		{Resource: "file/temporary", Letters: "r", For: "list and fetch the files of a secure backup", Activities: secure, store: "temporary:"},
		{Resource: "status/chkpoints", Letters: "r", Domains: true, For: "count the configuration checkpoints", CheckOnly: true, status: "DomainCheckpointStatus"},
		{Resource: "config/domain", Letters: "r", For: "read how many checkpoints a domain may have", CheckOnly: true, config: "Domain"},
		{Resource: "file/export", Letters: "r", For: "see what earlier backups of domains, by dprun or others, have left", store: "export:"},

		{Resource: "*", Letters: "r", Domains: true, For: "read every object and file of an export", Note: "An export silently leaves out what the account cannot read.", Activities: exports},
		{Resource: "config/rmi-export", Letters: "x", For: "export", Note: unknownGate, Activities: exports},
		{Resource: "config/backup", Letters: "x", For: "back domains up", Note: unknownGate, Activities: exports},
		{Resource: "config/domainquiesce", Letters: "x", For: "quiesce a domain", Quiesce: "domain"},
		{Resource: "config/domainunquiesce", Letters: "x", For: "bring a domain back", Quiesce: "domain"},
		{Resource: "config/quiesce", Letters: "x", For: "quiesce the gateway", Quiesce: "device"},
		{Resource: "config/unquiesce", Letters: "x", For: "bring the gateway back", Quiesce: "device"},
		{Resource: "config/secure-backup", Letters: "x", For: "make a secure backup", Activities: secure},
		{Resource: "device/delete-file", Letters: "x", For: "remove the files of a secure backup", Activities: secure},
		{Resource: "file/temporary", Letters: "d", For: "remove the files of a secure backup", Activities: secure},
	}
}

// needed reports whether any of the activities needs the right.
func (a Access) needed(activities []activity) bool {
	return slices.ContainsFunc(activities, func(v activity) bool {
		if len(a.Activities) > 0 && !slices.Contains(a.Activities, v.Activity) {
			return false
		}
		return a.Quiesce == "" || a.Quiesce == v.Quiesce || a.Quiesce == anyQuiesce && v.quiesces()
	})
}

// read reads what the right allows in a domain.
func (a Access) read(ctx context.Context, c *soma.Client, domain string) error {
	switch {
	case a.login:
		return nil
	case a.status != "":
		return c.ReadStatus(ctx, domain, a.status)
	case a.config != "":
		_, err := c.GetConfig(ctx, domain, a.config, "")
		return err
	}
	_, _, err := c.Filestore(ctx, domain, a.store)
	return err
}

// line returns the right as a line of an access profile.
func (a Access) line(domain string) string {
	return "*/" + domain + "/" + a.Resource + "?Access=" + a.Letters
}

// AccessProfile returns the lines of the access profile that an activity needs. quiesce is what the activity
// quiesces: "none", "domain" or "device". The lines include what only `dprun check` reads.
func AccessProfile(activityType, quiesce string) []string {
	one := []activity{{sdk.PreflightActivity{Activity: activityType, Quiesce: quiesce}}}
	var out []Access
	for _, a := range Accesses() {
		if !a.needed(one) {
			continue
		}
		// One line for a resource, because the gateway uses only the most
		// specific one.
		if i := slices.IndexFunc(out, func(o Access) bool { return o.Resource == a.Resource }); i >= 0 {
			out[i].Letters += "+" + a.Letters
			continue
		}
		out = append(out, a)
	}
	if slices.ContainsFunc(out, Access.everything) { // it covers everything that is only read
		out = slices.DeleteFunc(out, func(a Access) bool { return a.Letters == "r" && !a.everything() })
	}
	var lines []string
	for _, a := range out {
		lines = append(lines, a.profileLine())
	}
	return lines
}

// RestoreProfile returns the lines of the access profile that restores or drills need. The account may write
// everything in domains other than default, because a gateway silently skips what an account may not write.
func RestoreProfile(drill bool) []string {
	lines := []string{
		"*/*/login/xml-mgmt?Access=x", "*/*/*?Access=r+w+a", "*/default/*?Access=r",
		"*/*/config/rmi-export?Access=x", "*/*/config/rmi-import?Access=x",
	}
	if drill {
		return append(lines, "*/default/config/domain?Access=r+w+a+d")
	}
	return append(lines, "*/*/config/save-config?Access=x", "*/*/config/save-chkpoint?Access=x", "*/*/config/remove-chkpoint?Access=x")
}

// profileLine returns the right as a line of an access profile, for all domains that need it. For rights that
// only their use proves, it is not known whether a line can name a domain.
func (a Access) profileLine() string {
	if !a.Domains && !a.login && a.Proven() {
		return a.line(defaultDomain)
	}
	return a.line("*")
}

// everything reports whether the right covers every resource.
func (a Access) everything() bool { return a.Resource == "*" }
