package appliance

import (
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// Profile is what a firmware line does differently from others.
type Profile struct {
	Name      string
	Version   string
	Build     string
	BuildDate string // 2021/09/29 17:42:35
	Delivery  string // empty before 2018
	Product   string
	Model     string
	Machine   string

	PaddedOK           bool     // OK comes with line breaks and blanks around it
	PrefixedEvents     bool     // dp:log-event, not log-event
	FirmwareClasses    []string // status classes that tell the version
	InterfaceState     bool     // DomainStatus has InterfaceState and FailsafeMode
	SecureBackupMode   bool     // the SecureBackupMode class exists
	QuiesceDelay       bool     // quiesce actions take a delay
	GatewayPeering     bool     // peering classes exist
	APIConnect         bool     // the APIConnectGatewayService class exists
	Intrusion          bool     // exports tell intrusion-detection
	Stores             bool     // default's exports carry store: and tasktemplates:
	DeflateNested      bool     // backups deflate the archives in them
	FilestoreAccess    bool     // listings carry Access elements
	CertificateDetails bool     // do-view-certificate-details exists
	ManifestChecksum   string   // sha1 or sha512
	destinationAllowed *regexp.Regexp
}

// The model asks for two or three slashes; a public client writes one.
var (
	destinationOld = regexp.MustCompile(`^(temporary|ftp|local):/`)
	destinationNew = regexp.MustCompile(`^(temporary|local):/|^ftp://[^/]+(/[^/]+)*$`)
)

func profiles() map[string]Profile {
	return map[string]Profile{
		"XI50.6": {
			Version: "XI50.6.0.0.2", Build: "234628", BuildDate: "2013/09/25 13:55:47", Product: "XI50", Model: "DataPower XI50", Machine: "9235",
			PaddedOK: true, FirmwareClasses: []string{"FirmwareVersion"}, FilestoreAccess: true, DeflateNested: true,
			ManifestChecksum: "sha1", destinationAllowed: destinationOld,
		},
		"IDG.7.5": {
			Version: "IDG.7.5.2.18", Build: "304523", BuildDate: "2019/03/12 10:11:02", Product: "IDG", Model: "IBM DataPower Gateway", Machine: "8436",
			FirmwareClasses: []string{"FirmwareVersion", "FirmwareVersion2"}, SecureBackupMode: true, QuiesceDelay: true,
			ManifestChecksum: "sha1", destinationAllowed: destinationNew,
		},
		"IDG.2018.4.1": {
			Version: "IDG.2018.4.1.3", Build: "308223", BuildDate: "2019/02/14 17:00:17", Delivery: "LTS", Product: "IDG", Model: "IBM DataPower Gateway", Machine: "8436",
			PrefixedEvents: true, FirmwareClasses: []string{"FirmwareVersion", "FirmwareVersion2", "FirmwareVersion3"}, InterfaceState: true,
			SecureBackupMode: true, QuiesceDelay: true, GatewayPeering: true, APIConnect: true,
			ManifestChecksum: "sha1", destinationAllowed: destinationNew,
		},
		"IDG.10.0.1": {
			Version: "IDG.10.0.1.5", Build: "336212", BuildDate: "2021/09/29 17:42:35", Delivery: "LTS", Product: "IDG", Model: "IBM DataPower Gateway", Machine: "8436",
			PrefixedEvents: true, FirmwareClasses: []string{"FirmwareVersion", "FirmwareVersion2", "FirmwareVersion3"}, InterfaceState: true,
			SecureBackupMode: true, QuiesceDelay: true, GatewayPeering: true, APIConnect: true, Intrusion: true,
			CertificateDetails: true, ManifestChecksum: "sha1", destinationAllowed: destinationNew,
		},
		"IDG.10.5": {
			Version: "IDG.10.5.0.18", Build: "361204", BuildDate: "2025/06/18 09:20:44", Delivery: "LTS", Product: "IDG", Model: "IBM DataPower Gateway", Machine: "8441",
			PrefixedEvents: true, FirmwareClasses: []string{"FirmwareVersion", "FirmwareVersion2", "FirmwareVersion3"}, InterfaceState: true,
			SecureBackupMode: true, QuiesceDelay: true, GatewayPeering: true, APIConnect: true, Intrusion: true, Stores: true,
			CertificateDetails: true, ManifestChecksum: "sha512", destinationAllowed: destinationNew,
		},
	}
}

// profileFor finds a profile by name; empty is IDG.10.0.1.
func profileFor(name string) (Profile, error) {
	if name == "" {
		name = "IDG.10.0.1"
	}
	all := profiles()
	p, ok := all[name]
	if !ok {
		var names []string
		for n := range all {
			names = append(names, n)
		}
		sort.Strings(names)
		return Profile{}, fmt.Errorf("firmware %q is not simulated; choose one of %s", name, strings.Join(names, ", "))
	}
	p.Name = name
	return p, nil
}
