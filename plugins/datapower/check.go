package datapower

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// Check reads what decides whether an activity can run: with three requests for an export, and up to nine for a
// secure backup. Before a quiesce it also reads what speaks against one: with eight more for a domain, and two
// more for each domain of a device.
func (s *source) Check(ctx context.Context, r sdk.CheckRequest) (*sdk.CheckReport, error) {
	domains, err := s.client.DomainStatus(ctx)
	if err != nil {
		return nil, s.failed(err, "check: read its domains")
	}
	quiesce, ok := report(domains, r.Target)
	if !ok {
		return nil, s.noDomain(r.Target)
	}
	out := &sdk.CheckReport{Quiesce: quiesce}
	var unsaved []string
	for _, d := range domains.Domains {
		if !r.Target.Device() && d.Name != r.Target.Domain {
			if d.Name == defaultDomain && out.CurrentCommand == "" {
				out.CurrentCommand = d.CurrentCommand // of the device itself
			}
			continue
		}
		if d.SaveNeeded {
			unsaved = append(unsaved, d.Name)
		}
		if d.CurrentCommand != "" {
			out.CurrentCommand = d.CurrentCommand
		}
		if d.FailsafeMode != "" && d.FailsafeMode != "none" {
			out.Warnings = append(out.Warnings, fmt.Sprintf("domain %s is in failsafe mode (%s)", d.Name, d.FailsafeMode))
		}
	}
	out.SaveNeeded = len(unsaved) > 0
	limits, err := s.room(ctx, r, domains, out)
	if err != nil {
		return nil, err
	}
	switch r.Activity {
	case activityExport:
		c, err := decode[exportConfig](r.Config)
		if err != nil {
			return nil, err
		}
		out.Variants = variants(c.Persisted, out.SaveNeeded)
	case activityAllDomains:
		c, err := decode[allDomainsConfig](r.Config)
		if err != nil {
			return nil, err
		}
		out.Variants = variants(c.Persisted, out.SaveNeeded)
	case activitySecureBackup:
		c, err := decode[secureBackupConfig](r.Config)
		if err != nil {
			return nil, err
		}
		if err := s.checkSecureBackup(ctx, c, unsaved, out); err != nil {
			return nil, err
		}
		out.Variants, out.Token = []string{sdk.VariantSecureBackup}, soma.NormalizePath(c.Directory)
	default:
		return nil, noActivity(r.Activity)
	}
	if r.Quiesce {
		if err := s.against(ctx, domains, r.Target, limits, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func noActivity(name string) *failure.Error {
	return failure.New(failure.Internal, failure.Protocol, "plugin datapower has no activity %q", name)
}

// decode reads an activity's configuration, with its defaults.
func decode[C any](v cty.Value) (C, error) {
	full, err := schema.MustOf[C]().ApplyDefaults(v)
	if err == nil {
		var c C
		if c, err = schema.Decode[C](full); err == nil {
			return c, nil
		}
	}
	var none C
	return none, failure.New(failure.Precondition, failure.BadConfig, "read the activity's configuration: %w", err)
}

// variants returns the exports to make. Without unsaved changes, persisted and running are equal.
func variants(persisted string, unsaved bool) []string {
	switch {
	case persisted == runningOnly:
		return []string{sdk.VariantRunning}
	case persisted == bothExports, persisted == persistedAuto && unsaved:
		return []string{sdk.VariantPersisted, sdk.VariantRunning}
	}
	return []string{sdk.VariantPersisted}
}

// secureBackupCommand is the current command of the default domain while a secure
// backup is made.
const secureBackupCommand = "secure-backup"

// checkSecureBackup reads the gateway's backup mode, the certificate and the content of the
// directory.
func (s *source) checkSecureBackup(ctx context.Context, c secureBackupConfig, unsaved []string, out *sdk.CheckReport) error {
	if out.CurrentCommand == secureBackupCommand {
		return failure.New(failure.Precondition, failure.ForeignBackup, "%s: another secure backup is running on it", s.name).
			WithRemedy("wait until it has ended, and find out who started it")
	}
	settings, err := s.settings(ctx)
	if err != nil {
		return s.failed(err, "check: read its settings")
	}
	if container(&soma.Firmware{}, settings) {
		return failure.New(failure.Precondition, failure.Unsupported, "%s: a container cannot make a secure backup", s.name).
			WithRemedy("use export_all_domains")
	}
	mode, err := s.backupMode(ctx, settings)
	if err != nil {
		return s.failed(err, "check: read its backup mode")
	}
	if mode != "" && mode != "secure" {
		return failure.New(failure.Precondition, failure.NotDRMode, "%s: it is in backup mode %q, not in secure backup mode", s.name, mode).
			WithRemedy(notSecureRemedy)
	}
	if err := s.checkCertificate(ctx, c); err != nil {
		return err
	}
	if len(unsaved) > 0 {
		text := fmt.Sprintf("unsaved changes in %s are not in a secure backup", strings.Join(unsaved, ", "))
		switch c.Unsaved {
		case unsavedFail:
			return failure.New(failure.Precondition, failure.UnsavedChanges, "%s: %s", s.name, text).WithRemedy("save them, or set unsaved = \"warn\"")
		case unsavedWarn:
			out.Warnings = append(out.Warnings, text)
		}
	}
	if !c.IncludeRAID {
		if err := s.warnOfRAID(ctx, newClasses(s.client), out); err != nil {
			return err
		}
	}
	files, err := s.filesIn(ctx, c.Directory)
	if err != nil {
		return s.failed(err, "check: list %s", c.Directory)
	}
	if len(files) > 0 {
		return failure.New(failure.Precondition, failure.ForeignBackup, "%s: %s holds %d files of another backup", s.name, c.Directory, len(files)).
			WithRemedy("find out whose they are, and delete them on the gateway")
	}
	return nil
}

const notSecureRemedy = "the mode is chosen when a gateway is initialised: use export_all_domains, or initialise it again"

// backupMode reads the gateway's backup mode; empty: the gateway does not tell.
func (s *source) backupMode(ctx context.Context, settings *soma.Node) (string, error) {
	if mode := settings.Value("BackupMode"); mode != "" {
		return mode, nil
	}
	nodes, err := s.client.GetConfig(ctx, defaultDomain, "SecureBackupMode", "")
	if err != nil && !s.client.KnowsNot(ctx, err) {
		return "", err
	}
	if len(nodes) == 0 {
		return "", nil
	}
	return nodes[0].Value("mode"), nil
}

// checkCertificate reads all certificates, because it is uncertain how a gateway answers for one that does not
// exist.
func (s *source) checkCertificate(ctx context.Context, c secureBackupConfig) error {
	all, err := s.certificates(ctx)
	if err != nil {
		return s.failed(err, "check: read certificate %s", c.Certificate)
	}
	if f := s.usable(all, c.Certificate); f != nil {
		return f
	}
	if c.Recovery == "" {
		return nil
	}
	d, err := s.client.CertificateDetails(ctx, defaultDomain, c.Certificate)
	if err != nil {
		return s.failed(err, "check: read the details of certificate %s", c.Certificate)
	}
	told, f := s.recoverable(c, d)
	switch {
	case f != nil:
		return f
	case !told:
		return failure.New(failure.Precondition, failure.CertificateDown, "%s: it does not tell the fingerprint of certificate object %q, so dprun cannot compare it with recovery_certificate", s.name, c.Certificate).
			WithRemedy("leave recovery_certificate out for this gateway")
	}
	return nil
}

// usable says why the certificate with a name cannot be used.
func (s *source) usable(all []certificate, name string) *failure.Error {
	i := slices.IndexFunc(all, func(c certificate) bool { return c.name == name })
	switch {
	case i < 0:
		return failure.New(failure.Precondition, failure.NoCertificate, "%s: the default domain has no certificate object %q", s.name, name).
			WithRemedy("create it, or name another one")
	case !all[i].up:
		return failure.New(failure.Precondition, failure.CertificateDown, "%s: certificate object %q is down or expired", s.name, name).
			WithRemedy("replace it, or name another one")
	}
	return nil
}

// recoverable compares the gateway's certificate with the one whose private key is kept. told is false if the
// gateway does not tell which one it has.
func (s *source) recoverable(c secureBackupConfig, d *soma.CertificateDetails) (told bool, f *failure.Error) {
	kept, err := readCertificate(c.Recovery)
	if err != nil {
		return false, failure.New(failure.Precondition, failure.BadConfig, "%s: read recovery_certificate: %w", s.name, err).
			WithRemedy("check the plan: recovery_certificate must name a file that holds a certificate in PEM form")
	}
	if kept.PublicKeyAlgorithm != x509.RSA {
		return true, failure.New(failure.Precondition, failure.CertificateDown, "%s: recovery_certificate has a key of type %s, but a secure backup needs an RSA key", s.name, kept.PublicKeyAlgorithm).
			WithRemedy("make a certificate with an RSA key, put it on the gateway, and name its file")
	}
	if pinned := sha256.Sum256(kept.Raw); c.Fingerprint != "" && fingerprint(c.Fingerprint) != hex.EncodeToString(pinned[:]) {
		return true, failure.New(failure.Precondition, failure.CertificateDown, "%s: the certificate in recovery_certificate is not the one of recovery_fingerprint: its SHA-256 is %x", s.name, pinned).
			WithRemedy("find out who exchanged the file, and whose private key can restore the backups")
	}
	sum := sha1.Sum(kept.Raw) // the gateway tells the SHA-1
	want := hex.EncodeToString(sum[:])
	if d.SHA1 != "" && d.SHA1 != want {
		return true, failure.New(failure.Precondition, failure.CertificateDown, "%s: certificate object %q holds another certificate (SHA-1 %.40s) than recovery_certificate (SHA-1 %s): nobody could restore what it encrypts",
			s.name, c.Certificate, archive.Printable(d.SHA1), want).
			WithRemedy("put the certificate whose private key you keep into the certificate object, or name the right file in recovery_certificate")
	}
	return d.SHA1 != "", nil
}

// readCertificate reads the first certificate of a PEM file.
func readCertificate(name string) (*x509.Certificate, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return nil, fmt.Errorf("%s holds no certificate in PEM form", name)
		}
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
		text = rest
	}
}
