package datapower

import (
	"context"
	"slices"

	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
)

// Access is a right that dprun uses on a gateway. The names of the resources are those of the appliance's own management model.
type Access struct {
	Resource string // by the appliance's own name, such as "status/domain-status"
	Letters  string // r, x or d
	// Domains says that it is needed in every domain that is backed up. Else it is needed in the default domain, or for the whole
	// gateway.
	Domains bool
	For     string // what dprun does with it, as the end of a sentence
	// Activities need it; none named: all do.
	Activities []string
	Quiesce    string // only where the plan quiesces: "any", "domain" or "device"
	// CheckOnly: `dprun check` alone uses it.
	CheckOnly bool

	// status, config and store are what is read to see whether the right is there; none of them: it cannot be seen by reading.
	status, config, store string
	login                 bool // whoever is answered has it
}

// Proven reports whether reading shows that the right is there.
func (a Access) Proven() bool { return a.login || a.status != "" || a.config != "" || a.store != "" }

// anyQuiesce stands for both kinds of quiesce.
const anyQuiesce = "any"

// Accesses are all rights that dprun uses. A read that is added to the plugin is added here: a test has the simulated gateway refuse
// everything else.
func Accesses() []Access {
	exports := []string{activityExport, activityAllDomains}
	secure := []string{activitySecureBackup}
	return []Access{
		{Resource: "login/xml-mgmt", Letters: "x", For: "log in to the XML management interface", login: true},
		{Resource: "status/domain-status", Letters: "r", For: "list the domains and read their quiesce state, unsaved changes and running commands", status: "DomainStatus"},
		{Resource: "status/firmware-version", Letters: "r", For: "read serial number, model and firmware", status: "FirmwareVersion3"},
		{Resource: "status/filessystem", Letters: "r", For: "read how much room the gateway has", status: "FilesystemStatus"},
		{Resource: "system/system", Letters: "r", For: "read the gateway's name and backup mode", config: "SystemSettings"},
		{Resource: "services/apic-gw-service", Letters: "r", Domains: true, For: "see which domains API Connect manages", config: "APIConnectGatewayService"},
		{Resource: "status/object-status", Letters: "r", Domains: true, For: "see which objects there are and which are up", status: "ObjectStatus"},
		{Resource: "services/gateway-peering", Letters: "r", For: "read the gateway's part in peer groups", Quiesce: anyQuiesce, config: "GatewayPeering"},
		{Resource: "status/gateway-peering", Letters: "r", For: "read which member of a peer group is the primary one", Quiesce: anyQuiesce, status: "GatewayPeeringStatus"},
		{Resource: "status/standby2", Letters: "r", For: "read which member of a standby group is the active one", Quiesce: anyQuiesce, status: "StandbyStatus2"},
		{Resource: "crypto/cert", Letters: "r", For: "find the certificate that a secure backup is encrypted with", Activities: secure, config: "CryptoCertificate"},
		{Resource: "config/secure-mode", Letters: "r", For: "read the backup mode where the system settings do not tell it", Activities: secure, config: "SecureBackupMode"},
		{Resource: "file/temporary", Letters: "r", For: "list and fetch the files of a secure backup", Activities: secure, store: "temporary:"},
		{Resource: "status/chkpoints", Letters: "r", Domains: true, For: "count the configuration checkpoints", CheckOnly: true, status: "DomainCheckpointStatus"},
		{Resource: "config/domain", Letters: "r", For: "read how many checkpoints a domain may have", CheckOnly: true, config: "Domain"},
		{Resource: "file/export", Letters: "r", For: "see whether somebody else backs the gateway up", CheckOnly: true, store: "export:"},

		{Resource: "*", Letters: "r", Domains: true, For: "export every object and file; an export lacks, without a word, what the account cannot read", Activities: exports},
		{Resource: "config/rmi-export", Letters: "x", For: "export; which resource stands for it over XML management is not known", Activities: exports},
		{Resource: "config/backup", Letters: "x", For: "back domains up; which resource stands for it over XML management is not known", Activities: exports},
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

// read reads what the right is for, in a domain.
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

// line is the right as a line of an access profile.
func (a Access) line(domain string) string {
	return "*/" + domain + "/" + a.Resource + "?Access=" + a.Letters
}

// AccessProfile are the lines of the access profile that an activity needs, with what it quiesces: "none", "domain" or "device".
// What `dprun check` alone reads is among them.
func AccessProfile(activityType, quiesce string) []string {
	one := []activity{{sdk.PreflightActivity{Activity: activityType, Quiesce: quiesce}}}
	var out []string
	at := map[string]int{} // one line for a resource: the gateway takes the most specific one alone
	for _, a := range Accesses() {
		if !a.needed(one) {
			continue
		}
		domain := "*"
		if !a.Domains && !a.login && a.Proven() {
			domain = defaultDomain
		}
		if i, twice := at[a.Resource]; twice {
			out[i] += "+" + a.Letters
			continue
		}
		at[a.Resource] = len(out)
		out = append(out, a.line(domain))
	}
	return out
}
