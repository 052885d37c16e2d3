package runner

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/plan"
	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/report"
	"github.com/dprun/dprun/sdk"
)

// PackRequest asks for a pack: everything that is needed to rebuild a gateway.
type PackRequest struct {
	Source Source
	Plan   string // the plan's name; empty: the only one of the file
	Device string // the device's name in the plan
	Dir    string // a directory that is empty or does not exist
	Keys   Keys   // decrypt what is stored encrypted
	Failed func(report.BackupFault)
}

// PackBackups copies the newest good set of everything that a plan backs up of a
// gateway to a directory, with instructions to bring the gateway back without
// dprun. It contacts no device. The pack names what it lacks; then the exit code
// is 3, or 1 if the pack holds no set. SHA256SUMS comes last: a directory without
// it is not a complete pack.
func (r *Runner) PackBackups(ctx context.Context, q PackRequest) (*report.Pack, *report.Result, error) {
	covered, res, err := r.Coverage(ctx, CoverageRequest{Source: q.Source, Plan: q.Plan, MaxAge: time.Hour})
	if err != nil || covered == nil {
		return nil, res, err
	}
	res.ExitCode = 0
	diagnosed := res.Diagnostics
	s, err := r.shelves(ctx, q.Source, covered.Plan, "", "pack", res)
	if res.Diagnostics = diagnosed; err != nil || s == nil {
		return nil, res, err
	}
	defer s.close()
	if s.identities, err = q.Keys.read(); err != nil {
		return nil, res, err
	}
	subjects := slices.DeleteFunc(covered.Subjects, func(c report.CoverageSubject) bool { return c.Device != q.Device })
	if len(subjects) == 0 {
		return nil, res, errorf(ExitUsage, "plan %s backs up nothing of a device %q", covered.Plan, q.Device)
	}
	if err := emptyDir(q.Dir); err != nil {
		return nil, res, err
	}
	p := packing{shelves: s, request: q, at: covered.At, out: report.Pack{Device: q.Device, Dir: q.Dir, Sets: []report.PackedSet{}}}
	for _, c := range subjects {
		if err := p.add(ctx, c); err != nil {
			return nil, res, err
		}
	}
	if err := p.write(ctx); err != nil {
		return nil, res, err
	}
	switch {
	case len(p.out.Sets) == 0:
		res.ExitCode = 1
	case len(p.out.Missing) > 0:
		res.ExitCode = ExitPartly
	}
	return &p.out, res, nil
}

// emptyDir creates a directory. It returns an error if the directory has content.
func emptyDir(dir string) error {
	switch entries, err := os.ReadDir(dir); {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return &Error{ExitUsage, err}
		}
	case err != nil:
		return &Error{ExitUsage, err}
	case len(entries) > 0:
		return errorf(ExitUsage, "%s is not empty: name a directory for this pack alone", dir)
	}
	return nil
}

// packing is one pack under way.
type packing struct {
	*shelves
	request PackRequest
	at      time.Time
	sets    []packed
	out     report.Pack
}

// packed is a set in the pack.
type packed struct {
	report.PackedSet
	manifest backups.Manifest
	secrets  []string // password aliases and maps; no export holds their values
	archive  string   // path in the pack: the export of the saved configuration, or else of the running one; empty: a secure backup
	secure   bool
}

// add fetches the last good set of a subject.
func (p *packing) add(ctx context.Context, c report.CoverageSubject) error {
	missing := func(why string) {
		p.out.Missing = append(p.out.Missing, report.Unpacked{Domain: c.Domain, Activity: c.Activity, Why: why})
	}
	switch {
	case c.State == report.CoverageExcluded:
		missing("it is never backed up: " + c.Why)
		return nil
	case c.Set == "":
		missing(cmp.Or(c.Why, "there is no good backup of it"))
		return nil
	}
	dir := path.Join("sets", cmp.Or(plan.EscapeComponent(c.Domain), "whole-device"), plan.EscapeComponent(c.Activity))
	q := FetchBackupRequest{Set: c.Set, Dir: filepath.Join(p.request.Dir, filepath.FromSlash(dir)), Failed: p.request.Failed}
	copies, err := p.wanted(ctx, q)
	var got *report.FetchedBackup
	if err == nil {
		got, err = p.fetch(ctx, q, copies)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		missing(err.Error())
		return nil
	}
	one := packed{PackedSet: report.PackedSet{Set: c.Set, Domain: c.Domain, Activity: c.Activity, Captured: c.Captured, Dir: dir, Files: got.Files}}
	for _, name := range got.Files {
		if strings.HasSuffix(name, backups.Suffix) {
			body, err := os.ReadFile(filepath.Join(q.Dir, filepath.FromSlash(name)))
			if err == nil {
				err = json.Unmarshal(body, &one.manifest) // it is the stored one, because its SHA-256 was compared
			}
			if err != nil {
				return errorf(1, "read the manifest of set %s: %w", c.Set, err)
			}
		}
	}
	for _, f := range one.manifest.Artifacts {
		switch {
		case f.Variant == sdk.VariantSecureBackup:
			one.secure = true
		case f.Variant == sdk.VariantPersisted || one.archive == "":
			one.archive = path.Join(dir, f.Opened().File)
		}
	}
	if one.archive != "" && one.Domain != "" {
		settings, _, err := archive.Verifier{TempDir: p.scratch}.Settings(ctx, filepath.Join(p.request.Dir, filepath.FromSlash(one.archive)), one.Domain, []string{"PasswordAlias", "PasswordMap"})
		if err != nil {
			return errorf(1, "read %s: %w", one.archive, err)
		}
		for _, s := range settings {
			one.secrets = append(one.secrets, s.Class+" "+s.Name)
		}
	}
	p.sets = append(p.sets, one)
	p.out.Sets = append(p.out.Sets, one.PackedSet)
	return nil
}

// networkClasses are the classes of domain default that a new gateway needs
// before any import.
var networkClasses = []string{"AccessControlList", "DNSNameService", "Domain", "EthernetInterface", "HostAlias", "LinkAggregation", "MgmtInterface", "NTPService", "NetworkSettings", "RestMgmtInterface", "SSHService", "StandbyControl",
	"SystemSettings", "TimeSettings", "VLANInterface", "WebGUI"}

// network returns the addresses and domains from an export; empty: the pack has
// no export of domain default.
func (p *packing) network(ctx context.Context) (text string, err error) {
	for _, s := range p.sets {
		if s.archive == "" || s.Domain != "" && s.Domain != "default" {
			continue
		}
		settings, _, err := archive.Verifier{TempDir: p.scratch}.Settings(ctx, filepath.Join(p.request.Dir, filepath.FromSlash(s.archive)), "default", networkClasses)
		if err != nil {
			return "", errorf(1, "read %s: %w", s.archive, err)
		}
		var b strings.Builder
		fmt.Fprintf(&b, "Network, time and domains of %s, from %s,\ncaptured %s. Values that may be secret are not shown.\n", p.request.Device, s.archive, s.Captured.UTC().Format(time.RFC3339))
		for _, o := range settings {
			fmt.Fprintf(&b, "\n%s %s\n", o.Class, o.Name)
			for _, line := range o.Lines {
				fmt.Fprintf(&b, "    %s\n", line)
			}
		}
		if len(settings) == 0 {
			b.WriteString("\nThe export holds no such object.\n")
		}
		return b.String(), nil
	}
	return "", nil
}

// objects lists what was up at the capture of the sets, and the files that no set
// holds.
func (p *packing) objects() string {
	var b strings.Builder
	list := func(what string, names []string) {
		if len(names) == 0 {
			return
		}
		fmt.Fprintf(&b, "  %s:\n", what)
		for _, n := range names {
			fmt.Fprintf(&b, "    %s\n", archive.Printable(n))
		}
	}
	for _, s := range p.sets {
		fmt.Fprintf(&b, "%s (%s), captured %s\n", cmp.Or(s.Domain, "whole device"), s.Activity, s.Captured.UTC().Format(time.RFC3339))
		list("keys, certificates and secrets that the gateway keeps back: put them in place first", s.manifest.Withheld)
		list("passwords whose values the export does not hold: set them after the import", s.secrets)
		for _, o := range s.manifest.Objects {
			if s.Domain == "" {
				fmt.Fprintf(&b, " domain %s\n", archive.Printable(o.Domain))
			}
			if o.Unread != "" {
				fmt.Fprintf(&b, "  what was up is not known: %s\n", archive.Printable(o.Unread))
			}
			list("services and handlers that were up", o.Up)
			list("objects that were down", o.Down)
			list("services and handlers that were disabled", o.Disabled)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// write writes the texts of the pack, and the checksums last.
func (p *packing) write(ctx context.Context) error {
	network, err := p.network(ctx)
	if err != nil {
		return err
	}
	readme, err := p.readme(network != "")
	if err != nil {
		return &Error{ExitBug, err}
	}
	texts := map[string]string{"README.txt": readme, "objects.txt": p.objects()}
	if network != "" {
		texts["network.txt"] = network
	}
	for name, text := range texts {
		if err := writeDurably(filepath.Join(p.request.Dir, name), text); err != nil {
			return errorf(1, "write the pack: %w", err)
		}
	}
	var sums strings.Builder
	err = filepath.WalkDir(p.request.Dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		sum, err := sumOf(name)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(p.request.Dir, name)
		fmt.Fprintf(&sums, "%s  %s\n", sum, filepath.ToSlash(below))
		p.out.Files, p.out.Bytes = p.out.Files+1, p.out.Bytes+info.Size()
		return err
	})
	if err == nil {
		p.out.Files, p.out.Bytes = p.out.Files+1, p.out.Bytes+int64(sums.Len())
		err = writeDurably(filepath.Join(p.request.Dir, "SHA256SUMS"), sums.String())
	}
	if err != nil {
		return errorf(1, "write the pack: %w", err)
	}
	return nil
}

func writeDurably(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	_, err = w.WriteString(text)
	return errors.Join(err, w.Flush(), f.Sync(), f.Close())
}
