package soma

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// statusClasses are what get-status without a class answers with.
var statusClasses = []string{
	"ActiveUsers", "CPUUsage", "DateTimeStatus", "DomainCheckpointStatus", "DomainStatus", "DomainSummary", "FilesystemStatus", "FirmwareStatus",
	"FirmwareVersion", "FirmwareVersion2", "FirmwareVersion3", "GatewayPeeringClusterStatus", "GatewayPeeringStatus", "MemoryStatus", "ObjectStatus",
	"QuotaEnforcementStatus", "SelfBalancedStatus2", "StandbyStatus2", "SystemUsage", "TCPTable", "Version",
}

// status answers get-status with the rows of one class, or of every class that
// the firmware knows.
func (x *exchange) status(req *request) (string, error) {
	if class := req.op.attrs["class"]; class != "" {
		return x.statusOf(req, class)
	}
	var b strings.Builder
	for _, class := range statusClasses {
		if rows, err := x.statusOf(req, class); err == nil {
			b.WriteString(rows)
		}
	}
	return b.String(), nil
}

func (x *exchange) statusOf(req *request, class string) (string, error) {
	p := x.app.Profile()
	var b strings.Builder
	add := func(f ...string) { b.WriteString(row(class, "", f)) }
	switch class {
	case "DomainStatus":
		x.domainStatus(add)
	case "DomainSummary":
		for _, d := range x.app.Domains() {
			add("Domain", d.Name, "Quiesce", d.QuiesceState)
		}
	case "FilesystemStatus":
		s := x.app.Filesystems()
		add("FreeEncrypted", megabytes(s.FreeEncrypted), "TotalEncrypted", megabytes(s.TotalEncrypted),
			"FreeTemporary", megabytes(s.FreeTemporary), "TotalTemporary", megabytes(s.TotalTemporary),
			"FreeInternal", megabytes(s.FreeInternal), "TotalInternal", megabytes(s.TotalInternal))
	case "FirmwareVersion", "FirmwareVersion2", "FirmwareVersion3":
		if !slices.Contains(p.FirmwareClasses, class) {
			return "", unknown("Status class", class)
		}
		_, serial := x.app.Identity(req.name)
		f := fields{"Serial", serial, "Version", p.Version, "Build", p.Build, "BuildDate", p.BuildDate}
		if class == "FirmwareVersion3" {
			f = append(f, "DeliveryType", p.Delivery)
		}
		add(append(f, "WatchdogBuild", "", "InstalledDPOS", "", "RunningDPOS", "", "XMLAccelerator", "xg4", "MachineType", p.Machine, "ModelType", x.app.ProductID()[min(4, len(x.app.ProductID())):])...)
	case "FirmwareStatus":
		add("Type", "Primary", "Version", p.Version, "Build", p.Build, "BuildDate", p.BuildDate, "InstallDate", p.BuildDate, "BootCount", "7")
	case "Version":
		add("Version", p.Version)
	case "DateTimeStatus":
		now, up := x.app.Now(), x.app.Now().Sub(x.app.Booted())
		add("time", now.Format(time.ANSIC), "timezone", now.Format("-07:00"), "tzspec", now.Format("UTC-07:00"),
			"uptime2", fmt.Sprintf("%d days %02d:%02d:%02d", int(up.Hours())/24, int(up.Hours())%24, int(up.Minutes())%60, int(up.Seconds())%60),
			"bootuptime2", fmt.Sprintf("%d days %02d:%02d:%02d", int(up.Hours())/24, int(up.Hours())%24, int(up.Minutes())%60, int(up.Seconds())%60))
	case "SystemUsage":
		_, load, _ := x.app.Load()
		add("Interval", "1000", "Load", strconv.Itoa(load), "WorkList", "0")
	case "TCPTable": // the listener of this interface
		add("localIP", "0.0.0.0", "localPort", x.port(), "remoteIP", "0.0.0.0", "remotePort", "0", "state", "listen",
			"serviceDomain", "default", "serviceClass", "MgmtInterface", "serviceName", "xml-mgmt")
	case "CPUUsage":
		cpu, _, _ := x.app.Load()
		n := strconv.Itoa(cpu)
		add("tenSeconds", n, "oneMinute", n, "tenMinutes", n, "oneHour", n, "oneDay", n)
	case "MemoryStatus":
		_, _, memory := x.app.Load()
		add("Usage", strconv.Itoa(memory), "TotalMemory", "16374964", "UsedMemory", "5567488", "FreeMemory", "10807476", "ReqMemory", "6310400")
	case "ObjectStatus":
		for _, o := range x.app.Objects(req.domain) {
			add("Class", o.Class, "OpState", o.OpState, "AdminState", o.AdminState, "Name", o.Name, "EventCode", o.EventCode, "ErrorCode", o.ErrorCode, "ConfigState", o.ConfigState)
		}
	case "ActiveUsers":
		user, _ := x.app.Credentials()
		add("session", "1432", "name", user, "connection", "saml-artifact", "address", "127.0.0.1", "login", x.app.Now().Format(time.ANSIC), "domain", req.domain)
		for i, u := range x.app.Users() {
			add("session", strconv.Itoa(1500+i), "name", u.Name, "connection", cmp.Or(u.Connection, "secure-shell"), "address", u.Address, "login", x.app.Now().Format(time.ANSIC), "domain", "default")
		}
	case "DomainCheckpointStatus":
		for _, c := range x.app.Checkpoints(req.domain) {
			add("ChkName", c.Name, "Date", c.Time.Format(time.DateOnly), "Time", c.Time.Format("15:04:05 -07:00"))
		}
	case "GatewayPeeringStatus", "GatewayPeeringClusterStatus":
		if !p.GatewayPeering {
			return "", unknown("Status class", class)
		}
		x.peeringStatus(req.domain, class == "GatewayPeeringClusterStatus", add)
	case "StandbyStatus2":
		for _, s := range x.app.Standbys() {
			add("InterfaceIndex", "1", "InterfaceType", "ethernet", "Name", s.Interface, "Group", strconv.Itoa(s.Group), "IP", "192.0.2.250",
				"Priority", "100", "State", s.State, "Preempt", "off", "GroupLeader", s.Leader, "SelfBalance", onOff(s.SelfBalance), "DistAlg", "")
		}
	case "SelfBalancedStatus2":
		for _, s := range x.app.SelfBalanced() {
			domain, name, _ := strings.Cut(s.Service, "/")
			add("localVIPA", "192.0.2.250", "port", "443", "realServer", s.Target, "targetState", s.State, "serviceDomain", domain,
				"serviceType", "HTTPSSourceProtocolHandler", "serviceName", name, "weight", "100", "activeconns", "3", "inactiveconns", "0")
		}
	case "QuotaEnforcementStatus":
		if !p.GatewayPeering {
			return "", unknown("Status class", class)
		}
		q := x.app.Quota()
		add("State", q.State, "Mode", q.Mode, "Role", q.Role, "Primary", q.Primary, "ConnectedReplicas", "", "Size", "", "Keys", "")
	default:
		return "", unknown("Status class", class)
	}
	return b.String(), nil
}

// port is the one that the request came to.
func (x *exchange) port() string {
	_, port, _ := net.SplitHostPort(x.conn.LocalAddr().String())
	return port
}

func (x *exchange) domainStatus(add func(...string)) {
	for _, d := range x.app.DomainStatus() {
		f := fields{"Domain", d.Name, "SaveNeeded", onOff(d.SaveNeeded), "TraceEnabled", "off", "DebugEnabled", "off", "ProbeEnabled", "off",
			"DiagEnabled", "off", "CurrentCommand", d.CurrentCommand}
		if !d.NoQuiesceState {
			f = append(f, "QuiesceState", d.QuiesceState)
		}
		if x.app.Profile().InterfaceState {
			f = append(f, "InterfaceState", "ok", "FailsafeMode", d.FailsafeMode)
		}
		add(f...)
	}
}

func (x *exchange) peeringStatus(domain string, clusters bool, add func(...string)) {
	for _, p := range x.app.Peers(domain, clusters) {
		if clusters {
			add("Address", p.Address+":16380", "Primary", p.Primary, "LinkStatus", "ok", "NodeID", p.Name+"-"+p.Address, "SecondaryList", "", "Slots", "", "KeysCount", "12", "BytesPerKey", "80")
			continue
		}
		add("Address", p.Address, "Name", p.Name, "PendingUpdates", "0", "ReplicationOffset", "4711", "LinkStatus", "ok", "Primary", p.Primary)
	}
}

func megabytes(n int64) string { return strconv.FormatInt(n/1_000_000, 10) }
