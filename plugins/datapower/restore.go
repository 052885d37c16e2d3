package datapower

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/plugins/datapower/soma"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

var _ sdk.Restorer = (*source)(nil)

const importing = "import"

// Import imports an export into a domain. It verifies the archive, exports the target, compares that export with
// what the target must still be, and sends the archive once. Then it reads the gateway's results. It reads the
// state of the domain's objects until nothing changes any more, because the results do not mention what the
// gateway skips.
func (s *source) Import(ctx context.Context, r sdk.ImportRequest) (*sdk.ImportReport, error) {
	i := &restore{source: s, request: r, out: &sdk.ImportReport{}, was: map[objectKey]soma.Object{}, wanted: map[objectKey]archive.Object{}, refused: map[objectKey]bool{}}
	f, err := i.prepare(ctx)
	if err != nil {
		return nil, unsent(err)
	}
	defer f.Close() //nolint:errcheck // it is read only
	got, sent, err := s.client.Import(ctx, soma.ImportRequest{
		Domain: r.Target.Domain, Export: f, Size: i.size, RewriteLocalIP: r.RewriteLocalIP, Policy: i.policy.String(), Variables: i.policy.variables,
	})
	switch {
	case err == nil:
	case !sent || soma.ClassOf(err) == soma.Denied:
		return nil, unsent(s.failed(err, importing))
	default:
		return nil, s.unknown(err)
	}
	i.results(got)
	i.states(ctx)
	slices.SortStableFunc(i.out.Findings, func(a, b sdk.Finding) int {
		return cmp.Or(strings.Compare(a.Check, b.Check), strings.Compare(a.Subject, b.Subject))
	})
	return i.out, nil
}

// unsent makes a failure say that nothing was sent. A lost answer on its own would leave that open.
func unsent(err error) error {
	f := failure.From(err)
	switch f.Kind {
	case failure.Denied, failure.NotFound, failure.Precondition, failure.Corrupt:
		return f
	}
	return failure.New(failure.Precondition, f.Reason, "%w; nothing was imported", err).WithRemedy("%s", f.Remedy)
}

// unknown is the failure of an import that was sent and whose results were lost.
func (s *source) unknown(err error) error {
	f := s.failed(err, importing)
	kind := failure.Unavailable
	if f.Kind == failure.Timeout {
		kind = failure.Timeout
	}
	return failure.New(kind, f.Reason, "%w; the archive was sent, and the gateway may have applied all, some or nothing of it", f).
		WithRemedy("compare the domain with what it was before, and with the archive")
}

type objectKey struct{ class, name string }

// restore is one import under way.
type restore struct {
	*source
	request  sdk.ImportRequest
	policy   policy
	contents *archive.Contents
	from     string                       // domain that the archive comes from
	wanted   map[objectKey]archive.Object // the archive's objects
	size     int64
	was      map[objectKey]soma.Object // the target's objects before the import
	refused  map[objectKey]bool        // by the gateway's own results
	out      *sdk.ImportReport
}

// found adds a finding.
func (i *restore) found(level sdk.Level, check, subject, remedy, format string, args ...any) {
	i.out.Findings = append(i.out.Findings, sdk.Finding{Check: check, Level: level, Subject: archive.Printable(subject), Message: fmt.Sprintf(format, args...), Remedy: remedy})
}

// prepare does everything that comes before the archive is sent. It returns the archive that it has
// verified.
func (i *restore) prepare(ctx context.Context) (_ *os.File, err error) {
	r := i.request
	if r.Target.Device() || r.Target.Domain == defaultDomain {
		return nil, failure.New(failure.Precondition, failure.Unsupported, "%s: only a domain other than default can be restored", i.name)
	}
	if i.policy, err = i.policyOf(r.Policy, r.Variables, r.Disabled, importing); err != nil {
		return nil, err
	}
	f, err := os.Open(r.File)
	if err != nil {
		return nil, i.staging(err, importing)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, i.staging(err, importing)
	}
	i.size = info.Size()
	if err := i.readArchive(ctx, f); err != nil {
		return nil, err
	}
	if err := i.ready(ctx); err != nil {
		return nil, err
	}
	objects, err := again(func() ([]soma.Object, error) { return i.client.ObjectStatus(ctx, r.Target.Domain) })
	if err == nil {
		err = told(r.Target.Domain, objects)
	}
	if err != nil {
		return nil, i.failed(err, "import: read the objects of domain %s", r.Target.Domain)
	}
	for _, o := range objects {
		i.was[objectKey{o.Class, o.Name}] = o
	}
	if r.Before != "" {
		if err := i.checkpoint(ctx); err != nil {
			return nil, err
		}
	}
	return f, i.asBefore(ctx, objects)
}

// readArchive verifies the archive, because the gateway executes what dp-aux
// holds.
func (i *restore) readArchive(ctx context.Context, f *os.File) error {
	contents, report, err := archive.Verifier{TempDir: i.temp}.Contents(ctx, f, i.size)
	if err != nil {
		return i.unread(ctx, err, importing)
	}
	if f := i.unfit(report, importing); f != nil {
		return f
	}
	if report.Kind != archive.KindExport || len(report.Domains) != 1 || report.Domains[0] == defaultDomain {
		return failure.New(failure.Precondition, failure.BadArchive, "%s: import: the archive is not an export of one domain other than default", i.name).
			WithRemedy("restore from an export of the domain: from a backup of several domains a gateway would make all the domains in it")
	}
	if i.policy.drill {
		i.policy = drillPolicy(contents.Objects)
	}
	for _, o := range contents.Objects {
		i.wanted[objectKey{o.Class, o.Name}] = o
		if why := i.policy.beyond(o); why != "" {
			return failure.New(failure.Precondition, failure.Unsupported, "%s: import for a drill: %s %s: %s", i.name, archive.Printable(o.Class), archive.Printable(o.Name), why).
				WithRemedy("leave the backup out of the drill, or restore it on a gateway without any connections")
		}
	}
	i.contents, i.from = contents, report.Domains[0]
	return nil
}

// ready checks that the domain exists and is in service, and that nobody else is working
// in it.
func (i *restore) ready(ctx context.Context) error {
	d, err := i.domain(ctx, i.request.Target.Domain, importing)
	if err != nil {
		return err
	}
	switch state := quiesceState(*d); {
	case state != sdk.StateNormal:
		return failure.New(failure.Precondition, failure.DeviceError, "%s: import: domain %s is %s", i.name, d.Name, state).WithRemedy("wait until the domain is in service, or bring it back")
	case d.CurrentCommand != "":
		return failure.New(failure.Precondition, failure.DeviceBusy, "%s: import: domain %s is busy with %s", i.name, d.Name, archive.Printable(d.CurrentCommand)).WithRemedy("wait until the command has ended")
	}
	return nil
}

// domain reads one row of DomainStatus.
func (s *source) domain(ctx context.Context, name, what string) (*soma.Domain, error) {
	domains, err := again(func() (*soma.Domains, error) { return s.client.DomainStatus(ctx) })
	if err != nil {
		return nil, s.failed(err, "%s: read its domains", what)
	}
	i := slices.IndexFunc(domains.Domains, func(d soma.Domain) bool { return d.Name == name })
	if i < 0 {
		return nil, failure.New(failure.NotFound, failure.UnknownDomain, "%s: %s: the gateway has no domain %s", s.name, what, archive.Printable(name))
	}
	return &domains.Domains[i], nil
}

// asBefore fails unless the target is what it was when its way back was made.
func (i *restore) asBefore(ctx context.Context, objects []soma.Object) error {
	r := i.request
	if r.Before == "" {
		for _, o := range objects {
			if serving(o.Class) {
				return failure.New(failure.Precondition, "", "%s: import: domain %s is not new: it has %s %s, and there is no way back for it", i.name, r.Target.Domain, archive.Printable(o.Class), archive.Printable(o.Name)).
					WithRemedy("export the domain first")
			}
		}
		return i.ours(ctx, r.Target.Domain, importing)
	}
	rep, err := i.Resembles(ctx, sdk.ResembleRequest{Target: r.Target, Files: []string{r.Before}, Dir: r.Dir, WayBack: true})
	if err != nil {
		return err
	}
	if was := rep.Of[0]; !was.Equal || !was.Only {
		return failure.New(failure.Precondition, "", "%s: import: domain %s has changed since its way back was made: %s", i.name, r.Target.Domain, summary(was.Differences)).
			WithRemedy("find out who is working on the domain, and restore when nobody is: dprun then makes a new way back")
	}
	return nil
}

// results evaluates what the gateway reports.
func (i *restore) results(got *soma.ImportResults) {
	const look = "look at the domain now, and at the gateway's log of that time"
	name := i.request.Target.Domain
	if got.Domain != name {
		i.found(sdk.LevelError, "results", name, look, "the gateway's results are for domain %q: nothing shows that it imported into %s", archive.Printable(got.Domain), name)
	}
	if !got.Logged {
		i.found(sdk.LevelError, "results", name, look, "the gateway does not say what it has configured and copied: nothing shows that it imported anything")
	}
	configured, failed := map[objectKey]bool{}, list{}
	for _, o := range got.Configured {
		configured[objectKey{o.Class, o.Name}] = true
		if o.Status == "SUCCESS" {
			i.out.Objects++
			continue
		}
		i.refused[objectKey{o.Class, o.Name}] = true
		failed.add(o.Class+" "+o.Name, "the gateway's result is "+orNone(o.Status))
	}
	i.all(sdk.LevelError, "object_failed", "look at the gateway's log of that time for the reason", failed)

	copied, failed, ignored := map[string]bool{}, list{}, list{}
	for _, f := range got.Copied {
		copied[archive.FileName(f.Name)] = true
		switch {
		case f.Status == "OK":
			i.out.Files++
		case f.Status != "ignored":
			failed.add(f.Name, strings.TrimSpace("the gateway's result is "+orNone(f.Status)+" "+f.Reason))
		case !startScript(archive.FileName(f.Name)): // the objects stand for it
			ignored.add(f.Name, "the gateway has left the existing file in place")
		}
	}
	i.all(sdk.LevelError, "file_failed", "look at the gateway's log of that time for the reason, and check whether the account may write the file", failed)
	i.all(sdk.LevelWarning, "file_ignored", "compare the file with the archive's", ignored)

	absent := list{}
	for _, f := range got.Files {
		if f.Status == "missing-file" || f.Status == "missing-key" {
			absent.add(f.Name, "the archive does not hold it; objects that need it stay down unless the gateway has it")
		}
	}
	i.all(sdk.LevelWarning, "absent", "bring the files along", absent)
	switch strings.ToLower(got.DetectedErrors) {
	case "false", "off", "no", "0":
	case "":
		i.found(sdk.LevelNotProven, "results", name, "", "the gateway does not say whether it found errors")
	default:
		level := sdk.LevelError
		if len(absent) > 0 && len(i.contents.Absent) > 0 {
			level = sdk.LevelWarning // the missing files explain it
		}
		i.found(level, "results", name, look, "the gateway found errors: detected-errors is %s", archive.Printable(got.DetectedErrors))
	}

	unnamed, uncopied := list{}, list{}
	for _, o := range i.contents.Objects {
		if !configured[objectKey{o.Class, o.Name}] && !i.policy.leavesOut(i.from, o.Class, o.Name) {
			unnamed.add(o.Class+" "+o.Name, "the gateway does not report it as configured")
		}
	}
	for _, f := range i.contents.Files {
		if !copied[f] && !startScript(f) {
			uncopied.add(f, "the gateway does not report it as copied")
		}
	}
	const skips = "check whether the account may write it, whether the gateway knows and has licensed the class, and whether the object is locked: the gateway skips objects silently"
	i.all(sdk.LevelWarning, "not_configured", skips, unnamed)
	i.all(sdk.LevelWarning, "not_copied", skips, uncopied)
}

// list holds names, each with a text about it.
type list [][2]string

func (l *list) add(subject, text string) { *l = append(*l, [2]string{subject, text}) }

// all adds a finding for each of the first entries of a list, and says how many
// more there are.
func (i *restore) all(level sdk.Level, check, remedy string, l list) {
	for n, item := range l {
		if n == maxNoted {
			i.found(level, check, "", remedy, "the same is true of %d more", len(l)-n)
			return
		}
		i.found(level, check, item[0], remedy, "%s", archive.Printable(item[1]))
	}
}

const (
	statesEvery = time.Second
	statesRest  = 10 * time.Second // how long states must stay the same while an object is down that should not be
	statesLimit = 3 * time.Minute  // for objects to come up
)

// states evaluates the state of the domain's objects. If they cannot be read, it
// reports that; it proves nothing.
func (i *restore) states(ctx context.Context) {
	name := i.request.Target.Domain
	objects, err := i.settled(ctx)
	if err != nil {
		i.found(sdk.LevelError, "states", name, "read the domain's objects yourself (Status, Main, Object Status)", "the state of the objects after the import could not be read: %s", archive.Printable(err.Error()))
	} else {
		i.judge(objects)
	}
	d, err := i.domain(ctx, name, importing)
	if err != nil {
		i.found(sdk.LevelError, "states", name, "look at the domain now", "whether the domain has unsaved changes could not be read: %s", archive.Printable(err.Error()))
		return
	}
	i.out.SaveNeeded = d.SaveNeeded
}

// settled reads the objects until they stay the same and none is coming up, or
// until the limit is over. This gives objects that are down time to come up.
func (i *restore) settled(ctx context.Context) ([]soma.Object, error) {
	name := i.request.Target.Domain
	var last []soma.Object
	var unread error
	var since time.Duration // time since the last change
	for waited := time.Duration(0); ; waited += statesEvery {
		objects, err := i.client.ObjectStatus(ctx, name)
		if err == nil {
			err = told(name, objects)
		}
		if unread = err; err == nil {
			if slices.ContainsFunc(objects, i.running) { // every second counts
				return objects, nil
			}
			switch {
			case last == nil || !slices.Equal(last, objects) || slices.ContainsFunc(objects, pendingState):
				last, since = objects, waited
			case waited-since >= statesRest || !slices.ContainsFunc(objects, i.down):
				return objects, nil
			}
		}
		if waited >= statesLimit {
			break
		}
		if err := i.pause(ctx, statesEvery); err != nil {
			return nil, i.failed(err, "read the objects of domain %s", name)
		}
	}
	if unread != nil {
		return nil, i.failed(unread, "read the objects of domain %s", name)
	}
	i.found(sdk.LevelWarning, "states", name, "look at the domain again in a while", "the states of its objects were still changing after %v", statesLimit)
	return last, nil
}

func pendingState(o soma.Object) bool {
	return strings.HasPrefix(strings.ToLower(o.OpState), "pending")
}

// These events explain why an object is down although nothing is wrong.
const (
	eventDisabled   = "0x0034000d"
	eventReferenced = "0x0036000e" // something that it refers to is down
)

// judge compares the objects with those from before the import and with the
// archive's.
func (i *restore) judge(objects []soma.Object) {
	there := map[objectKey]bool{}
	down, running, unknown := list{}, list{}, list{}
	for _, o := range objects {
		key := objectKey{o.Class, o.Name}
		there[key] = true
		was, old := i.was[key]
		if i.running(o) {
			running.add(o.Class+" "+o.Name, "it is "+orNone(o.AdminState)+" after the import, and may be running")
		} else if i.policy.drill && !known(o.Class) && !old && o.AdminState != "disabled" {
			unknown.add(o.Class+" "+o.Name, "it is "+orNone(o.AdminState)+" after the import, and dprun does not know what its class does")
		}
		if o.Class == "TCPProxyService" && o.AdminState != "disabled" && i.wanted[key].AdminState == "disabled" {
			i.found(sdk.LevelWarning, "enabled", o.Class+" "+o.Name, "disable it if it must not run", "it is enabled now, although it is disabled in the archive: gateways import this class enabled")
		}
		if !i.down(o) {
			if !o.Up() && o.AdminState != "disabled" && (!old || was.Up()) {
				i.out.Excused++
			}
			continue
		}
		text := fmt.Sprintf("%s (%s)", orNone(o.ErrorCode), orNone(o.EventCode))
		i.out.Down = append(i.out.Down, archive.Printable(o.Class+" "+o.Name+": "+text))
		down.add(o.Class+" "+o.Name, "it is down: "+text)
	}
	i.all(sdk.LevelError, "running", "drop the domain at once", running)
	i.all(sdk.LevelWarning, "unknown_class", "check whether it does something on its own, and disable it", unknown)
	i.all(sdk.LevelWarning, "down", "look at the object in the WebGUI: the event says what it lacks", down)
	skipped := list{}
	for _, o := range i.contents.Objects {
		if key := (objectKey{o.Class, o.Name}); !there[key] && !i.refused[key] && !i.policy.leavesOut(i.from, o.Class, o.Name) {
			i.out.Skipped = append(i.out.Skipped, archive.Printable(o.Class+" "+o.Name))
			skipped.add(o.Class+" "+o.Name, "the archive holds it, but the domain lacks it after the import: the gateway has skipped it silently")
		}
	}
	i.all(sdk.LevelError, "skipped", "check whether the gateway knows and has licensed the class, and whether the account may write it", skipped)
}

// running reports whether an object of a drill may be running: it comes from the archive and is not disabled.
func (i *restore) running(o soma.Object) bool {
	key := objectKey{o.Class, o.Name}
	_, old := i.was[key]
	_, want := i.wanted[key]
	_, starts := starting[o.Class]
	return i.policy.drill && (starts || !known(o.Class) && serving(o.Class)) && o.AdminState != "disabled" && (want || !old)
}

// down reports whether an object that was up before, or is new, is down for an unexpected reason.
func (i *restore) down(o soma.Object) bool {
	key := objectKey{o.Class, o.Name}
	was, old := i.was[key]
	return !o.Up() && o.AdminState != "disabled" && (!old || was.Up()) && ((old && !i.policy.drill) || !i.expected(o, i.wanted[key]))
}

// expected reports whether a new object is down for an expected reason: because of something that it refers to,
// or of a file that the archive does not hold.
func (i *restore) expected(o soma.Object, wanted archive.Object) bool {
	_, absent := i.contents.Absent[wanted.File]
	return strings.EqualFold(o.EventCode, eventReferenced) || strings.EqualFold(o.EventCode, eventDisabled) || wanted.File != "" && absent
}

const comparing = "compare a domain with what it should hold"

// Resembles exports the running configuration of a domain and compares it with
// each archive.
func (s *source) Resembles(ctx context.Context, r sdk.ResembleRequest) (*sdk.ResembleReport, error) {
	if r.Target.Device() {
		return nil, failure.New(failure.Precondition, failure.Unsupported, "%s: only a domain can be compared", s.name)
	}
	target := filepath.Join(r.Dir, "now.zip")
	if err := s.exportTo(ctx, target, r.Target.Domain, comparing); err != nil {
		return nil, err
	}
	d, err := s.domain(ctx, r.Target.Domain, comparing)
	if err != nil {
		return nil, err
	}
	out := &sdk.ResembleReport{SaveNeeded: d.SaveNeeded}
	p, err := s.policyOf(r.Policy, r.Variables, r.Disabled, comparing)
	if err != nil {
		return nil, err
	}
	for n, file := range r.Files {
		diff, err := archive.Verifier{TempDir: s.temp}.Diff(ctx, target, file)
		if broken := new(archive.NotWhole); errors.As(err, &broken) {
			return nil, failure.New(failure.Corrupt, failure.BadArchive, "%s: %s: %w", s.name, comparing, err)
		}
		if err != nil {
			return nil, s.unread(ctx, err, comparing)
		}
		if n == 0 && r.WayBack {
			out.Of = append(out.Of, resemblance(diff, nil, false))
			continue
		}
		if p.drill {
			if p, err = s.drillPolicyOf(ctx, file); err != nil {
				return nil, err
			}
		}
		out.Of = append(out.Of, resemblance(diff, &p, r.RewriteLocalIP))
	}
	return out, os.Remove(target)
}

// drillPolicyOf returns the policy for a drill of an archive.
func (s *source) drillPolicyOf(ctx context.Context, file string) (policy, error) {
	f, err := os.Open(file)
	if err != nil {
		return policy{}, s.staging(err, comparing)
	}
	defer f.Close() //nolint:errcheck // it is read only
	info, err := f.Stat()
	if err != nil {
		return policy{}, s.staging(err, comparing)
	}
	contents, _, err := archive.Verifier{TempDir: s.temp}.Contents(ctx, f, info.Size())
	if err != nil {
		return policy{}, s.unread(ctx, err, comparing)
	}
	return drillPolicy(contents.Objects), nil
}

// exportTo writes an export of the running configuration of a domain.
func (s *source) exportTo(ctx context.Context, name, domain, what string) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return s.staging(err, what)
	}
	if _, err := s.client.Export(ctx, soma.ExportRequest{Domain: domain, Comment: "dprun: " + what}, file); err != nil {
		_ = file.Close()
		return s.failed(err, "%s: export the target", what)
	}
	if err := file.Close(); err != nil {
		return s.staging(err, what)
	}
	return nil
}

const maxDifferences = 200 // differences that are reported

// resemblance says how a domain differs from an archive that was imported with a policy; the first of the two in
// diff is the domain. Without a policy nothing was imported, and every difference counts.
func resemblance(diff *archive.Diff, p *policy, rewritten bool) sdk.Resemblance {
	out := sdk.Resemblance{Equal: diff.Omitted == 0, Only: diff.Omitted == 0}
	from := ""
	if diff.B != nil && len(diff.B.Domains) == 1 {
		from = diff.B.Domains[0]
	}
	for _, d := range diff.Differences {
		_, lacks := d.Absent()
		text := strings.TrimSpace(d.Class + " " + d.Name)
		switch {
		case d.What == archive.WhatFile && (strings.HasPrefix(d.Name, "dp-aux/") || startScript(d.Name)):
			continue // part of the export itself; the objects stand for it
		case d.Change == archive.Removed:
			out.Only = false
			text += ": the archive does not have it"
		case lacks != "":
			continue // nobody can know whether it is unchanged
		case p != nil && d.What == archive.WhatObject && p.leavesOut(from, d.Class, d.Name):
			text += ": the policy leaves it out"
		case p != nil && d.Change == archive.Changed && always(from, d, p, rewritten):
			text += ": differs only in what an import changes"
		case d.Change == archive.Added:
			out.Equal = false
			text += ": is not there"
		default:
			out.Equal = false
			text += ": is otherwise" + properties(d.Properties)
		}
		if len(out.Differences) < maxDifferences {
			out.Differences = append(out.Differences, archive.Printable(text))
		}
	}
	return out
}

// properties names the first properties that differ, without their values, which may be
// secret.
func properties(ps []archive.Property) string {
	var names []string
	for _, p := range ps[:min(3, len(ps))] {
		names = append(names, p.Path)
	}
	if len(names) == 0 {
		return ""
	}
	return " in " + strings.Join(names, ", ")
}

// always reports whether an object differs from the archive's only in what every import changes.
func always(from string, d archive.Difference, p *policy, rewritten bool) bool {
	if len(d.Properties) == 0 || d.Omitted > 0 {
		return false
	}
	for _, property := range d.Properties {
		switch {
		case property.Path == "mAdminState" && d.Class == "TCPProxyService" && property.Old == "enabled":
		case p.explains(from, d.Class, d.Name, property):
		case rewritten && (property.Path == "LocalAddress" || strings.HasSuffix(property.Path, "/LocalAddress")):
		default:
			return false
		}
	}
	return true
}
