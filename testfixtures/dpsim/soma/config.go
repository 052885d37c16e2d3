package soma

import (
	"slices"
	"strconv"
	"strings"

	"github.com/dprun/dprun/testfixtures/dpsim/appliance"
)

// config answers get-config with the objects of one class, or the one named.
func (x *exchange) config(req *request) (string, error) {
	class, name := req.op.attrs["class"], req.op.attrs["name"]
	p := x.app.Profile()
	var b strings.Builder
	add := func(object, attrs string, f ...string) {
		if name == "" || name == object {
			b.WriteString(row(class, named(object)+attrs, f))
		}
	}
	switch class {
	case "Domain":
		x.domainConfigs(add)
	case "SystemSettings":
		system, serial := x.app.Identity(req.name)
		add("SystemSettings", ` intrinsic="true"`, "mAdminState", "enabled", "UserSummary", "", `ProductOID read-only="true"`, "1.3.6.1.4.1.14685.1.8",
			`Description read-only="true"`, p.Model, `SerialNumber read-only="true"`, serial, `EntitlementNumber read-only="true"`, serial,
			`ProductID read-only="true"`, x.app.ProductID()+" [Rev 0001]", `CapacityMode read-only="true"`, "", "Contact", "", "SystemName", system, "Location", "",
			`Services read-only="true"`, "72", `BackupMode read-only="true"`, x.app.BackupMode(), "ProductMode", "normal", "LoginMessage", "", "CustomUIFile", "",
			"AuditReserve", "40", "DetectIntrusion", "off", "HardwareXMLAcceleration", "on", "Locale", "en", "SystemLogFixedFormat", "off")
	case "SecureBackupMode":
		if !p.SecureBackupMode {
			return "", unknown("Configuration class", class)
		}
		add("SecureBackupModeInstance", ` intrinsic="true"`, "mAdminState", "enabled", "UserSummary", "", "mode", x.app.BackupMode())
	case "CryptoCertificate":
		if req.domain == "default" {
			for _, c := range x.app.Certificates() {
				add(c.Name, "", "mAdminState", "enabled", "Filename", "cert:///"+c.Name+".pem", "PasswordAlias", "off", `Alias class="PasswordAlias"`, "", "IgnoreExpiration", "off")
			}
		}
	case "User", "UserGroup":
		if req.domain == "default" {
			x.users(class, add)
		}
	case "APIConnectGatewayService":
		if !p.APIConnect && !slices.ContainsFunc(x.app.Domains(), func(d appliance.DomainRow) bool { return d.APIC }) {
			return "", unknown("Configuration class", class)
		}
		for _, d := range x.app.Domains() {
			if d.Name == req.domain && d.APIC {
				add("default", "", "mAdminState", "enabled", "UserSummary", "", "LocalAddress", "0.0.0.0", "LocalPort", "3000", "V5CompatibilityMode", "off")
			}
		}
	case "GatewayPeering":
		if !p.GatewayPeering {
			return "", unknown("Configuration class", class)
		}
		for _, g := range x.app.Peerings(req.domain) {
			f := fields{"mAdminState", enabled(!g.Disabled), "LocalAddress", g.Own, "LocalPort", "16380", "PrimaryCount", "1", "MonitorPort", "26380", "EnablePeerGroup", onOff(len(g.Others) > 0)}
			if g.Cluster {
				f[7], f = "3", f[:len(f)-2]
				for _, node := range append([]string{g.Own}, g.Others...) {
					f = append(f, "ClusterNodes", "<Address>"+node+"</Address><Port>16380</Port><LocalNode>on</LocalNode>")
				}
			} else {
				for _, peer := range g.Others {
					f = append(f, "Peers", peer)
				}
			}
			add(g.Name, "", append(f, "Priority", "100", "EnableSSL", "off", "PersistenceLocation", "memory")...)
		}
	case "QuotaEnforcementServer":
		if !p.GatewayPeering {
			return "", unknown("Configuration class", class)
		}
		if req.domain == "default" {
			grouped := x.app.Spec().Quota != nil
			add("quota-enforcement-server", ` intrinsic="true"`, "mAdminState", enabled(grouped), "UserSummary", "", "ServerPort", "16379", "MonitorPort", "26379", "EnablePeerGroup", onOff(grouped), "Priority", "100")
		}
	case "RaidVolume":
		if x.app.Platform() == "software" {
			return "", unknown("Configuration class", class)
		}
		if req.domain == "default" {
			add("raid0", ` intrinsic="true"`, "mAdminState", enabled(x.app.Spec().RAID), "UserSummary", "", "ReadOnly", "off", "Directory", "raid0")
		}
	case "DNSNameService":
		if req.domain == "default" {
			add("MainNameService", ` intrinsic="true"`, "mAdminState", "enabled", "UserSummary", "", "LoadBalanceAlgorithm", "first-alive", "MaxRetries", "2", "Timeout", "5")
		}
	case "TimeSettings":
		add("Time", ` intrinsic="true"`, "mAdminState", "enabled", "LocalTimeZone", x.app.Now().Format("UTC-07:00"))
	case "Throttler":
		add("Throttler", ` intrinsic="true"`, "mAdminState", "enabled", "ThrottleAt", "20", "TerminateAt", "5", "TempFSThrottleAt", strconv.Itoa(x.app.TempFSThrottle()), "TempFSTerminateAt", "0",
			"QnameWarnAt", "10", "Timeout", "30", "Statistics", "off", "LogLevel", "debug", "EnvironmentalLog", "on", "BacklogSize", "0", "BacklogTimeout", "30")
	default:
		return x.objectConfigs(req.domain, class, name)
	}
	return b.String(), nil
}

func enabled(yes bool) string {
	if yes {
		return "enabled"
	}
	return "disabled"
}

// otherClasses are the classes that the gateway knows beside those of its own
// objects.
var otherClasses = []string{
	"HTTPSourceProtocolHandler", "HTTPSSourceProtocolHandler", "MultiProtocolGateway", "WSGateway", "XMLFirewallService", "XMLManager", "StylePolicy",
	"HTTPUserAgent", "HostAlias", "LoadBalancerGroup", "LogTarget", "User", "UserGroup", "PasswordAlias", "CryptoKey", "CryptoIdentCred", "ConfigSequence", "GatewayPeeringManager", "WebGUI", "MgmtInterface",
}

// objectConfigs shows what is known of the domain's other objects.
func (x *exchange) objectConfigs(domain, class, name string) (string, error) {
	if class == "" {
		return "", unknown("Configuration class", class)
	}
	known := slices.Contains(otherClasses, class)
	var b strings.Builder
	for _, d := range x.app.Domains() {
		known = known || slices.ContainsFunc(x.app.Objects(d.Name), func(o appliance.ObjectRow) bool { return o.Class == class })
	}
	if !known {
		return "", unknown("Configuration class", class)
	}
	for _, o := range x.app.Objects(domain) {
		if o.Class == class && (name == "" || name == o.Name) {
			b.WriteString(object(o))
		}
	}
	return b.String(), nil
}

// object is an object with the properties that were set.
func object(o appliance.ObjectRow) string {
	var b strings.Builder
	b.WriteString("<" + o.Class + named(o.Name) + rowNS + ">")
	if !slices.ContainsFunc(o.Properties, func(p appliance.Property) bool { return p.Name == "mAdminState" }) {
		b.WriteString("<mAdminState>" + o.AdminState + "</mAdminState>")
	}
	for _, p := range o.Properties {
		b.WriteString(p.Element)
	}
	b.WriteString("</" + o.Class + ">")
	return b.String()
}

// domainConfigs shows the Domain objects. Every property of default's is read-only.
func (x *exchange) domainConfigs(add func(string, string, ...string)) {
	for _, d := range x.app.Domains() {
		attrs, fixed := "", ""
		if d.Name == "default" {
			attrs, fixed = ` intrinsic="true" read-only="true"`, ` read-only="true"`
		}
		f := fields{"mAdminState" + fixed, "enabled", "UserSummary" + fixed, d.Summary}
		if d.Name != "default" {
			f = append(f, `NeighborDomain class="Domain"`, "default")
		}
		f = append(f, "ConfigMode"+fixed, "local", "ImportFormat"+fixed, "ZIP", "LocalIPRewrite"+fixed, "on", "MaxChkpoints"+fixed, "3", "ConfigPermissionsMode"+fixed, "scope-domain",
			"FileMap"+fixed, flags("CopyFrom", "CopyTo", "Delete", "Display", "Exec", "Subdir"), "MonitoringMap"+fixed, flags("Audit", "Log"))
		add(d.Name, attrs, f...)
	}
}

// flags is a group of settings that are on.
func flags(names ...string) string {
	var b strings.Builder
	for _, n := range names {
		b.WriteString("<" + n + ">on</" + n + ">")
	}
	return b.String()
}
