package datapower

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
)

// Check reads what decides whether an activity can run: three requests for exports, up to nine for a secure backup. Before a quiesce
// it reads what speaks against one: eight more for a domain, and two more for each domain of a device.
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

// decode fills an activity's configuration, defaults included.
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

// variants are the exports to make. Persisted and running are equal unless there are unsaved changes.
func variants(persisted string, unsaved bool) []string {
	switch {
	case persisted == runningOnly:
		return []string{sdk.VariantRunning}
	case persisted == bothExports, persisted == persistedAuto && unsaved:
		return []string{sdk.VariantPersisted, sdk.VariantRunning}
	}
	return []string{sdk.VariantPersisted}
}

// secureBackupCommand is what the default domain shows while a secure backup is made.
const secureBackupCommand = "secure-backup"

// checkSecureBackup reads the gateway's backup mode, the certificate and what lies in the directory.
func (s *source) checkSecureBackup(ctx context.Context, c secureBackupConfig, unsaved []string, out *sdk.CheckReport) error {
	if out.CurrentCommand == secureBackupCommand {
		return failure.New(failure.Precondition, failure.ForeignBackup, "%s: another secure backup is running on it", s.name).
			WithRemedy("wait until it has ended, and see who started it")
	}
	settings, err := s.settings(ctx)
	if err != nil {
		return s.failed(err, "check: read its settings")
	}
	if container(&soma.Firmware{}, settings) {
		return failure.New(failure.Precondition, failure.Unsupported, "%s: a container cannot make a secure backup", s.name).
			WithRemedy("use export_all_domains")
	}
	mode := settings.Value("BackupMode")
	if mode == "" {
		nodes, err := s.client.GetConfig(ctx, defaultDomain, "SecureBackupMode", "")
		if err != nil && !s.client.KnowsNot(ctx, err) {
			return s.failed(err, "check: read its backup mode")
		}
		if len(nodes) > 0 {
			mode = nodes[0].Value("mode")
		}
	}
	if mode != "" && mode != "secure" {
		return failure.New(failure.Precondition, failure.NotDRMode, "%s: it is in backup mode %q, not in secure backup mode", s.name, mode).
			WithRemedy("the mode is chosen when a gateway is initialised: use export_all_domains, or initialise it again")
	}
	if err := s.checkCertificate(ctx, c.Certificate); err != nil {
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
			WithRemedy("see whose they are, and delete them on the gateway")
	}
	return nil
}

// checkCertificate reads all certificates, as what a gateway answers for one that it does not have is not certain.
func (s *source) checkCertificate(ctx context.Context, name string) error {
	all, err := s.certificates(ctx)
	if err != nil {
		return s.failed(err, "check: read certificate %s", name)
	}
	i := slices.IndexFunc(all, func(c sdk.Certificate) bool { return c.Name == name })
	switch {
	case i < 0:
		return failure.New(failure.Precondition, failure.NoCertificate, "%s: the default domain has no certificate object %q", s.name, name).
			WithRemedy("create it, or name another one")
	case !all[i].Up:
		return failure.New(failure.Precondition, failure.CertificateDown, "%s: certificate object %q is down or expired", s.name, name).
			WithRemedy("replace it, or name another one")
	}
	return nil
}
