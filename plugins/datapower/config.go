package datapower

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// Config is the `config` block of a device "datapower".
type Config struct {
	Host           string        `dprun:"host,required" doc:"Name or address of the gateway's XML management interface."`
	Port           int           `dprun:"port" format:"port" default:"5550" doc:"Port of the XML management interface."`
	Username       string        `dprun:"username,required" doc:"User of the gateway, allowed to use the XML management interface, to export, and to quiesce where plans do."`
	Password       string        `dprun:"password,required,sensitive" doc:"Password of the user."`
	Path           string        `dprun:"path" default:"/service/mgmt/current" doc:"Path of the management service."`
	ConnectTimeout time.Duration `dprun:"connect_timeout" default:"10s" min:"1s" max:"5m" doc:"Limit for connecting and, separately, for the TLS handshake."`
	AnswerTimeout  time.Duration `dprun:"answer_timeout" default:"10m" min:"1s" max:"2h" doc:"How long the gateway may take to begin an answer; it builds an export first. A secure backup is not bounded by it."`
	StallTimeout   time.Duration `dprun:"stall_timeout" default:"60s" min:"1s" max:"30m" doc:"How long nothing may arrive within an answer that has begun."`
	ActiveUsers    string        `dprun:"active_users" default:"warn" oneof:"wait|warn|ignore" doc:"What it means before a quiesce that administrators are logged in to the gateway: wait until they have left (5 minutes at most, then the task fails), warn beside the result, or nothing. dprun's own account on the XML management interface does not count."`
	IgnoreUsers    []string      `dprun:"ignore_users" doc:"Accounts that do not count as administrators who are logged in, such as those of monitoring."`
	Serial         string        `dprun:"serial" doc:"Serial number of the appliance. Another appliance at this address is refused before anything else is asked of it. All virtual machines and containers may have 0000000: pin their device_name."`
	DeviceName     string        `dprun:"device_name" doc:"Name that the gateway has in its system settings. Another gateway at this address is refused before anything else is asked of it."`
	TLS            *TLSConfig    `dprun:"tls,block" doc:"How the gateway's certificate is verified; without the block against the system's roots. Verification cannot be switched off."`
}

// TLSConfig is the `tls` block.
type TLSConfig struct {
	CAFile        string `dprun:"ca_file" format:"certificates" doc:"File of trusted roots in PEM form. A self-signed certificate is its own root."`
	ServerName    string `dprun:"server_name" doc:"Name that the certificate is for, where it is not the host. A certificate that has a common name alone, and no subject alternative names, cannot be checked by name: pin it with fingerprint_sha256."`
	Fingerprint   string `dprun:"fingerprint_sha256" doc:"SHA-256 of the gateway's certificate in hexadecimal: trusts this certificate alone, whoever signed it and until when. Use it instead of ca_file and server_name."`
	MinVersion    string `dprun:"min_version" default:"1.2" oneof:"1.0|1.1|1.2|1.3" doc:"Oldest version of TLS that is spoken. Appliances of firmware 6 need 1.0. Below 1.2 the legacy ciphers are offered too."`
	LegacyCiphers bool   `dprun:"legacy_ciphers" default:"false" doc:"Also offer RSA key exchange and ciphers in CBC mode, which many appliances have alone (AES128-SHA, AES256-SHA). A gateway that has DHE ciphers alone cannot be reached: add an ECDHE or RSA cipher to its SSL server profile."`
}

// SchemaConstraints says which arguments exclude each other.
func (TLSConfig) SchemaConstraints() schema.Constraints {
	return schema.Constraints{AtMostOne: [][]string{{"ca_file", "fingerprint_sha256"}, {"server_name", "fingerprint_sha256"}}}
}

// The values of persisted that are asked for.
const (
	persistedAuto = "auto"
	runningOnly   = "running"
	bothExports   = "both"
)

const methodBackup = "backup"

// exportConfig is the `config` block of activity "export_domain".
type exportConfig struct {
	Persisted string `dprun:"persisted" default:"auto" oneof:"auto|persisted|running|both" doc:"Which configuration to export: the saved one, the running one, both, or (auto) the saved one and, where there are unsaved changes, the running one too."`
	Method    string `dprun:"method" default:"export" oneof:"export|backup" doc:"Operation of the gateway to use: export of everything in the domain with its files, or backup of the one domain."`
}

// allDomainsConfig is the `config` block of activity "export_all_domains".
type allDomainsConfig struct {
	Persisted string `dprun:"persisted" default:"auto" oneof:"auto|persisted|running|both" doc:"Which configuration to back up: the saved one, the running one, both, or (auto) the saved one and, where any domain has unsaved changes, the running one too."`
}

// The values of unsaved that are asked for.
const (
	unsavedWarn = "warn"
	unsavedFail = "fail"
)

// secureBackupConfig is the `config` block of activity "secure_backup".
type secureBackupConfig struct {
	Certificate  string `dprun:"certificate,required" doc:"Certificate object in the gateway's default domain that the backup is encrypted with."`
	Recovery     string `dprun:"recovery_certificate" format:"certificates" doc:"File of the certificate whose private key you keep for a restore, in PEM form. A secure backup is refused when the gateway's certificate object holds another one."`
	Fingerprint  string `dprun:"recovery_fingerprint" doc:"SHA-256 of the certificate in recovery_certificate, in hexadecimal, with or without colons: a file that somebody has exchanged is refused."`
	Custodian    string `dprun:"recovery_custodian" doc:"Who keeps the private key of recovery_certificate. dprun check says whom to ask."`
	Proven       string `dprun:"recovery_proven" doc:"Date of the last proof that this private key is at hand and fits, as 2026-11-28. dprun check warns when it is more than 100 days ago."`
	Directory    string `dprun:"directory" default:"temporary:///dprun-sb/" doc:"Directory on the gateway, in temporary: or local:, that the backup is written to and removed from."`
	IncludeISCSI bool   `dprun:"include_iscsi" default:"false" doc:"Include the iSCSI volume."`
	IncludeRAID  bool   `dprun:"include_raid" default:"false" doc:"Include the RAID volume."`
	Unsaved      string `dprun:"unsaved" default:"warn" oneof:"warn|fail|ignore" doc:"What unsaved changes mean: a secure backup holds saved configuration only."`
}

func tlsVersion(s string) uint16 {
	switch s {
	case "1.0":
		return tls.VersionTLS10
	case "1.1":
		return tls.VersionTLS11
	case "1.3":
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// address returns host and port of the gateway. The plugin does not know the gateway's name in the plan; the
// host does.
func (c Config) address() string { return net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) }

// clientConfig reads the files that the configuration names and makes the
// configuration of the client.
func (c Config) clientConfig() (soma.Config, error) {
	out := soma.Config{
		Host: c.Host, Port: c.Port, Username: c.Username, Password: c.Password, Path: c.Path, ConnectTimeout: c.ConnectTimeout, Answer: c.AnswerTimeout, Stall: c.StallTimeout,
	}
	if c.TLS == nil {
		return out, nil
	}
	out.TLS = soma.TLS{ServerName: c.TLS.ServerName, Fingerprint: c.TLS.Fingerprint, MinVersion: tlsVersion(c.TLS.MinVersion), LegacyCiphers: c.TLS.LegacyCiphers}
	if c.TLS.CAFile != "" {
		roots, err := os.ReadFile(c.TLS.CAFile)
		if err == nil && !x509.NewCertPool().AppendCertsFromPEM(roots) {
			err = fmt.Errorf("%s holds no certificate in PEM form", c.TLS.CAFile)
		}
		if err != nil {
			return out, failure.New(failure.Precondition, failure.BadConfig, "%s was not contacted: its trusted roots: %w", c.address(), err).
				WithRemedy("check the plan: tls.ca_file must name a file of trusted roots in PEM form")
		}
		out.TLS.CAs = roots
	}
	return out, nil
}

// problems collects diagnostics.
type problems []schema.Diagnostic

func (p *problems) add(summary, detail string, at ...string) {
	*p = append(*p, schema.Diagnostic{Severity: schema.SeverityError, Summary: summary, Detail: detail, Path: at})
}

// validateConfig checks what the schema cannot. It reads no files.
func validateConfig(c Config, known func(path ...string) bool) []schema.Diagnostic {
	var p problems
	if known("host") && (c.Host == "" || strings.ContainsAny(c.Host, "/@[] ") || strings.Count(c.Host, ":") == 1 || strings.ContainsFunc(c.Host, unicode.IsControl)) {
		p.add("Unusable host", "host must be only a name or an address. Put the port into port and the user into username.", "host")
	}
	if known("username") && (c.Username == "" || strings.ContainsFunc(c.Username, unicode.IsControl) || strings.Contains(c.Username, ":")) {
		p.add("Unusable user name", "username must not be empty or hold a colon or control characters.", "username")
	}
	if known("password") && c.Password == "" {
		p.add("Empty password", "password must not be empty.", "password")
	}
	if known("path") && !strings.HasPrefix(c.Path, "/") {
		p.add("Unusable path", fmt.Sprintf("path must start with a slash, as %q does.", soma.DefaultPath), "path")
	}
	if c.TLS != nil && known("tls", "fingerprint_sha256") && c.TLS.Fingerprint != "" {
		if _, err := soma.ParseFingerprint(c.TLS.Fingerprint); err != nil {
			p.add("Unusable fingerprint", "fingerprint_sha256: "+err.Error()+".", "tls", "fingerprint_sha256")
		}
	}
	return p
}

// validateSecureBackup checks what the schema cannot.
func validateSecureBackup(c secureBackupConfig, known func(path ...string) bool) []schema.Diagnostic {
	var p problems
	if known("certificate") && (c.Certificate == "" || strings.ContainsAny(c.Certificate, "/:") || strings.ContainsFunc(c.Certificate, unicode.IsControl)) {
		p.add("Unusable certificate", "certificate must be the name of a certificate object in the default domain, not of a file.", "certificate")
	}
	if _, err := hex.DecodeString(fingerprint(c.Fingerprint)); known("recovery_fingerprint") && c.Fingerprint != "" && (err != nil || len(fingerprint(c.Fingerprint)) != 2*sha256.Size) {
		p.add("Unusable fingerprint", "recovery_fingerprint is a SHA-256 in hexadecimal; `openssl x509 -in FILE -noout -fingerprint -sha256` shows it.", "recovery_fingerprint")
	}
	if _, err := time.Parse(time.DateOnly, c.Proven); known("recovery_proven") && c.Proven != "" && err != nil {
		p.add("Unusable date", "recovery_proven must be a date such as 2026-11-28.", "recovery_proven")
	}
	for name, value := range map[string]string{"recovery_custodian": c.Custodian, "recovery_fingerprint": c.Fingerprint, "recovery_proven": c.Proven} {
		if known(name) && known("recovery_certificate") && value != "" && c.Recovery == "" {
			p.add("No recovery certificate", name+" is about the certificate in recovery_certificate, which is not set.", name)
		}
	}
	if known("directory") {
		if err := checkDirectory(c.Directory); err != nil {
			p.add("Unusable directory", "directory "+err.Error()+".", "directory")
		}
	}
	return p
}

// fingerprint normalizes a fingerprint.
func fingerprint(text string) string { return strings.ToLower(strings.ReplaceAll(text, ":", "")) }

// checkDirectory refuses a directory that the gateway would not accept. It also refuses the root of a store,
// because the backup's files are removed afterwards.
func checkDirectory(dir string) error {
	store, rest, _ := strings.Cut(dir, ":")
	if store != "temporary" && store != "local" {
		return fmt.Errorf("must be in the gateway's temporary: or local: store, for example %q", "temporary:///dprun-sb/")
	}
	clean := path.Clean("/" + rest)
	if clean == "/" {
		return fmt.Errorf("must name a directory below %s:///", store)
	}
	for _, r := range rest {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./", r) {
			return fmt.Errorf("may hold only letters, digits, dashes, underscores, dots and slashes")
		}
	}
	if strings.Contains("/"+rest+"/", "/../") {
		return fmt.Errorf("must not hold %q", "..")
	}
	return nil
}

// remedy says which argument of the tls block to change after a failed connection, given the block as
// it is.
func (c TLSConfig) remedy(e *soma.Error) string {
	pin := fmt.Sprintf("fingerprint_sha256 = %q", e.Fingerprint)
	switch e.TLS {
	case soma.NoCommonVersion:
		return c.versionRemedy()
	case soma.NoCommonCipher:
		return c.cipherRemedy()
	case soma.ClientWanted:
		return "the gateway asks for a certificate of the client, which dprun does not have: switch client authentication off in the SSL server profile of its management interface"
	case soma.NotTLS:
		return "check host and port: something other than the XML management interface (port 5550) answers there"
	case soma.OtherPin:
		return fmt.Sprintf("if the gateway has a new certificate, set tls.%s; if not, somebody else may be answering", pin)
	case soma.OtherName:
		if len(e.Names) == 0 {
			return fmt.Sprintf("the certificate names no host to check: if it is the gateway's, set tls.%s in place of ca_file and server_name", pin)
		}
		return fmt.Sprintf("if it is the gateway's, set tls.server_name to a name of the certificate (%s), or set tls.%s in place of ca_file and server_name", strings.Join(e.Names[:min(len(e.Names), 5)], ", "), pin)
	case soma.Expired:
		return fmt.Sprintf("check the clock of this host, and renew the certificate on the gateway; tls.%s in place of ca_file trusts it even after it has expired", pin)
	case soma.UnknownAuthority:
		if c.CAFile != "" {
			return fmt.Sprintf("tls.ca_file does not hold the authority that signed it: if it is the gateway's, add the authority's certificate to that file, or set tls.%s in its place", pin)
		}
		return fmt.Sprintf("if this is the gateway's certificate, set tls.ca_file, or tls.%s", pin)
	}
	if e.Fingerprint != "" {
		return fmt.Sprintf("if this is the gateway's certificate, set tls.%s in place of ca_file and server_name", pin)
	}
	return "check host, port and the tls block"
}

func (c TLSConfig) versionRemedy() string {
	switch c.MinVersion {
	case "1.0":
		return "the gateway supports no version of TLS that dprun supports: allow TLS 1.0 or newer in the SSL server profile of its management interface"
	case "1.1":
		return "the gateway supports only older versions of TLS: set tls.min_version = \"1.0\", or renew its firmware or SSL server profile"
	case "1.3":
		return "the gateway supports only older versions of TLS: set tls.min_version = \"1.2\""
	}
	return "the gateway supports only older versions of TLS: set tls.min_version = \"1.1\" or \"1.0\", or renew its firmware or SSL server profile"
}

func (c TLSConfig) cipherRemedy() string {
	const profile = "add an ECDHE or RSA cipher with AES to the SSL server profile of its management interface"
	if c.LegacyCiphers || c.MinVersion == "1.0" || c.MinVersion == "1.1" {
		return "the gateway and dprun have no cipher in common; the gateway may have only DHE ciphers: " + profile
	}
	return "the gateway has only old ciphers: set tls.legacy_ciphers = true, or " + profile
}
