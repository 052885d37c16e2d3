package datapower

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Rehearse finds out what a restore of an export would do to a domain. It reads the target's state and settings,
// exports the running configuration, compares it with the archive, and has the gateway import the archive as a
// dry run.
func (s *source) Rehearse(ctx context.Context, r sdk.RehearseRequest) (*sdk.RehearseReport, error) {
	if r.Target.Device() {
		return nil, failure.New(failure.Precondition, failure.Unsupported, "%s: only a domain can be restored", s.name)
	}
	p, err := s.policyOf(r.Policy, r.Variables, r.Disabled, rehearsing)
	if err != nil {
		return nil, err
	}
	h := &rehearsal{source: s, request: r, policy: p, out: &sdk.RehearseReport{}, noted: map[string]int{}}
	if err := h.readArchive(ctx); err != nil {
		return nil, err
	}
	saved, err := h.readTarget(ctx)
	if err != nil {
		return nil, err
	}
	if h.refused() {
		return h.out, nil
	}
	if err := h.compare(ctx); err != nil {
		return nil, err
	}
	if err := h.dryRun(ctx); err != nil {
		return nil, err
	}
	if err := h.unchanged(ctx, saved); err != nil {
		return nil, err
	}
	if h.refused() {
		h.out.Changes = nil
	}
	return h.out, nil
}

// rehearsal is one rehearsal under way.
type rehearsal struct {
	*source
	request sdk.RehearseRequest
	policy  policy
	set     *archive.Report
	size    int64
	out     *sdk.RehearseReport
	noted   map[string]int // by check: how many objects it has named
}

func (h *rehearsal) found(level sdk.Level, check, subject, remedy, format string, args ...any) {
	h.out.Findings = append(h.out.Findings, sdk.Finding{Check: check, Level: level, Subject: archive.Printable(subject), Message: fmt.Sprintf(format, args...), Remedy: remedy})
}

// refuse adds a finding that forbids restoring the target from this archive.
func (h *rehearsal) refuse(check, subject, remedy, format string, args ...any) {
	h.found(sdk.LevelError, check, subject, remedy, format, args...)
}

func (h *rehearsal) refused() bool {
	return slices.ContainsFunc(h.out.Findings, func(f sdk.Finding) bool { return f.Level == sdk.LevelError })
}

// readArchive verifies the archive. Nothing is sent unless the archive is whole, because the gateway executes
// what dp-aux holds.
func (h *rehearsal) readArchive(ctx context.Context) error {
	const what = rehearsing
	f, err := os.Open(h.request.File)
	if err != nil {
		return h.staging(err, what)
	}
	defer f.Close() //nolint:errcheck // it is read only
	info, err := f.Stat()
	if err != nil {
		return h.staging(err, what)
	}
	h.size = info.Size()
	contents, set, err := archive.Verifier{TempDir: h.temp}.Contents(ctx, f, h.size)
	if err != nil {
		return h.unread(ctx, err, what)
	}
	if f := h.unfit(set, what); f != nil {
		return f
	}
	h.set = set
	if h.policy.drill {
		h.policy = drillPolicy(contents.Objects)
	}
	for _, o := range contents.Objects {
		if why := h.policy.beyond(o); why != "" {
			h.refuse("drill", o.Class+" "+o.Name, "leave the backup out of the drill", "%s", why)
		}
	}
	switch {
	case h.set.Kind != archive.KindExport:
		h.refuse("archive", "", "restore from an export of one domain", "the archive is not an export of one domain: from a backup of several domains a gateway would make all the domains in it")
	case len(h.set.Domains) != 1:
		h.refuse("archive", "", "restore from an export of one domain", "the archive does not say which domain it comes from")
	case h.set.Domains[0] == defaultDomain:
		h.refuse("archive", defaultDomain, "restore default with a secure restore, or object by object in the WebGUI", "the archive is of domain default: it holds users with their passwords, and the gateway's own addresses and interfaces")
	}
	return nil
}

// readTarget reads what forbids a restore, and whether the target has unsaved changes.
func (h *rehearsal) readTarget(ctx context.Context) (unsaved bool, err error) {
	name := h.request.Target.Domain
	if name == defaultDomain {
		h.refuse("default", name, "restore default with a secure restore", "dprun does not restore domain default: an import there replaces users, interfaces and the management interfaces themselves")
	}
	domains, err := h.client.DomainStatus(ctx)
	if err != nil {
		return false, h.failed(err, "rehearse a restore: read its domains")
	}
	i := slices.IndexFunc(domains.Domains, func(d soma.Domain) bool { return d.Name == name })
	if i < 0 {
		return false, failure.New(failure.NotFound, failure.UnknownDomain, "%s: rehearse a restore: the gateway has no domain %s", h.name, archive.Printable(name)).
			WithRemedy("create the domain first, in the WebGUI under Administration, Application Domain: dprun does not create domains for a restore")
	}
	d := domains.Domains[i]
	if state := quiesceState(d); state != sdk.StateNormal {
		h.refuse("state", name, "wait until the domain is in service, or bring it back", "domain %s is %s", name, state)
	}
	if d.CurrentCommand != "" {
		h.refuse("busy", name, "wait until the command has ended", "domain %s is busy with %s", name, archive.Printable(d.CurrentCommand))
	}
	if d.SaveNeeded && !h.request.Unsaved {
		h.refuse("unsaved", name, "save the domain's configuration, or say that its unsaved changes may be lost (--unsaved)", "domain %s has unsaved changes: somebody is working on it", name)
	}
	configs, err := h.client.GetConfig(ctx, defaultDomain, "Domain", name)
	switch {
	case err != nil && !answered(err):
		return false, h.failed(err, "rehearse a restore: read the settings of the domain")
	case err != nil || len(configs) != 1 || configs[0].Value("ConfigMode") == "":
		h.refuse("config_mode", name, "let the account read config/domain in default", "it could not be read whether domain %s keeps its own configuration: a domain that imports it at every start would lose the restored one", name)
	case configs[0].Value("ConfigMode") != "local":
		h.refuse("config_mode", name, "restore it where its configuration comes from", "domain %s imports its configuration from elsewhere at every start (ConfigMode %s), so the restored configuration would be lost", name, archive.Printable(configs[0].Value("ConfigMode")))
	}
	firmware, err := h.client.Firmware(ctx)
	switch {
	case err != nil && !answered(err):
		return false, h.failed(err, "rehearse a restore: read its firmware")
	case err != nil:
		h.refuse("firmware", "", "let the account read status/firmware-version", "the gateway's firmware could not be read: firmware older than the archive's may silently leave out what it does not know")
	default:
		h.firmware(firmware.Version)
		if from := h.set.Device; from.Serial != archive.Printable(firmware.Serial) {
			h.found(sdk.LevelWarning, "origin", from.Serial, "check that addresses, host names and connections in the archive suit this gateway", "the archive was made on another gateway, %s with serial number %s", orNone(from.Name), orNone(from.Serial))
		}
	}
	if from := h.set.Domains; len(from) == 1 && from[0] != archive.Printable(name) {
		h.found(sdk.LevelWarning, "origin", from[0], "check that this is the domain you mean", "the archive comes from domain %s and would go into domain %s", from[0], archive.Printable(name))
	}
	return d.SaveNeeded, nil
}

// firmware compares firmware levels, such as IDG.10.0.1.5 and 10.0.1.5.
func (h *rehearsal) firmware(here string) {
	there := h.set.Device.Firmware
	older, known := olderFirmware(here, there)
	switch {
	case !known:
		h.refuse("firmware", here, "compare the two by hand", "the archive comes from firmware %q and the gateway runs %q: dprun cannot tell which is older", there, archive.Printable(here))
	case older:
		h.refuse("firmware", here, "upgrade the gateway first, or restore on one with the archive's firmware", "the gateway runs %s, but the archive comes from %s: older firmware silently leaves out what it does not know", archive.Printable(here), there)
	}
}

// olderFirmware reports whether level a is older than b. Levels are numbers between dots, possibly after a
// product's name.
func olderFirmware(a, b string) (older, known bool) {
	x, y := level(a), level(b)
	if len(x) < 2 || len(y) < 2 {
		return false, false
	}
	return slices.Compare(x, y) < 0, true
}

func level(text string) []int {
	if name, rest, ok := strings.Cut(text, "."); ok && strings.ContainsFunc(name, func(r rune) bool { return r < '0' || r > '9' }) {
		text = rest
	}
	var out []int
	for part := range strings.SplitSeq(strings.TrimSpace(text), ".") {
		digits := strings.TrimRight(part, "abcdefghijklmnopqrstuvwxyz")
		n, err := strconv.Atoi(digits)
		if err != nil {
			return nil
		}
		out = append(out, n)
	}
	return out
}

const (
	rehearsing   = "rehearse a restore"
	exportTarget = rehearsing + ": export the target"
)

// executing are the classes whose objects bring in configuration from elsewhere on their
// own.
var executing = []string{"ImportPackage", "IncludeConfig", "ConfigSequence", "GitOps", "Domain"}

// compare reports what would change, what would stay, and what an import cannot
// bring.
func (h *rehearsal) compare(ctx context.Context) error {
	target := filepath.Join(h.request.Dir, "target.zip")
	if err := h.exportTo(ctx, target, h.request.Target.Domain, rehearsing); err != nil {
		return err
	}
	diff, err := archive.Verifier{TempDir: h.temp}.Diff(ctx, target, h.request.File)
	if broken := new(archive.NotWhole); errors.As(err, &broken) {
		return failure.New(failure.Corrupt, failure.BadArchive, "%s: %s: %w", h.name, exportTarget, err)
	}
	if err != nil {
		return h.unread(ctx, err, exportTarget)
	}
	for _, d := range diff.Differences {
		h.effect(d)
	}
	if more := diff.Omitted + len(h.out.Changes) - maxChanges; more > 0 {
		h.out.Changes = h.out.Changes[:min(len(h.out.Changes), maxChanges)]
		h.refuse("differences", h.request.Target.Domain, "compare the two with dprun diff", "there are too many differences to list: %d are left out", more)
	}
	for check, n := range h.noted {
		if more := n - maxNoted; more > 0 {
			h.found(sdk.LevelWarning, check, "", "", "the same is true of %d more objects", more)
		}
	}
	slices.SortFunc(h.out.Findings, func(a, b sdk.Finding) int {
		return cmp.Or(strings.Compare(a.Check, b.Check), strings.Compare(a.Subject, b.Subject))
	})
	slices.SortFunc(h.out.Changes, func(a, b sdk.Change) int {
		return cmp.Or(strings.Compare(string(a.Effect), string(b.Effect)), strings.Compare(a.Class, b.Class), strings.Compare(a.Name, b.Name))
	})
	return nil
}

const (
	maxChanges = 20_000 // a message of the protocol has at most 4 MiB
	maxNoted   = 50     // objects that are named for the same reason
)

// note adds a finding about an object that somebody should know.
func (h *rehearsal) note(check, subject, remedy, text string) {
	if h.noted[check]++; h.noted[check] <= maxNoted {
		h.found(sdk.LevelWarning, check, subject, remedy, "%s", text)
	}
}

// effect says what a restore does to one thing that differs between the target and the archive.
func (h *rehearsal) effect(d archive.Difference) {
	there, lacks := d.Absent() // the target has what its export lists and withholds
	c := sdk.Change{Effect: sdk.EffectChanged, Class: d.Class, Name: d.Name}
	switch {
	case d.What == archive.WhatFile && (strings.HasPrefix(d.Name, "dp-aux/") || startScript(d.Name)):
		return // part of the export itself; the objects stand for it
	case d.Change == archive.Removed:
		c.Effect = sdk.EffectStays
	case d.What == archive.WhatObject && h.policy.drill && h.policy.leavesOut(h.from(), d.Class, d.Name), d.Change == archive.Changed && always(h.from(), d, &h.policy, false):
		return // it would stay as it is
	case lacks != "" && (d.Change == archive.Added || there == archive.Missing):
		c.Effect = sdk.EffectAbsent
	case lacks != "":
		c.Effect = sdk.EffectStays
	case d.Change == archive.Added || there == archive.Missing:
		c.Effect = sdk.EffectNew
	}
	h.out.Changes = append(h.out.Changes, c)
	switch {
	case d.Change == archive.Removed:
	case slices.Contains(executing, d.Class):
		h.note("executes", d.Class+" "+d.Name, "look at the object before the restore", "once imported, it brings in configuration from elsewhere on its own")
	case d.Class == "TCPProxyService":
		h.note("enabled", d.Class+" "+d.Name, "disable it after the restore if it must not run", "a TCP proxy is enabled after an import, whatever the archive says")
	case d.Class == "PasswordAlias" && d.Change == archive.Added:
		h.note("password", d.Name, "set its password after the restore", "the password alias would be made without its password: exports do not hold it")
	}
}

// from returns the domain that the archive comes from; empty: it does not say.
func (h *rehearsal) from() string {
	if len(h.set.Domains) == 0 {
		return ""
	}
	return h.set.Domains[0]
}

// startScript reports whether a file is the saved configuration of a domain. The archive's objects
// stand for it.
func startScript(name string) bool {
	return strings.HasPrefix(name, "config/") && strings.HasSuffix(name, ".cfg") && strings.Count(name, "/") == 1
}

// dryRun has the gateway try the import without doing it, and reads all of its
// results. An unknown result is reported; it proves nothing.
func (h *rehearsal) dryRun(ctx context.Context) error {
	f, err := os.Open(h.request.File)
	if err != nil {
		return h.staging(err, "rehearse a restore")
	}
	defer f.Close() //nolint:errcheck // it is read only
	name := h.request.Target.Domain
	got, _, err := h.client.Import(ctx, soma.ImportRequest{
		Domain: name, Export: f, Size: h.size, DryRun: true, RewriteLocalIP: h.request.RewriteLocalIP, Policy: h.policy.String(), Variables: h.policy.variables,
	})
	if err != nil {
		return h.failed(err, "rehearse a restore: dry run of the import")
	}
	if applied := len(got.Configured) + len(got.Copied); applied > 0 {
		h.refuse("dry_run", name, "look at the domain now, and compare it with its last backup: dprun asked only for a dry run", "the gateway reports %d objects and files as imported: it may really have imported them", applied)
	}
	if got.Domain != name {
		h.refuse("dry_run", name, "do not restore here: it is not certain into which domain the gateway would import", "the gateway's results are for domain %q", archive.Printable(got.Domain))
	}
	switch strings.ToLower(got.DetectedErrors) {
	case "false", "off", "no", "0":
	case "":
		h.found(sdk.LevelNotProven, "dry_run", name, "", "the gateway does not say whether it found errors")
	default:
		h.found(sdk.LevelWarning, "dry_run", name, "look at the absent files; the gateway's log says more", "the gateway found errors: detected-errors is %s", archive.Printable(got.DetectedErrors))
	}
	words := map[string]int{}
	for _, f := range got.Files {
		switch f.Status {
		case "missing-file", "missing-key":
			continue // if they are missing, the changes list them as absent
		}
		words["files: "+cmp.Or(f.Status, "(no word)")]++
	}
	named := map[string]bool{}
	for _, o := range got.Objects {
		named[archive.Printable(o.Class)+" "+archive.Printable(o.Name)] = true
		words["objects: "+cmp.Or(o.Status, "(no word)")]++
	}
	for _, word := range slices.Sorted(maps.Keys(words)) {
		h.found(sdk.LevelNotProven, "gateway_says", word, "", "%d times, in the gateway's own words, whose meaning is not documented", words[word])
	}
	var unnamed []string
	for _, c := range h.out.Changes {
		if o := c.Class + " " + c.Name; c.Class != "" && c.Effect != sdk.EffectStays && !named[o] {
			unnamed = append(unnamed, o)
		}
	}
	if len(unnamed) > 0 {
		h.found(sdk.LevelWarning, "skipped", "", "see whether the gateway knows their classes, whether the account may write them, and whether a deployment policy leaves them out", "the gateway's results do not name %d objects that the archive would bring: %s", len(unnamed), strings.Join(unnamed[:min(5, len(unnamed))], ", "))
	}
	return nil
}

// unchanged checks that the dry run has left the target as it was.
func (h *rehearsal) unchanged(ctx context.Context, unsaved bool) error {
	domains, err := h.client.DomainStatus(ctx)
	if err != nil {
		return h.failed(err, "rehearse a restore: read the domain after the dry run")
	}
	name := h.request.Target.Domain
	i := slices.IndexFunc(domains.Domains, func(d soma.Domain) bool { return d.Name == name })
	switch {
	case i < 0:
		h.refuse("dry_run", name, "find out who removed it", "domain %s has disappeared since the dry run", name)
	case domains.Domains[i].SaveNeeded && !unsaved:
		h.refuse("dry_run", name, "look at the domain now, and compare it with its last backup: the gateway may have imported what it should only rehearse, or somebody is working on the domain", "domain %s has unsaved changes since the dry run", name)
	}
	return nil
}
