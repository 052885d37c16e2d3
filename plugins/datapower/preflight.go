package datapower

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
)

// The limits of a preflight.
const (
	certificateWarning = 30 * 24 * time.Hour // a certificate must be valid at least so much longer
	clockTolerance     = time.Minute         // largest difference between the gateway's clock and the host's
	checkpointsDefault = 3                   // that a domain may have, if its object does not say
)

// activity is an activity that a preflight covers.
type activity struct{ sdk.PreflightActivity }

func (a activity) quiesces() bool { return a.Quiesce == "domain" || a.Quiesce == "device" }

// preflight is one preflight under way.
type preflight struct {
	*source
	now        time.Time // by the host's clock, when the answer arrived
	activities []activity
	domains    *soma.Domains
	out        sdk.PreflightReport

	mu          sync.Mutex
	objectsIn   map[string]counted // by domain
	checkpoints map[string]counted
}

// Preflight reads what the activities will need. It uses one request for each right in each domain that needs it,
// and a few more.
func (s *source) Preflight(ctx context.Context, r sdk.PreflightRequest) (*sdk.PreflightReport, error) {
	p := &preflight{source: s, objectsIn: map[string]counted{}, checkpoints: map[string]counted{}}
	for _, a := range r.Activities {
		p.activities = append(p.activities, activity{a})
	}
	began := time.Now()
	domains, err := s.client.DomainStatus(ctx)
	if err != nil && soma.ClassOf(err) != soma.Refused {
		return nil, s.failed(err, "check: read its domains")
	}
	p.now = r.Now.Add(time.Since(began))
	if p.domains = domains; domains == nil {
		p.domains = &soma.Domains{}
	}
	p.found("login", sdk.LevelOK, "", "", "the user %q may log in", s.users.own)
	p.shownCertificate()
	own := s.ownRights(ctx)
	if err := p.permissions(ctx); err != nil {
		return nil, err
	}
	p.executing(own)
	p.states()
	p.clock()
	for _, step := range []func(context.Context) error{p.against, p.objects, p.slots, p.otherBackups} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	for _, a := range p.activities {
		if a.Activity == activitySecureBackup {
			if err := p.secureBackup(ctx, a); err != nil {
				return nil, err
			}
		}
	}
	return &p.out, nil
}

// found adds a finding.
func (p *preflight) found(check string, l sdk.Level, subject, remedy, message string, args ...any) {
	p.out.Findings = append(p.out.Findings, sdk.Finding{Check: check, Level: l, Subject: archive.Printable(subject), Message: fmt.Sprintf(message, args...), Remedy: remedy})
}

// unread adds a finding about something that could not be read, if the gateway answered. Rights have findings of
// their own, so a refusal is not reported twice. Any other error ends the preflight.
func (p *preflight) unread(check string, err error, what string) error {
	if err == nil || soma.ClassOf(err) == soma.Refused {
		return nil
	}
	f := p.failed(err, "check: read %s", what)
	if !answered(err) {
		return f
	}
	p.found(check, sdk.LevelWarning, "", f.Remedy, "%s could not be read: %s", what, f.Message)
	return nil
}

// shownCertificate checks the certificate of the management interface.
func (p *preflight) shownCertificate() {
	c := p.client.Certificate()
	if c == nil {
		return
	}
	left := c.NotAfter.Sub(p.now)
	until := c.NotAfter.UTC().Format(time.DateOnly)
	subject := archive.Printable(c.Subject.CommonName)
	pinned := p.tls.Fingerprint != ""
	switch {
	case left <= 0 && pinned:
		p.found("tls.certificate", sdk.LevelWarning, subject, "renew it on the gateway, and pin the new one", "the certificate of its management interface expired on %s; dprun still trusts it, because the plan pins it", until)
	case left <= certificateWarning && !pinned:
		p.found("tls.certificate", sdk.LevelWarning, subject, "renew it on the gateway before that; the plan trusts it by tls.ca_file or the system's roots", "the certificate of its management interface expires in %d days, on %s", days(left), until)
	default:
		p.found("tls.certificate", sdk.LevelOK, subject, "", "the certificate of its management interface is valid for %d days, until %s", days(left), until)
	}
}

func days(d time.Duration) int { return int(d / (24 * time.Hour)) }

// involved returns the domains that activities work on, as far as they are
// known.
func (p *preflight) involved() []string {
	var out []string
	for _, a := range p.activities {
		if a.Activity == activityExport {
			out = append(out, a.Domains...)
			continue
		}
		for _, d := range p.domains.Domains {
			out = append(out, d.Name)
		}
	}
	if len(p.domains.Domains) == 0 {
		out = append(out, defaultDomain) // the other domains are not known
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// permissions reads everything that the activities read, and reports missing rights.
func (p *preflight) permissions(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	slots := make(chan struct{}, inspectParallel)
	needed := slices.DeleteFunc(Accesses(), func(a Access) bool { return !a.Proven() || !a.needed(p.activities) })
	domainsOf := func(a Access) []string {
		if a.Domains {
			return p.involved()
		}
		return []string{defaultDomain}
	}
	refusedIn, unclear := make([][]string, len(needed)), make([][]string, len(needed))
	c := newClasses(p.client)
	for i, a := range needed {
		wg.Go(func() {
			for _, d := range domainsOf(a) {
				slots <- struct{}{}
				err := p.read(ctx, a, d)
				<-slots
				switch {
				case err == nil:
				case soma.ClassOf(err) == soma.Refused:
					refusedIn[i] = append(refusedIn[i], d)
				case !answered(err):
					cancel(p.failed(err, "check: read %s", a.Resource))
					return
				case c.known(ctx, err) != nil:
					unclear[i] = append(unclear[i], "domain "+d+": "+archive.Printable(err.Error()))
				}
			}
		})
	}
	wg.Wait()
	for i, a := range needed {
		p.permission(a, domainsOf(a), refusedIn[i], len(unclear[i]) == 0)
		if len(unclear[i]) > 0 {
			p.found("permission", sdk.LevelWarning, a.profileLine(), "look at the gateway's log of that time, and check again", "it is not known whether the user may %s: %s", a.For, summary(unclear[i]))
		}
	}
	return context.Cause(ctx)
}

// counted is a count of objects in a domain, by class if there are classes.
type counted struct {
	by  map[string]int
	err error
}

// read reads what a right allows. It keeps an answer that other rights need
// too.
func (p *preflight) read(ctx context.Context, a Access, domain string) error {
	keep := func(in map[string]counted, c counted) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		in[domain] = c
		return c.err
	}
	switch a.status {
	case "ObjectStatus":
		objects, err := p.client.ObjectStatus(ctx, domain)
		c := counted{by: map[string]int{}, err: err}
		for _, o := range objects {
			c.by[o.Class]++
		}
		return keep(p.objectsIn, c)
	case "DomainCheckpointStatus":
		names, err := p.client.Checkpoints(ctx, domain)
		return keep(p.checkpoints, counted{map[string]int{"": len(names)}, err})
	}
	return a.read(ctx, p.client, domain)
}

// permission reports whether a right exists. clear says that everything that was
// not refused was granted.
func (p *preflight) permission(a Access, domains, refused []string, clear bool) {
	const check = "permission"
	if len(refused) == 0 {
		if clear {
			p.found(check, sdk.LevelOK, a.profileLine(), "", "the user may %s", a.For)
		}
		return
	}
	domain, where := "*", "in every domain"
	switch {
	case len(domains) == 1 || !a.Domains:
		domain, where = refused[0], "in domain "+refused[0]
	case len(refused) == 1:
		domain, where = refused[0], "in domain "+refused[0]
	case len(refused) < len(domains):
		where = "in the domains " + some(refused)
	}
	level := sdk.LevelError
	if a.CheckOnly {
		level = sdk.LevelWarning
	}
	p.found(check, level, a.line(domain), "add the line "+a.line(domain)+" to the access profile of the user's group", "the user may not %s %s", a.For, archive.Printable(where))
}

// some lists a few of many names.
func some(names []string) string {
	if more := len(names) - maxDetails; more > 0 {
		return strings.Join(names[:maxDetails], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

// executing reports what is known about rights that only their use proves.
func (p *preflight) executing(own rights) {
	for _, a := range Accesses() {
		if a.Proven() || a.CheckOnly || !a.needed(p.activities) {
			continue
		}
		domain := defaultDomain
		granted, known := own.grants(domain, a.Resource, a.Letters)
		if a.Note != "" { // no single line of a profile stands for it
			known = false
		}
		remedy := "add the line " + a.line("*") + " to the access profile of the user's group"
		switch {
		case known && !granted && a.isUnquiesce():
			p.found("unquiesce", sdk.LevelError, a.line("*"), remedy, "the plan quiesces, but the user may not %s: what is quiesced would stay down", a.For)
		case known && !granted:
			p.found("permission", sdk.LevelError, a.line("*"), remedy, "the user's access profile does not let it %s", a.For)
		case known:
			p.found("permission", sdk.LevelNotProven, a.line("*"), "", "the user's access profile lets it %s; only doing so proves it", a.For)
		default:
			p.found("permission", sdk.LevelNotProven, a.line("*"), "make sure that the access profile of the user's group has this line", "only doing so proves that the user may %s", a.For)
		}
	}
	if own.privileged {
		p.found("account", sdk.LevelWarning, p.users.own, "give it a group with only the lines of the page \"Access profile\"", "the user may do everything on this gateway, more than a backup needs")
	}
}

// isUnquiesce reports whether the right is needed to bring back what was
// quiesced.
func (a Access) isUnquiesce() bool {
	return a.Resource == "config/domainunquiesce" || a.Resource == "config/unquiesce"
}

// states checks what DomainStatus says about the backed up domains and the device.
func (p *preflight) states() {
	if len(p.domains.Domains) == 0 {
		return
	}
	listed := map[string]soma.Domain{}
	quiet := true
	involved := p.involved()
	for _, d := range p.domains.Domains {
		listed[d.Name] = d
		name := archive.Printable(d.Name)
		if d.CurrentCommand != "" {
			quiet = false
			check, text := "busy", "is busy with %q now"
			if d.CurrentCommand == "backup" || strings.HasPrefix(d.CurrentCommand, "secure-") {
				check, text = "other_backups", "is being backed up or restored now (%q)"
			}
			p.found(check, sdk.LevelWarning, name, "find out who started it: a backup waits for it or is refused", "the domain "+text, archive.Printable(d.CurrentCommand))
		}
		if !slices.Contains(involved, d.Name) {
			continue
		}
		if d.FailsafeMode != "" && d.FailsafeMode != "none" {
			p.found("failsafe", sdk.LevelWarning, name, "look at the domain's log, repair its configuration and restart it: in this mode it does not run the saved configuration", "the domain is in fail-safe mode (%s)", archive.Printable(d.FailsafeMode))
		}
		if state := quiesceState(d); state != sdk.StateNormal && d.Name != defaultDomain {
			p.found("quiesced", sdk.LevelError, name, "bring it back, or find out who has quiesced it", "the domain is not in service: its quiesce state is %s", state)
		}
		if d.SaveNeeded {
			p.found("unsaved", sdk.LevelWarning, name, "save the configuration, or find out who is changing it", "the domain has unsaved changes")
		}
	}
	if quiet {
		p.found("busy", sdk.LevelOK, "", "", "nothing is running on the gateway that a backup would wait for")
	}
	for _, a := range p.activities {
		for _, name := range a.Domains {
			if _, ok := listed[name]; !ok {
				p.found("domain", sdk.LevelError, name, "check the domain's name, and whether it was removed", "the gateway has no such domain")
			}
		}
	}
}

// against checks what speaks against a quiesce, for activities that quiesce.
func (p *preflight) against(ctx context.Context) error {
	c := newClasses(p.client)
	limits, err := p.throttle(ctx)
	if err == nil {
		err = p.throttled(ctx, limits)
	}
	if err = p.unread("throttle", err, "its throttle settings, or the room that they are about,"); err != nil {
		return err
	}
	var busy sdk.CheckReport
	if slices.ContainsFunc(p.activities, activity.quiesces) {
		if err := p.busy(ctx, c, limits, &busy); err != nil {
			return err
		}
		p.busyFound(busy)
	}
	for _, a := range p.activities {
		var out sdk.CheckReport
		switch a.Quiesce {
		case "device":
			names := namesOf(p.domains, sdk.Target{})
			if out.Role, out.RoleDetail, err = p.roleOf(ctx, c, names); err == nil {
				err = p.apiConnectOf(ctx, c, names, &out)
			}
		case "domain": // what concerns the device is read once for all of its domains
			out.Role, out.RoleDetail, err = p.roleOf(ctx, c, slices.DeleteFunc(slices.Clone(a.Domains), func(d string) bool { return d == defaultDomain }))
		}
		if err != nil {
			return err
		}
		p.roleFound(out)
	}
	return nil
}

// throttled compares the free temporary space with the gateway's own limit.
func (p *preflight) throttled(ctx context.Context, limits throttle) error {
	if limits.temporary == 0 {
		return nil
	}
	space, err := p.space(ctx)
	if err != nil {
		return err
	}
	keep := (max(space.TotalTemporary, 0)*int64(limits.temporary) + 99) / 100
	level, remedy := sdk.LevelOK, ""
	if space.FreeTemporary >= 0 && space.FreeTemporary <= keep {
		level, remedy = sdk.LevelError, "free space in the gateway's temporary store before it restarts to do so itself"
	}
	p.found("throttle", level, "", remedy, "below %d MB of temporary space (%d%%) it turns traffic away and restarts; %d MB are free", keep/1_000_000, limits.temporary, space.FreeTemporary/1_000_000)
	return nil
}

// busyFound reports what would make a quiesce wait.
func (p *preflight) busyFound(r sdk.CheckReport) {
	const remedy = "find out who and what is at work: a quiesce waits for it or goes on in spite of it, as the device's active_users says"
	for _, w := range r.BusyWith {
		p.found("busy", sdk.LevelWarning, "", remedy, "%s", w)
	}
	for _, w := range r.Warnings {
		if !slices.Contains(r.BusyWith, w) {
			p.found("busy", sdk.LevelWarning, "", "", "%s", w)
		}
	}
}

func (p *preflight) roleFound(r sdk.CheckReport) {
	const check = "role"
	switch r.Role {
	case sdk.RoleActive:
		p.found(check, sdk.LevelError, "", "fail over before, by a pre-script, or leave the gateway out: quiesce_guard refuses to quiesce an active member unless active = \"allow\"", "it is the active member of a group: %s", r.RoleDetail)
	case sdk.RoleUnknown:
		p.found(check, sdk.LevelError, "", "remove the reason why the role cannot be read: an unknown role counts as active", "its role in groups is not known: %s", r.RoleDetail)
	case sdk.RoleStandby:
		p.found(check, sdk.LevelOK, "", "", "it is not the active member: %s", r.RoleDetail)
	}
	if len(r.APIConnect) > 0 {
		p.found("apic", sdk.LevelWarning, "", "back up its domains without quiescing the gateway, or agree on the outage with the people who run API Connect", "a quiesce of the gateway takes the domains of API Connect down too: %s", archive.Printable(some(r.APIConnect)))
	}
	if r.APIConnectUnknown != "" {
		p.found("apic", sdk.LevelError, "", "", "whether API Connect manages domains is not known: %s", r.APIConnectUnknown)
	}
}

// clock compares the gateway's clock with the host's.
func (p *preflight) clock() {
	if p.domains.Time.IsZero() {
		return
	}
	skew := p.domains.Time.Sub(p.now)
	switch {
	case skew > clockTolerance, skew < -clockTolerance:
		way := "ahead of"
		if skew < 0 {
			way = "behind"
		}
		p.found("clock", sdk.LevelWarning, "", "let both use the same NTP server: names and windows of backups depend on this host's clock, and certificates on both", "its clock is %s %s this host's", skew.Abs().Round(10*time.Second), way)
	default:
		p.found("clock", sdk.LevelOK, "", "", "its clock agrees with this host's")
	}
}

// objects reports how many objects the user can see.
func (p *preflight) objects(context.Context) error {
	for _, d := range slices.Sorted(maps.Keys(p.objectsIn)) {
		c := p.objectsIn[d]
		if err := p.unread("objects", c.err, "the objects of domain "+d); err != nil {
			return err
		}
		for _, class := range slices.Sorted(maps.Keys(c.by)) {
			p.out.Objects = append(p.out.Objects, sdk.ObjectCount{Domain: d, Class: archive.Printable(class), Count: c.by[class]})
		}
	}
	return nil
}

// slots counts the free slots for checkpoints.
func (p *preflight) slots(ctx context.Context) error {
	nodes, err := p.client.GetConfig(ctx, defaultDomain, "Domain", "")
	if err := p.unread("checkpoints", err, "the domains' settings"); err != nil {
		return err
	}
	most := map[string]int{}
	for _, n := range nodes {
		if v, err := strconv.Atoi(n.Value("MaxChkpoints")); err == nil {
			most[n.Attrs["name"]] = v
		}
		if n.Value("ConfigMode") == "import" && slices.Contains(p.involved(), n.Attrs["name"]) {
			p.found("domain", sdk.LevelWarning, n.Attrs["name"], "back up what it imports as well", "the domain imports its configuration from elsewhere at every start, so its backup alone does not bring it back")
		}
	}
	full := 0
	for _, d := range slices.Sorted(maps.Keys(p.checkpoints)) {
		c := p.checkpoints[d]
		if c.err != nil {
			return p.unread("checkpoints", c.err, "the checkpoints of domain "+d)
		}
		if limit := cmp.Or(most[d], checkpointsDefault); c.by[""] >= limit {
			full++
			p.found("checkpoints", sdk.LevelWarning, d, "remove a checkpoint that nobody needs", "all %d slots for checkpoints are taken: none can be saved before a restore", limit)
		}
	}
	if full == 0 && len(p.checkpoints) > 0 {
		p.found("checkpoints", sdk.LevelOK, "", "", "every domain has room for another checkpoint")
	}
	return nil
}

// otherBackups looks for files that backups, by others and by dprun, have left on
// the gateway.
func (p *preflight) otherBackups(ctx context.Context) error {
	files, _, err := p.client.Filestore(ctx, defaultDomain, "export:")
	if err != nil {
		return p.unread("other_backups", err, "the store export:")
	}
	for _, f := range files {
		if f.Path == "export:///export.zip" {
			p.found("other_backups", sdk.LevelWarning, f.Path, "if it does not come from an export_all_domains of dprun, find out who else backs up this gateway, and when", "a backup of domains was made at %s by the gateway's clock", archive.Printable(cmp.Or(f.Modified, "a time that the gateway does not tell")))
		}
	}
	return nil
}

// secureBackup checks what a secure backup needs.
func (p *preflight) secureBackup(ctx context.Context, a activity) error {
	c, err := decode[secureBackupConfig](a.Config)
	if err != nil {
		return err
	}
	settings, err := p.settings(ctx)
	if err := p.unread("backup_mode", err, "its settings"); err != nil {
		return err
	}
	if settings != nil {
		switch mode, err := p.backupMode(ctx, settings); {
		case container(&soma.Firmware{}, settings):
			p.found("backup_mode", sdk.LevelError, "", "use export_all_domains", "it is a container, which cannot make a secure backup")
			return nil
		case err != nil:
			if err := p.unread("backup_mode", err, "its backup mode"); err != nil {
				return err
			}
		case mode == "":
			p.found("backup_mode", sdk.LevelNotProven, "", "", "it does not tell its backup mode")
		case mode != "secure":
			p.found("backup_mode", sdk.LevelError, "", notSecureRemedy, "it is in backup mode %q, not in secure backup mode", archive.Printable(mode))
		default:
			p.found("backup_mode", sdk.LevelOK, "", "", "it is in secure backup mode")
		}
	}
	if err := p.backupCertificate(ctx, c); err != nil {
		return err
	}
	files, err := p.filesIn(ctx, c.Directory)
	if err != nil {
		return p.unread("other_backups", err, "the directory "+c.Directory)
	}
	if len(files) > 0 {
		p.found("other_backups", sdk.LevelError, c.Directory, "find out whose they are, and delete them on the gateway", "the directory of the secure backup holds %d files of another backup", len(files))
	}
	return nil
}

// backupCertificate checks the certificate that encrypts a secure backup.
func (p *preflight) backupCertificate(ctx context.Context, c secureBackupConfig) error {
	const check = "certificate"
	all, err := p.certificates(ctx)
	if err != nil {
		return p.unread(check, err, "its certificates")
	}
	if f := p.usable(all, c.Certificate); f != nil {
		p.found(check, sdk.LevelError, c.Certificate, f.Remedy, "%s", strings.TrimPrefix(f.Message, p.name+": "))
		return nil
	}
	d, err := p.client.CertificateDetails(ctx, defaultDomain, c.Certificate)
	if err != nil {
		if !answered(err) {
			return p.failed(err, "check: read certificate %s", c.Certificate)
		}
		p.found(check, sdk.LevelNotProven, c.Certificate, "look at the certificate on the gateway: its key must not be ECDSA, and the private key must be kept outside the gateway", "the certificate object exists and is up; the gateway does not tell its details")
		return nil
	}
	switch d.Key {
	case "ecdsa":
		p.found(check, sdk.LevelError, c.Certificate, "use a certificate with an RSA key", "its key is ECDSA, which cannot encrypt a secure backup")
	case "rsa":
		p.found(check, sdk.LevelOK, c.Certificate, "", "it exists, is up and has an RSA key")
	default:
		p.found(check, sdk.LevelNotProven, c.Certificate, "look at the certificate on the gateway: its key must be RSA", "dprun does not know the type of key that the gateway names (%q)", archive.Printable(d.Key))
	}
	switch left := d.NotAfter.Sub(p.now); {
	case d.NotAfter.IsZero():
	case left <= certificateWarning:
		p.found(check, sdk.LevelWarning, c.Certificate, "make a new one before that, and keep the private key of the old one as long as its backups", "it expires in %d days, on %s", days(left), d.NotAfter.UTC().Format(time.DateOnly))
	}
	switch {
	case c.Recovery == "":
		p.found(check, sdk.LevelNotProven, c.Certificate, "set recovery_certificate to the file of the certificate whose private key you keep for a restore", "it is not known whether the private key is at hand: the plan does not name its certificate")
	default:
		same, f := p.recoverable(c, d)
		switch {
		case f != nil:
			p.found(check, sdk.LevelError, c.Certificate, f.Remedy, "%s", f.Message)
		case !same:
			p.found(check, sdk.LevelNotProven, c.Certificate, "", "the gateway does not tell the fingerprint of the certificate")
		default:
			p.found(check, sdk.LevelOK, c.Certificate, "", "it is the certificate whose private key the plan says is kept")
		}
		if f == nil {
			p.recoveryProof(check, c)
		}
	}
	return nil
}
