package soma

import (
	"archive/zip"
	"encoding/base64"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dprun/dprun/testfixtures/dpsim/appliance"
	"github.com/dprun/dprun/testfixtures/dpsim/spool"
)

// dispatch carries out an operation.
func (x *exchange) dispatch(req *request) (*reply, error) {
	if !x.app.HasDomain(req.domain) {
		return nil, &appliance.Refusal{Text: "Domain '" + req.domain + "' does not exist", Log: true}
	}
	if x.refused(req) {
		return nil, &appliance.Refusal{Text: "Authentication failure"}
	}
	now := x.app.Now
	switch req.op.name {
	case "do-view-certificate-details":
		details, err := x.certificateDetails(req)
		return good(now(), wrap("dp:view-certificate-details", details)), err
	case "get-status":
		rows, err := x.status(req)
		return good(now(), wrap("dp:status", rows)), err
	case "get-config":
		rows, err := x.config(req)
		return good(now(), wrap("dp:config", rows)), err
	case "get-filestore":
		listing, err := x.filestore(req)
		return good(now(), wrap("dp:filestore", listing)), err
	case "get-file":
		return x.getFile(req)
	case "set-file":
		return x.setFile(req)
	case "do-export":
		return x.export(req)
	case "do-backup":
		return x.backup(req)
	case "do-import":
		return x.importPackage(req)
	case "set-config", "modify-config", "del-config":
		if err := x.setConfig(req); err != nil {
			return nil, err
		}
		return good(now(), result("OK")), nil
	case "do-action":
		if err := x.action(req); err != nil {
			return nil, err
		}
		text := "OK"
		if x.app.PaddedOK() {
			text = "\n            OK\n    "
		}
		return good(now(), "<dp:result>"+text+"</dp:result>"), nil
	}
	return nil, unknown("Operation", req.op.name)
}

func wrap(element, inner string) string {
	if inner == "" {
		return "<" + element + "/>"
	}
	return "<" + element + ">" + inner + "</" + element + ">"
}

func (x *exchange) export(req *request) (*reply, error) {
	persisted := req.op.flag("persisted")
	blob, err := x.app.Export(x.app.Session(), req.domain, req.op.value("user-comment"), persisted)
	if err != nil {
		return nil, err
	}
	if req.op.attrs["format"] == "XML" {
		text, err := exportXML(blob)
		return good(x.app.Now(), "<dp:file>"+text+"</dp:file>"), err
	}
	r := file(x.app.Now(), "", blob)
	r.served = &appliance.Served{Operation: "do-export", Domain: req.domain, Persisted: persisted, SHA256: blob.SHA256, Size: blob.Size}
	return r, nil
}

func (x *exchange) backup(req *request) (*reply, error) {
	persisted, names := req.op.flag("persisted"), req.backupDomains()
	if req.domain != "default" {
		return nil, &appliance.Refusal{Text: "ERROR"}
	}
	blob, err := x.app.Backup(x.app.Session(), names, req.op.value("user-comment"), persisted)
	if err != nil {
		return nil, err
	}
	r := file(x.app.Now(), "", blob)
	r.served = &appliance.Served{Operation: "do-backup", Domain: strings.Join(names, ","), Persisted: persisted, SHA256: blob.SHA256, Size: blob.Size}
	return r, nil
}

func (x *exchange) getFile(req *request) (*reply, error) {
	name := req.op.attrs["name"]
	f, err := x.app.ReadFile(req.domain, name)
	if err != nil {
		return nil, err
	}
	r := file(x.app.Now(), name, f.Blob())
	if err := r.shorten(f.Cut()); err != nil {
		return nil, err
	}
	if f.Flipped() && r.blob != nil {
		if err := r.flip(r.blob.Size / 2); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (x *exchange) setFile(req *request) (*reply, error) {
	content, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(req.op.text), ""))
	if err != nil {
		return nil, &appliance.Refusal{Text: "Cannot decode the file content", Log: true}
	}
	if err := x.app.WriteFile(req.domain, req.op.attrs["name"], content); err != nil {
		return nil, err
	}
	return good(x.app.Now(), result("OK")), nil
}

// action carries out a do-action.
func (x *exchange) action(req *request) error {
	a := req.action
	switch a.name {
	case "DomainQuiesce":
		return x.app.Quiesce(x.app.Session(), a.value("name"), seconds(a, "timeout"), x.delay(a))
	case "DomainUnquiesce":
		return x.app.Unquiesce(a.value("name"))
	case "QuiesceDP", "UnquiesceDP", "SecureBackup":
		if req.domain != "default" {
			return &appliance.Refusal{Text: "Action '" + a.name + "' is only available in the default domain", Log: true}
		}
		switch a.name {
		case "QuiesceDP":
			return x.app.QuiesceAll(x.app.Session(), seconds(a, "timeout"), x.delay(a))
		case "UnquiesceDP":
			return x.app.UnquiesceAll()
		}
		return x.app.SecureBackup(x.app.Session(), a.value("cert"), a.value("destination"))
	case "SaveConfig":
		return x.app.SaveConfig(req.domain)
	case "SaveCheckpoint":
		return x.app.SaveCheckpoint(req.domain, a.value("ChkName"))
	case "RemoveCheckpoint":
		return x.app.RemoveCheckpoint(req.domain, a.value("ChkName"))
	case "RollbackCheckpoint":
		return x.app.RollbackCheckpoint(req.domain, a.value("ChkName"))
	case "RestartThisDomain":
		return x.app.RestartDomain(req.domain)
	case "ResetThisDomain":
		return x.app.ResetDomain(req.domain)
	case "ServiceQuiesce":
		return x.app.QuiesceService(req.domain, a.value("type"), a.value("name"), seconds(a, "timeout"))
	case "ServiceUnquiesce":
		return x.app.UnquiesceService(req.domain, a.value("type"), a.value("name"))
	case "SetLogLevel":
		return logLevel(a.value("LogLevel"))
	case "ExecConfig":
		return x.app.ExecConfig(req.domain, a.value("URL"))
	case "FlushDocumentCache", "FlushStylesheetCache":
		return x.app.HasObject(req.domain, "XMLManager", a.value("XMLManager"))
	case "DeleteFile":
		return x.app.DeleteFile(req.domain, a.value("File"))
	case "CreateDir":
		return x.app.CreateDir(req.domain, a.value("Dir"))
	case "RemoveDir":
		return x.app.RemoveDir(req.domain, a.value("Dir"))
	case "Ping":
		return reachable(a.value("RemoteHost"))
	case "TCPConnectionTest":
		return connects(a.value("RemoteHost"), a.value("RemotePort"))
	}
	return unknown("Action", a.name)
}

// exportXML is the text of an export in format XML: the list of contents alone,
// as an archive holds it.
func exportXML(blob *spool.Blob) (string, error) {
	z, err := zip.NewReader(blob, blob.Size)
	if err != nil {
		return "", err
	}
	f, err := z.Open("export.xml")
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	return base64.StdEncoding.EncodeToString(text), err
}

// setConfig creates, changes or removes objects.
func (x *exchange) setConfig(req *request) error {
	if len(req.op.children) == 0 {
		return &appliance.Refusal{Text: "No configuration object", Log: true}
	}
	for _, o := range req.op.children {
		var properties []appliance.Property
		for _, p := range o.children {
			properties = append(properties, appliance.Property{Name: p.name, Element: p.element()})
		}
		if err := x.app.SetObject(req.domain, o.name, o.attrs["name"], req.op.name, properties); err != nil {
			return err
		}
	}
	return nil
}

// logLevel checks a level; nothing is logged.
func logLevel(level string) error {
	if slices.Contains([]string{"emerg", "alert", "critic", "error", "warn", "notice", "info", "debug"}, level) {
		return nil
	}
	return &appliance.Refusal{Text: "Value '" + level + "' for parameter LogLevel is not valid", Log: true}
}

// seconds reads a parameter in seconds; what is no number is out of range.
func seconds(a *node, name string) time.Duration {
	n, err := strconv.Atoi(a.value(name))
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// delay is the pause before a quiesce, which old firmware does not know.
func (x *exchange) delay(a *node) time.Duration {
	if !x.app.Profile().QuiesceDelay {
		return 0
	}
	return seconds(a, "delay")
}

// reachable answers for this machine only: nothing leaves it.
func reachable(host string) error {
	if host == "localhost" || net.ParseIP(host).IsLoopback() {
		return nil
	}
	return &appliance.Refusal{Text: "Host unreachable: '" + host + "'", Log: true}
}

func connects(host, port string) error {
	if err := reachable(host); err != nil {
		return err
	}
	c, err := net.DialTimeout("tcp", net.JoinHostPort(host, port), time.Second)
	if err != nil {
		return &appliance.Refusal{Text: "TCP connection to '" + host + "' port " + port + " failed", Log: true}
	}
	return c.Close()
}
